/* tests/support/image_case.c - see image_case.h. */
#include "image_case.h"

#include "png_truth.h"
#include "sentence.h"

#include <criterion/criterion.h>
#include <string.h>

bool image_is_same(const struct image *a, const struct image *b)
{
    return a->width == b->width && a->height == b->height &&
           memcmp(a->grey, b->grey, a->width * a->height) == 0;
}

static void check_is_truth(const char *name, const struct image *img, const struct png_truth *truth)
{
    cr_assert(img->width == truth->width && img->height == truth->height,
              "%s: %zu x %zu instead of %zu x %zu", name, img->width, img->height, truth->width,
              truth->height);
    cr_assert(img->channels == truth->channels && img->bit_depth == truth->bit_depth,
              "%s: %u channels of %u bits instead of %u of %u", name, img->channels, img->bit_depth,
              truth->channels, truth->bit_depth);
    for (size_t i = 0; i < img->width * img->height; i++)
        cr_assert_eq(img->grey[i], truth->grey[i], "%s: pixel (%zu, %zu) is %d instead of %d", name,
                     i % img->width, i / img->width, img->grey[i], truth->grey[i]);
}

void check_image_decodes(const char *name, const struct file_bytes *f, const struct image_limits *limits)
{
    struct image img = IMAGE_INIT;
    struct png_truth truth;
    const struct image_reader reader = { .limits = limits };
    struct error err = { 0 };

    cr_assert_eq(image_decode(f->data, f->size, &reader, &img, &err), ST_OK, "%s: %s", name, err.text);
    cr_assert(png_truth_init(&truth, f->data, f->size), "%s: the other decoder cannot read it", name);
    check_is_truth(name, &img, &truth);
    png_truth_release(&truth);
    image_release(&img);
}

void check_image_refused(const char *name, const void *bytes, size_t n, enum status expected,
                         const char *word)
{
    uint8_t canary;
    struct image img = { 1, 2, &canary, 3, 4 };
    struct error err = { 0 };
    const enum status st = image_decode(bytes, n, &IMAGE_READER_PNG, &img, &err);

    check_refusal(name, st, expected, &err, word);
    cr_assert(img.width == 1 && img.height == 2 && img.grey == &canary && img.channels == 3 &&
                  img.bit_depth == 4,
              "%s: the image was touched", name);
}

struct image craft_decode(const struct buf *png, const char *what)
{
    struct image img = IMAGE_INIT;
    struct error err = { 0 };

    cr_assert_eq(buf_status(png), ST_OK);
    cr_assert_eq(image_decode(png->data, png->len, &IMAGE_READER_PNG, &img, &err), ST_OK, "%s: %s", what,
                 err.text);
    return img;
}

void craft_with(struct buf *png, struct craft_header h, const struct early_chunk *chunks, size_t n_chunks,
                const void *rows, size_t n)
{
    craft_begin(png, h);
    for (size_t i = 0; i < n_chunks; i++)
        craft_chunk(png, chunks[i].type, chunks[i].data, chunks[i].n);
    craft_pixels(png, rows, n);
    craft_end(png);
}

/* Rows of `width` bytes behind a filter byte, and `kind` decides what is in them. */
static size_t fill_rows(uint8_t *to, size_t n_rows, size_t width, size_t kind)
{
    for (size_t y = 0; y < n_rows; y++, to += 1 + width) {
        to[0] = kind == 0 ? (uint8_t)(y % 5) : 0;
        for (size_t x = 1; x <= width; x++)
            to[x] = kind == 1 ? (uint8_t)(0x10 * (y % 5) + x % 5) : (uint8_t)(x * 13 + y * x);
    }
    return n_rows * (1 + width);
}

void craft_small(size_t kind, struct buf *png)
{
    static const struct craft_header HEADERS[N_SMALL_IMAGES] = { { 13, 7, 8, CRAFT_GREY, 0 },
                                                                 { 9, 6, 4, CRAFT_PALETTE, 1 },
                                                                 { 5, 5, 16, CRAFT_RGBA, 0 } };
    static const struct early_chunk PALETTE = { "PLTE", "\0\1\2\3\4\5\6\7\x08\x09\x0a\x0b\x0c\x0d\x0e", 15 };
    static const size_t ADAM7[7][2] = {
        { 1, 1 }, { 1, 1 }, { 1, 2 }, { 2, 1 }, { 1, 3 }, { 3, 2 }, { 3, 5 }
    };
    uint8_t rows[400] = { 0 };
    size_t n = 0;

    if (kind == 1)
        for (size_t pass = 0; pass < 7; pass++) /* rows and bytes a row of 9 x 6 nibbles */
            n += fill_rows(rows + n, ADAM7[pass][0], ADAM7[pass][1], kind);
    else
        n = kind == 0 ? fill_rows(rows, 7, 13, kind) : fill_rows(rows, 5, 40, kind);
    craft_with(png, HEADERS[kind], &PALETTE, kind == 1, rows, n);
}
