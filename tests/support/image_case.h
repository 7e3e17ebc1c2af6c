/* tests/support/image_case.h - pictures that are decoded as they should be, or refused; small ones built by hand to be damaged. */
#ifndef SUPPORT_IMAGE_CASE_H
#define SUPPORT_IMAGE_CASE_H

#include "cxrd/buf.h"
#include "cxrd/file.h"
#include "cxrd/image.h"
#include "png_craft.h"

enum { IMAGE_CASE_BYTES = 1 << 20, N_SMALL_IMAGES = 3 };

bool image_is_same(const struct image *a, const struct image *b);
/* Decodes, and to what the other decoder says. */
void check_image_decodes(const char *name, const struct file_bytes *f, const struct image_limits *limits);
/* Refused with this status and a sentence with this word; the caller's image stays as it was. */
void check_image_refused(const char *name, const void *bytes, size_t n, enum status expected,
                         const char *word);
struct image craft_decode(const struct buf *png, const char *what);

/* A one-row picture with chunks of one's own between header and pixels. */
struct early_chunk {
    const char *type;
    const void *data;
    size_t n;
};
void craft_with(struct buf *png, struct craft_header h, const struct early_chunk *chunks, size_t n_chunks,
                const void *rows, size_t n);

/* Three small valid pictures: grey with every filter, an interlaced palette, RGBA of 16 bits. */
void craft_small(size_t kind, struct buf *png);

#endif
