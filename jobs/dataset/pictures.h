/* jobs/dataset/pictures.h - from a row number to what the network is fed: the cache, or the file decoded. */
#ifndef JOBS_DATASET_PICTURES_H
#define JOBS_DATASET_PICTURES_H

#include "cxrd/dataset.h"
#include "cxrd/image_cache.h"

enum { PICTURE_MAX_BYTES = 64 << 20 }; /* of a file */

/* All borrowed and, but for what the last two point to, never changed: any number of threads may load at the same
 * time, different rows. */
struct pictures {
    const struct table *table;
    const struct picture_files *files;
    struct preprocess pre;
    struct image_cache *cache; /* NULL: none */
    bool *unusable;            /* [table->n_rows]: marked where a picture is no good; NULL: not wanted */
    struct decoder *decoder;   /* of JPEG and DICOM; NULL: PNG only */
};

/* The facts that a picture must give before the rows are split, from the cache or by decoding the file, which then is in the
 * cache. `grey` [size * size] is room for it. Errors: picture_load()'s. */
MUST_USE enum status picture_look(const struct pictures *p, size_t row, uint8_t *grey,
                                  struct picture_facts *ret, struct error *err);

/* The picture of a row, resized: grey [size * size].
 * Errors: ST_UNSUPPORTED, ST_FORMAT, ST_LIMIT, ST_UNUSABLE: the picture is no good, and is marked. ST_IO, ST_BUSY, ST_NOMEM: nothing is
 * known of it, as it cannot be opened or read now (see status_is_outside()); it must not be done without. The sentence names
 * the file. */
MUST_USE enum status picture_load(const struct pictures *p, size_t row, uint8_t *ret_grey, struct error *err);

/* The stamp of a row's file, see file_stamp(); 0: it cannot be opened. */
uint64_t picture_stamp(const struct pictures *p, size_t row);

#endif
