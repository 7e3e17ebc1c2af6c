/* tests/unit/test_image.c - strangers' bytes become exactly the grey values that the contract's formulas give, or a
 * refusal that says why. Valid files are compared with another decoder (support/png_truth.h); files that are wrong
 * in one place only are built here, chunk by chunk (support/png_craft.h). */
#include "cxrd/file.h"
#include "cxrd/image.h"
#include "cxrd/pool.h"
#include "cxrd/rng.h"
#include "guard.h"
#include "leaks.h"
#include "png_craft.h"
#include "png_truth.h"
#include "sentence.h"
#include "support.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MAX_FILE = 1 << 20, N_PNGSUITE_VALID = 161, N_HOSTILE = 180 };

/* ---- files ---- */

static int is_png(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');

    return dot && strcmp(dot, ".png") == 0;
}

/* The PNGs of a folder of the real data, in order of name. */
struct listing {
    char folder[4096];
    struct dirent **entries;
    int n;
};

static struct listing list(const char *relative)
{
    struct listing l;

    snprintf(l.folder, sizeof l.folder, "%s", test_data(relative));
    l.n = scandir(l.folder, &l.entries, is_png, alphasort);
    cr_assert_gt(l.n, 0, "'%s' has no PNG", l.folder);
    return l;
}

static void list_release(struct listing *l)
{
    for (int i = 0; i < l->n; i++)
        free(l->entries[i]);
    free(l->entries);
}

static struct file_bytes read_from(const char *folder, const char *name)
{
    struct file_bytes f = FILE_BYTES_INIT;
    struct error err = { 0 };
    char path[4400];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    cr_assert_eq(file_read(path, MAX_FILE, &f, &err), ST_OK, "%s", err.text);
    return f;
}

/* ---- comparing ---- */

static bool same_picture(const struct image *a, const struct image *b)
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

/* Decodes, and to what the other decoder says. */
static void check_decodes(const char *name, const struct file_bytes *f, const struct image_limits *limits)
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

/* Refused with this status and a sentence with this word; the caller's image stays as it was. */
static void check_refused(const char *name, const void *bytes, size_t n, enum status expected,
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

/* ---- PngSuite ---- */

TEST_WITHOUT_LEAKS(pngsuite, every_valid_file_decodes_to_the_right_grey)
{
    struct listing l = list("png/pngsuite");
    int n_valid = 0;

    for (int i = 0; i < l.n; i++) {
        const char *name = l.entries[i]->d_name;

        if (name[0] != 'x') {
            struct file_bytes f = read_from(l.folder, name);

            check_decodes(name, &f, &IMAGE_LIMITS);
            file_bytes_release(&f);
            n_valid++;
        }
    }
    cr_assert_eq(n_valid, N_PNGSUITE_VALID);
    list_release(&l);
}

static const struct refusal {
    const char *name;
    enum status status;
    const char *word;
} PNGSUITE_BROKEN[] = {
    { "xc1n0g08.png", ST_FORMAT, "colour type 1" },   { "xc9n2c08.png", ST_FORMAT, "colour type 9" },
    { "xd0n2c08.png", ST_FORMAT, "0 bits" },          { "xd3n2c08.png", ST_FORMAT, "3 bits" },
    { "xd9n2c08.png", ST_FORMAT, "99 bits" },         { "xcsn0g01.png", ST_FORMAT, "IDAT: CRC error" },
    { "xhdn0g08.png", ST_FORMAT, "IHDR: CRC error" }, { "xdtn0g01.png", ST_FORMAT, "no pixels" },
    { "xs1n0g01.png", ST_UNSUPPORTED, "signature" },  { "xs2n0g01.png", ST_UNSUPPORTED, "signature" },
    { "xs4n0g01.png", ST_UNSUPPORTED, "signature" },  { "xs7n0g01.png", ST_UNSUPPORTED, "signature" },
    { "xcrn0g04.png", ST_UNSUPPORTED, "signature" },  { "xlfn0g04.png", ST_UNSUPPORTED, "signature" },
};
enum { N_PNGSUITE_BROKEN = sizeof PNGSUITE_BROKEN / sizeof PNGSUITE_BROKEN[0] };

TEST_WITHOUT_LEAKS(pngsuite, every_broken_file_is_refused_by_what_is_wrong_with_it)
{
    struct listing l = list("png/pngsuite");

    for (int i = 0; i < N_PNGSUITE_BROKEN; i++) {
        const struct refusal *r = &PNGSUITE_BROKEN[i];
        struct file_bytes f = read_from(l.folder, r->name);

        check_refused(r->name, f.data, f.size, r->status, r->word);
        file_bytes_release(&f);
    }
    cr_assert_eq(l.n, N_PNGSUITE_VALID + N_PNGSUITE_BROKEN); /* none was forgotten */
    list_release(&l);
}

static struct image decode_from(const char *folder, const char *name)
{
    struct file_bytes f = read_from(folder, name);
    struct image img = IMAGE_INIT;
    struct error err = { 0 };

    cr_assert_eq(image_decode(f.data, f.size, &IMAGE_READER_PNG, &img, &err), ST_OK, "%s: %s", name,
                 err.text);
    file_bytes_release(&f);
    return img;
}

/* basi… and sNNi… are basn… and sNNn… again, in Adam7's order. */
TEST_WITHOUT_LEAKS(pngsuite, an_interlaced_picture_equals_its_plain_twin)
{
    struct listing l = list("png/pngsuite");
    int n_pairs = 0;

    for (int i = 0; i < l.n; i++) {
        char twin[256];
        const char *name = l.entries[i]->d_name;
        struct image a, b;

        if (name[3] != 'i' || (strncmp(name, "bas", 3) != 0 && name[0] != 's'))
            continue;
        snprintf(twin, sizeof twin, "%s", name);
        twin[3] = 'n';
        a = decode_from(l.folder, name);
        b = decode_from(l.folder, twin);
        cr_assert(same_picture(&a, &b), "%s differs from %s", name, twin);
        image_release(&a);
        image_release(&b);
        n_pairs++;
    }
    cr_assert_eq(n_pairs, 15 + 18);
    list_release(&l);
}

/* ---- hostile files ---- */

/* Those whose picture is broken, by the beginning of their name. In all others, at most what is not the picture is
 * odd: they must decode, to the right values. */
static const struct refusal HOSTILE_BROKEN[] = {
    { "libpng-badpal-", ST_FORMAT, "palette index" },
    { "libpng-crashers-badadler", ST_FORMAT, "incorrect data check" },
    { "libpng-crashers-badcrc", ST_FORMAT, "IDAT: CRC error" },
    { "libpng-crashers-bad_iCCP", ST_LIMIT, "8363 x 1 pixels" },
    { "libpng-crashers-huge_", ST_FORMAT, "it ends early" },
    { "libspng-crashers-invalid_gray_alpha_sbit", ST_FORMAT, "sBIT: CRC error" },
    { "libspng-crashers-missing_plte", ST_FORMAT, "Missing PLTE" },
    { "libspng-crashers-zero_gama", ST_LIMIT, "8224 x 1312 pixels" },
    { "libspng-crashers-zero_width", ST_FORMAT, "0 x 32 pixels" },
};
enum { N_HOSTILE_BROKEN = sizeof HOSTILE_BROKEN / sizeof HOSTILE_BROKEN[0], N_HOSTILE_REFUSED = 35 };

static const struct refusal *hostile_refusal(const char *name)
{
    for (int i = 0; i < N_HOSTILE_BROKEN; i++)
        if (strncmp(name, HOSTILE_BROKEN[i].name, strlen(HOSTILE_BROKEN[i].name)) == 0)
            return &HOSTILE_BROKEN[i];
    return NULL;
}

TEST_WITHOUT_LEAKS(hostile, broken_files_are_refused_and_the_others_decode_to_the_right_grey)
{
    struct listing l = list("png/hostile");
    int n_refused = 0;

    for (int i = 0; i < l.n; i++) {
        const char *name = l.entries[i]->d_name;
        const struct refusal *r = hostile_refusal(name);
        struct file_bytes f = read_from(l.folder, name);

        if (r)
            check_refused(name, f.data, f.size, r->status, r->word);
        else
            check_decodes(name, &f, &IMAGE_LIMITS);
        n_refused += r != NULL;
        file_bytes_release(&f);
    }
    cr_assert_eq(l.n, N_HOSTILE);
    cr_assert_eq(n_refused, N_HOSTILE_REFUSED);
    list_release(&l);
}

/* Two of them are only refused for their size: what else is wrong must not hurt either. */
TEST_WITHOUT_LEAKS(hostile, wide_limits_do_not_let_a_broken_file_through)
{
    const struct image_limits wide = { .max_side = 1 << 20, .max_pixels = 1 << 28, .max_bytes = 1 << 28 };
    const struct image_reader reader = { .limits = &wide };
    struct listing l = list("png/hostile");

    for (int i = 0; i < l.n; i++) {
        const char *name = l.entries[i]->d_name;
        struct file_bytes f = read_from(l.folder, name);
        struct image img = IMAGE_INIT;
        struct error err = { 0 };

        if (hostile_refusal(name))
            check_refusal(name, image_decode(f.data, f.size, &reader, &img, &err), ST_FORMAT, &err,
                          "broken PNG: ");
        file_bytes_release(&f);
    }
    list_release(&l);
}

/* ---- which format is this ---- */

static const struct sample {
    const char *name;
    size_t offset;
    const char magic[9];
    size_t n_magic;
} FOREIGN[] = {
    { "JPEG", 0, "\xff\xd8\xff\xe0", 4 },
    { "GIF", 0, "GIF89a", 6 },
    { "GIF", 0, "GIF87a", 6 },
    { "DICOM", 128, "DICM", 4 },
    { "TIFF", 0, "II*\0", 4 },
    { "TIFF", 0, "MM\0*", 4 },
    { "BMP", 0, "BM", 2 },
    { "WebP", 8, "WEBP", 4 },
    { "JPEG 2000", 4, "jP  ", 4 },
    { "HEIF", 4, "ftypheic", 8 },
    { "PDF", 0, "%PDF-1.7", 8 },
    { "gzip", 0, "\x1f\x8b\x08", 3 },
    { "ZIP", 0, "PK\x03\x04", 4 },
    { "not an image", 0, "hello", 5 },
};

TEST_WITHOUT_LEAKS(format, a_refusal_names_what_was_sent)
{
    for (size_t i = 0; i < sizeof FOREIGN / sizeof FOREIGN[0]; i++) {
        uint8_t bytes[200] = { 0 };

        memcpy(bytes + FOREIGN[i].offset, FOREIGN[i].magic, FOREIGN[i].n_magic);
        check_refused(FOREIGN[i].name, bytes, sizeof bytes, ST_UNSUPPORTED, FOREIGN[i].name);
        check_refused(FOREIGN[i].name, bytes, FOREIGN[i].offset + FOREIGN[i].n_magic, ST_UNSUPPORTED,
                      FOREIGN[i].name);
    }
}

TEST_WITHOUT_LEAKS(format, nothing_at_all_is_refused)
{
    check_refused("no bytes", "", 0, ST_FORMAT, "empty");
    check_refused("no bytes, no pointer", NULL, 0, ST_FORMAT, "empty");
}

TEST_WITHOUT_LEAKS(format, random_bytes_are_no_picture)
{
    struct rng rng;
    uint8_t bytes[300];

    rng_seed(&rng, 1, 0);
    for (size_t i = 0; i < 5000; i++) {
        const size_t n = 1 + (size_t)rng_below(&rng, sizeof bytes);

        for (size_t k = 0; k < n; k++)
            bytes[k] = (uint8_t)rng_below(&rng, 256);
        check_refused("random bytes", bytes, n, ST_UNSUPPORTED, "PNG is read here");
    }
}

/* ---- pictures built by hand ---- */

static struct image decode_craft(const struct buf *png, const char *what)
{
    struct image img = IMAGE_INIT;
    struct error err = { 0 };

    cr_assert_eq(buf_status(png), ST_OK);
    cr_assert_eq(image_decode(png->data, png->len, &IMAGE_READER_PNG, &img, &err), ST_OK, "%s: %s", what,
                 err.text);
    return img;
}

/* A picture of one stored row decodes to these grey values. */
static void check_row(const char *what, struct craft_header h, const void *row, size_t n, const uint8_t *grey)
{
    struct buf png = BUF_INIT(MAX_FILE);
    struct image img;

    craft_png(&png, h, row, n);
    img = decode_craft(&png, what);
    for (size_t i = 0; i < h.width; i++)
        cr_assert_eq(img.grey[i], grey[i], "%s: pixel %zu is %d instead of %d", what, i, img.grey[i],
                     grey[i]);
    image_release(&img);
    buf_release(&png);
}

TEST_WITHOUT_LEAKS(pixels, sixteen_bits_are_rounded_to_eight)
{
    /* v = 0, 128, 129, 385, 386, 32767, 32768, 65406, 65407, 65535: 257 apart from step to step */
    const uint8_t row[] = { 0,    0x00, 0x00, 0x00, 0x80, 0x00, 0x81, 0x01, 0x81, 0x01, 0x82,
                            0x7f, 0xff, 0x80, 0x00, 0xff, 0x7e, 0xff, 0x7f, 0xff, 0xff };
    const uint8_t grey[] = { 0, 0, 1, 1, 2, 127, 128, 254, 255, 255 };

    check_row("16 bit", (struct craft_header){ 10, 1, 16, CRAFT_GREY, 0 }, row, sizeof row, grey);
}

TEST_WITHOUT_LEAKS(pixels, few_bits_are_spread_over_the_whole_range)
{
    check_row("1 bit", (struct craft_header){ 3, 1, 1, CRAFT_GREY, 0 }, "\0\xa0", 2,
              (uint8_t[]){ 255, 0, 255 });
    check_row("2 bit", (struct craft_header){ 4, 1, 2, CRAFT_GREY, 0 }, "\0\x1b", 2,
              (uint8_t[]){ 0, 85, 170, 255 });
    check_row("4 bit", (struct craft_header){ 2, 1, 4, CRAFT_GREY, 0 }, "\0\x1e", 2, (uint8_t[]){ 17, 238 });
}

TEST_WITHOUT_LEAKS(pixels, colours_weigh_as_the_contract_says)
{
    const uint8_t row[] = { 0, 255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255, 77, 77, 77, 10, 20, 30 };
    const uint8_t grey[] = { 76, 150, 29, 255, 77, 18 };

    check_row("RGB", (struct craft_header){ 6, 1, 8, CRAFT_RGB, 0 }, row, sizeof row, grey);
}

TEST_WITHOUT_LEAKS(pixels, alpha_is_composed_over_black)
{
    const uint8_t ga[] = { 0, 200, 255, 200, 0, 200, 128, 255, 1 }; /* 200 * 128 / 255 = 100.4 */
    const uint8_t rgba[] = { 0, 255, 255, 255, 128, 255, 0, 0, 128, 0, 255, 0, 0 };

    check_row("grey and alpha", (struct craft_header){ 4, 1, 8, CRAFT_GREY_ALPHA, 0 }, ga, sizeof ga,
              (uint8_t[]){ 200, 0, 100, 1 });
    check_row("RGBA", (struct craft_header){ 3, 1, 8, CRAFT_RGBA, 0 }, rgba, sizeof rgba,
              (uint8_t[]){ 128, 38, 0 });
}

/* A one-row picture with chunks of one's own between header and pixels. */
struct early_chunk {
    const char *type;
    const void *data;
    size_t n;
};

static void craft_with(struct buf *png, struct craft_header h, const struct early_chunk *chunks,
                       size_t n_chunks, const void *rows, size_t n)
{
    craft_begin(png, h);
    for (size_t i = 0; i < n_chunks; i++)
        craft_chunk(png, chunks[i].type, chunks[i].data, chunks[i].n);
    craft_pixels(png, rows, n);
    craft_end(png);
}

TEST_WITHOUT_LEAKS(pixels, transparency_is_expanded_before_the_grey_is_taken)
{
    const struct early_chunk key = { "tRNS", "\0\x55", 2 };
    const struct early_chunk palette[] = { { "PLTE", "\xff\0\0\xff\xff\xff\x80\x80\x80", 9 },
                                           { "tRNS", "\x80\0", 2 } };
    struct buf png = BUF_INIT(MAX_FILE);
    struct image img;

    craft_with(&png, (struct craft_header){ 3, 1, 8, CRAFT_GREY, 0 }, &key, 1, "\0\x54\x55\x56", 4);
    img = decode_craft(&png, "a transparent grey value");
    cr_assert_eq(memcmp(img.grey, "\x54\0\x56", 3), 0);
    image_release(&img);
    buf_clear(&png);

    craft_with(&png, (struct craft_header){ 3, 1, 2, CRAFT_PALETTE, 0 }, palette, 2, "\0\x18", 2); /* 0 1 2 */
    img = decode_craft(&png, "a palette with transparency");
    cr_assert_eq(memcmp(img.grey, (uint8_t[]){ 38, 0, 128 }, 3), 0, "%d %d %d", img.grey[0], img.grey[1],
                 img.grey[2]);
    cr_assert(img.channels == 1 && img.bit_depth == 2);
    image_release(&img);
    buf_release(&png);
}

TEST_WITHOUT_LEAKS(pixels, an_index_beyond_the_palette_is_refused_at_every_depth)
{
    const struct early_chunk palette = { "PLTE", "\1\2\3", 3 }; /* one entry */
    static const uint8_t DEPTHS[] = { 1, 2, 4, 8 };

    for (size_t i = 0; i < sizeof DEPTHS; i++)
        for (uint8_t interlace = 0; interlace < 2; interlace++) {
            struct buf png = BUF_INIT(MAX_FILE);
            const struct craft_header h = { 1, 1, DEPTHS[i], CRAFT_PALETTE, interlace };

            craft_with(&png, h, &palette, 1, "\0\xff", 2);
            check_refused("index 1 of 1 entry", png.data, png.len, ST_FORMAT, "palette index");
            buf_release(&png);
        }
}

/* ---- damage ---- */

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

enum { N_SMALL = 3 };

/* Three small valid pictures: grey with every filter, an interlaced palette, RGBA of 16 bits. */
static void craft_small(size_t kind, struct buf *png)
{
    static const struct craft_header HEADERS[N_SMALL] = { { 13, 7, 8, CRAFT_GREY, 0 },
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

TEST_WITHOUT_LEAKS(damage, the_small_pictures_are_valid)
{
    for (size_t kind = 0; kind < N_SMALL; kind++) {
        struct buf png = BUF_INIT(MAX_FILE);

        craft_small(kind, &png);
        check_decodes("a small picture", &(struct file_bytes){ png.data, png.len }, &IMAGE_LIMITS);
        buf_release(&png);
    }
}

static void check_prefix_refused(const char *bytes, size_t n)
{
    struct guarded prefix = guarded_copy(bytes, n);
    char what[40];

    snprintf(what, sizeof what, "the first %zu bytes", n);
    check_refused(what, prefix.bytes, n, n > 0 && n < 8 ? ST_UNSUPPORTED : ST_FORMAT, "");
    guarded_release(&prefix);
}

TEST_WITHOUT_LEAKS(damage, a_file_cut_at_any_byte_is_refused)
{
    for (size_t kind = 0; kind < N_SMALL; kind++) {
        struct buf png = BUF_INIT(MAX_FILE);

        craft_small(kind, &png);
        for (size_t n = 0; n < png.len; n++)
            check_prefix_refused(png.data, n);
        buf_release(&png);
    }
}

static bool is_size(size_t byte) { return byte >= 16 && byte < 24; } /* the header's width and height */

static void check_flip_refused(const struct buf *png, size_t bit)
{
    struct image img = IMAGE_INIT;
    struct error err = { 0 };
    char what[40];
    const enum status st = image_decode(png->data, png->len, &IMAGE_READER_PNG, &img, &err);
    const enum status expected = bit < 64                             ? ST_UNSUPPORTED
                                 : is_size(bit / 8) && st == ST_LIMIT ? ST_LIMIT
                                                                      : ST_FORMAT;

    snprintf(what, sizeof what, "bit %zu of byte %zu", bit % 8, bit / 8);
    check_refusal(what, st, expected, &err, "");
}

TEST_WITHOUT_LEAKS(damage, one_flipped_bit_anywhere_is_refused)
{
    for (size_t kind = 0; kind < N_SMALL; kind++) {
        struct buf png = BUF_INIT(MAX_FILE);

        craft_small(kind, &png);
        for (size_t bit = 0; bit < 8 * png.len; bit++) {
            png.data[bit / 8] ^= (char)(1 << bit % 8);
            check_flip_refused(&png, bit);
            png.data[bit / 8] ^= (char)(1 << bit % 8);
        }
        buf_release(&png);
    }
}

/* The picture as it was, or a refusal: never another picture. */
static void check_same_or_refused(const struct buf *png, const struct image *was, size_t at)
{
    struct image img = IMAGE_INIT;
    struct error err = { 0 };
    const enum status st = image_decode(png->data, png->len, &IMAGE_READER_PNG, &img, &err);

    if (st == ST_OK)
        cr_assert(same_picture(&img, was), "byte %zu changed and so did the picture", at);
    else
        check_refusal("changed pixels", st, ST_FORMAT, &err, "broken PNG: ");
    image_release(&img);
}

/* A repaired CRC leaves zlib's own checksum, which libpng would let pass with a warning. */
TEST_WITHOUT_LEAKS(damage, changed_pixels_are_noticed_behind_a_right_crc)
{
    for (size_t kind = 0; kind < N_SMALL; kind++) {
        struct buf png = BUF_INIT(MAX_FILE);
        struct craft_span idat;
        struct image was;

        craft_small(kind, &png);
        was = decode_craft(&png, "before");
        idat = craft_find(png.data, png.len, "IDAT");
        cr_assert_gt(idat.size, 30);
        for (size_t bit = 8 * idat.at; bit < 8 * (idat.at + idat.size); bit++) {
            png.data[bit / 8] ^= (char)(1 << bit % 8);
            craft_repair((uint8_t *)png.data, png.len, bit / 8);
            check_same_or_refused(&png, &was, bit / 8);
            png.data[bit / 8] ^= (char)(1 << bit % 8);
        }
        image_release(&was);
        buf_release(&png);
    }
}

/* A grey picture of 4 x 2 pixels whose pixels are these stored bytes. */
static void check_rows(const char *what, const void *rows, size_t n, const char *word)
{
    struct buf png = BUF_INIT(MAX_FILE);

    craft_png(&png, (struct craft_header){ 4, 2, 8, CRAFT_GREY, 0 }, rows, n);
    if (word)
        check_refused(what, png.data, png.len, ST_FORMAT, word);
    else
        check_decodes(what, &(struct file_bytes){ png.data, png.len }, &IMAGE_LIMITS);
    buf_release(&png);
}

TEST_WITHOUT_LEAKS(damage, too_few_or_too_many_pixels_or_no_such_filter_are_refused)
{
    const uint8_t rows[11] = { 0, 1, 2, 3, 4, 4, 1, 1, 1, 1, 0 };
    const uint8_t no_filter[10] = { 0, 1, 2, 3, 4, 5, 1, 1, 1, 1 };

    check_rows("two rows", rows, 10, NULL);
    check_rows("a byte too few", rows, 9, "Not enough image data");
    check_rows("a row too few", rows, 5, "Not enough image data");
    check_rows("a byte too many", rows, 11, "Too much image data");
    check_rows("filter 5", no_filter, 10, "filter");
}

enum { SMALL_ROWS = 10 };
static const struct craft_header SMALL = { 4, 2, 8, CRAFT_GREY, 0 };
static const uint8_t SMALL_PIXELS[SMALL_ROWS] = { 0, 1, 2, 3, 4, 0, 5, 6, 7, 8 };

/* The small picture from a stream of one's own, in two chunks if `cut` lies inside it. */
static void craft_cut(struct buf *png, const void *stream, size_t n, size_t cut)
{
    craft_begin(png, SMALL);
    if (cut > 0)
        craft_chunk(png, "IDAT", stream, cut);
    if (cut < n)
        craft_chunk(png, "IDAT", (const char *)stream + cut, n - cut);
    craft_end(png);
}

TEST_WITHOUT_LEAKS(chunks, the_streams_checksum_is_checked_wherever_it_is_cut)
{
    size_t n;
    uint8_t *stream = craft_deflate(SMALL_PIXELS, SMALL_ROWS, &n);

    for (size_t cut = 1; cut <= n; cut++) {
        struct buf png = BUF_INIT(MAX_FILE);

        craft_cut(&png, stream, n, cut);
        check_decodes("in two pieces", &(struct file_bytes){ png.data, png.len }, &IMAGE_LIMITS);
        buf_clear(&png);
        stream[n - 1] ^= 1;
        craft_cut(&png, stream, n, cut);
        check_refused("a wrong checksum", png.data, png.len, ST_FORMAT, "incorrect data check");
        stream[n - 1] ^= 1;
        buf_release(&png);
    }
    free(stream);
}

TEST_WITHOUT_LEAKS(chunks, a_stream_that_lacks_its_end_is_refused)
{
    size_t n;
    uint8_t *stream = craft_deflate(SMALL_PIXELS, SMALL_ROWS, &n);

    for (size_t left = 1; left < n; left++) {
        struct buf png = BUF_INIT(MAX_FILE);

        craft_cut(&png, stream, left, left);
        check_refused("without its end", png.data, png.len, ST_FORMAT, "Not enough image data");
        buf_release(&png);
    }
    free(stream);
}

/* The same picture, its pixels in chunks of one byte, and whatever `between` is after the first of them. */
static void craft_in_pieces(struct buf *png, const char *between)
{
    size_t n;
    char *stream = craft_deflate(SMALL_PIXELS, SMALL_ROWS, &n);

    craft_begin(png, SMALL);
    for (size_t i = 0; i < n; i++) {
        craft_chunk(png, "IDAT", stream + i, 1);
        if (i == 0 && between)
            craft_chunk(png, between, "k\0v", 3);
    }
    craft_end(png);
    free(stream);
}

TEST_WITHOUT_LEAKS(chunks, pixels_may_come_in_many_pieces_but_not_interrupted)
{
    struct buf png = BUF_INIT(MAX_FILE);

    craft_in_pieces(&png, NULL);
    check_decodes("a byte a chunk", &(struct file_bytes){ png.data, png.len }, &IMAGE_LIMITS);
    buf_clear(&png);
    craft_in_pieces(&png, "tEXt");
    check_refused("text between the pixels", png.data, png.len, ST_FORMAT, "broken PNG: ");
    buf_release(&png);
}

/* Behind a chunk that ends with the stream, libpng would skip the rest without a word. */
TEST_WITHOUT_LEAKS(chunks, surplus_pixel_data_is_refused_wherever_it_is_cut)
{
    size_t n;
    uint8_t *stream = craft_deflate(SMALL_PIXELS, SMALL_ROWS, &n), twice[200];

    memcpy(twice, stream, n);
    memcpy(twice + n, stream, n);
    for (size_t cut = 0; cut < 2 * n; cut++) {
        struct buf png = BUF_INIT(MAX_FILE);

        craft_cut(&png, twice, 2 * n, cut);
        check_refused("pixels twice", png.data, png.len, ST_FORMAT,
                      cut == n ? "surplus" : "Extra compressed data");
        buf_release(&png);
    }
    free(stream);
}

/* The small picture, and megabytes behind it in a stream that has no right end. A reader that reads it to the end says so. */
TEST_WITHOUT_LEAKS(chunks, a_flood_of_pixel_data_is_refused_before_it_is_read)
{
    enum { FLOOD = 3 << 20, CHUNK = 12 };
    static const char TOO_MUCH[] = "Too much image data";
    char *rows = calloc(1, FLOOD);
    struct buf png = BUF_INIT(MAX_FILE);
    uint8_t *stream;
    size_t n;

    memcpy(rows, SMALL_PIXELS, SMALL_ROWS);
    stream = craft_deflate(rows, FLOOD, &n);
    stream[n - 1] ^= 1;
    for (size_t cut = 0; cut < n; cut += 97) {
        buf_clear(&png);
        craft_cut(&png, stream, n, cut);
        check_refused("a flood", png.data, png.len, ST_FORMAT, TOO_MUCH);
        check_refused("without its end", png.data, png.len - CHUNK, ST_FORMAT, TOO_MUCH);
        check_refused("without its checksum", png.data, png.len - CHUNK - 4, ST_FORMAT, TOO_MUCH);
        check_refused("cut", png.data, png.len - CHUNK - 5, ST_FORMAT, TOO_MUCH);
    }
    buf_clear(&png);
    craft_begin(&png, SMALL);
    craft_chunk(&png, "IDAT", stream, n);
    craft_chunk(&png, "tEXt", "k\0v", 3);
    craft_chunk(&png, "IDAT", stream, n);
    check_refused("interrupted", png.data, png.len, ST_FORMAT, TOO_MUCH);
    buf_release(&png);
    free(stream);
    free(rows);
}

TEST_WITHOUT_LEAKS(chunks, empty_chunks_of_pixels_are_no_surplus)
{
    struct buf png = BUF_INIT(MAX_FILE);

    craft_begin(&png, SMALL);
    craft_chunk(&png, "IDAT", NULL, 0);
    craft_pixels(&png, SMALL_PIXELS, SMALL_ROWS);
    craft_chunk(&png, "IDAT", NULL, 0);
    craft_end(&png);
    check_decodes("empty chunks", &(struct file_bytes){ png.data, png.len }, &IMAGE_LIMITS);
    buf_release(&png);
}

TEST_WITHOUT_LEAKS(chunks, what_is_not_the_picture_is_skipped_unless_it_is_critical)
{
    const struct early_chunk extras[] = {
        { "tEXt", "Title\0Chest", 11 },  { "prVt", "anything", 8 }, { "gAMA", "\0\1\x86\xa0", 4 },
        { "iCCP", "not a profile", 13 }, { "pHYs", "", 0 },         { "tIME", "\xff", 1 }
    };
    const struct early_chunk critical = { "CRIT", "anything", 8 };
    struct buf png = BUF_INIT(MAX_FILE);

    craft_with(&png, SMALL, extras, 6, SMALL_PIXELS, SMALL_ROWS);
    check_decodes("ancillary chunks", &(struct file_bytes){ png.data, png.len }, &IMAGE_LIMITS);
    buf_clear(&png);
    craft_with(&png, SMALL, &critical, 1, SMALL_PIXELS, SMALL_ROWS);
    check_refused("an unknown critical chunk", png.data, png.len, ST_FORMAT, "CRIT");
    buf_release(&png);
}

TEST_WITHOUT_LEAKS(chunks, what_follows_the_end_is_ignored_but_there_must_be_an_end)
{
    struct buf png = BUF_INIT(MAX_FILE);

    craft_png(&png, SMALL, SMALL_PIXELS, SMALL_ROWS);
    check_refused("no IEND", png.data, png.len - 12, ST_FORMAT, "ends early");
    buf_puts(&png, "surplus bytes after the end");
    check_decodes("surplus", &(struct file_bytes){ png.data, png.len }, &IMAGE_LIMITS);
    buf_release(&png);
}

TEST_WITHOUT_LEAKS(chunks, header_palette_and_pixels_must_be_there_once_and_in_order)
{
    const struct early_chunk header = { "IHDR", "\0\0\0\4\0\0\0\2\x08\0\0\0\0", 13 };
    const struct early_chunk palettes[] = { { "PLTE", "\1\2\3", 3 }, { "PLTE", "\1\2\3", 3 } };
    const struct early_chunk ragged = { "PLTE", "\1\2\3\4", 4 };
    const struct craft_header indexed = { 4, 2, 8, CRAFT_PALETTE, 0 };
    const uint8_t zeros[SMALL_ROWS] = { 0 };
    struct buf png = BUF_INIT(MAX_FILE);

    craft_with(&png, SMALL, &header, 1, SMALL_PIXELS, SMALL_ROWS);
    check_refused("two headers", png.data, png.len, ST_FORMAT, "IHDR");
    buf_clear(&png);
    craft_with(&png, indexed, palettes, 1, zeros, SMALL_ROWS);
    check_decodes("one palette", &(struct file_bytes){ png.data, png.len }, &IMAGE_LIMITS);
    buf_clear(&png);
    craft_with(&png, indexed, NULL, 0, zeros, SMALL_ROWS);
    check_refused("no palette", png.data, png.len, ST_FORMAT, "PLTE");
    buf_clear(&png);
    craft_with(&png, indexed, palettes, 2, zeros, SMALL_ROWS);
    check_refused("two palettes", png.data, png.len, ST_FORMAT, "PLTE");
    buf_clear(&png);
    craft_with(&png, indexed, &ragged, 1, zeros, SMALL_ROWS);
    check_refused("a palette of 4 bytes", png.data, png.len, ST_FORMAT, "PLTE");
    buf_clear(&png);
    craft_begin(&png, SMALL);
    craft_end(&png);
    check_refused("no pixels", png.data, png.len, ST_FORMAT, "no pixels");
    png.data[12] = 'X'; /* of "IHDR" */
    check_refused("another chunk first", png.data, png.len, ST_FORMAT, "does not begin with a header");
    buf_release(&png);
}

/* A header that is wrong in one number, with the checksum that belongs to it. */
TEST_WITHOUT_LEAKS(chunks, a_header_of_impossible_numbers_is_refused_by_name)
{
    static const struct {
        size_t at;
        uint8_t value;
        const char *word;
    } WRONG[] = { { 8, 5, "5 bits" },        { 8, 0, "0 bits" },        { 9, 1, "colour type 1" },
                  { 9, 5, "colour type 5" }, { 9, 7, "colour type 7" }, { 10, 1, "compression" },
                  { 11, 1, "filter" },       { 12, 2, "interlac" } };

    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        struct buf png = BUF_INIT(MAX_FILE);
        struct craft_span ihdr;

        craft_png(&png, SMALL, SMALL_PIXELS, SMALL_ROWS);
        ihdr = craft_find(png.data, png.len, "IHDR");
        png.data[ihdr.at + WRONG[i].at] = (char)WRONG[i].value;
        craft_repair((uint8_t *)png.data, png.len, ihdr.at);
        check_refused(WRONG[i].word, png.data, png.len, ST_FORMAT, WRONG[i].word);
        buf_release(&png);
    }
}

TEST_WITHOUT_LEAKS(chunks, depths_that_do_not_go_with_a_colour_type_are_refused_by_name)
{
    static const uint8_t PAIRS[][2] = { { CRAFT_RGB, 1 },  { CRAFT_RGB, 4 },        { CRAFT_PALETTE, 16 },
                                        { CRAFT_RGBA, 2 }, { CRAFT_GREY_ALPHA, 4 }, { CRAFT_RGBA, 4 } };

    for (size_t i = 0; i < sizeof PAIRS / sizeof PAIRS[0]; i++) {
        struct buf png = BUF_INIT(MAX_FILE);
        const struct craft_header h = { 1, 1, PAIRS[i][1], PAIRS[i][0], 0 };
        char word[40];

        snprintf(word, sizeof word, "%d bits", PAIRS[i][1]);
        craft_png(&png, h, "\0\0\0\0\0\0\0\0\0", 9);
        check_refused(word, png.data, png.len, ST_FORMAT, word);
        buf_release(&png);
    }
}

/* A header or palette of other numbers is another picture or none, never a crash. */
static void check_any_end(const struct buf *png)
{
    struct image img = IMAGE_INIT;
    struct error err = { 0 };
    const enum status st = image_decode(png->data, png->len, &IMAGE_READER_PNG, &img, &err);

    if (st != ST_OK)
        check_refusal("changed numbers", st, st == ST_LIMIT ? ST_LIMIT : ST_FORMAT, &err, "");
    image_release(&img);
}

TEST_WITHOUT_LEAKS(chunks, other_numbers_in_header_or_palette_end_in_a_picture_or_a_sentence)
{
    static const char *const TYPES[] = { "IHDR", "PLTE" };

    for (size_t kind = 0; kind < 2 * N_SMALL; kind++) {
        struct buf png = BUF_INIT(MAX_FILE);
        struct craft_span span;

        craft_small(kind / 2, &png);
        span = craft_find(png.data, png.len, TYPES[kind % 2]);
        for (size_t bit = 8 * span.at; bit < 8 * (span.at + span.size); bit++) {
            png.data[bit / 8] ^= (char)(1 << bit % 8);
            craft_repair((uint8_t *)png.data, png.len, bit / 8);
            check_any_end(&png);
            png.data[bit / 8] ^= (char)(1 << bit % 8);
        }
        buf_release(&png);
    }
}

/* ---- limits ---- */

static void check_header(struct craft_header h, enum status expected, const char *word)
{
    struct buf png = BUF_INIT(MAX_FILE);

    craft_begin(&png, h);
    check_refused(word, png.data, png.len, expected, word);
    buf_release(&png);
}

TEST_WITHOUT_LEAKS(limits, a_picture_too_large_is_refused_from_its_header_alone)
{
    check_header((struct craft_header){ 60000, 60000, 8, CRAFT_GREY, 0 }, ST_LIMIT, "60000 x 60000");
    check_header((struct craft_header){ 8193, 1, 8, CRAFT_GREY, 0 }, ST_LIMIT, "8192 a side");
    check_header((struct craft_header){ 1, 8193, 8, CRAFT_GREY, 0 }, ST_LIMIT, "8192 a side");
    check_header((struct craft_header){ 8192, 4097, 8, CRAFT_GREY, 0 }, ST_LIMIT, "33562624 pixels");
    check_header((struct craft_header){ 4096, 4096, 16, CRAFT_RGBA, 0 }, ST_LIMIT, "134217728 bytes");
    check_header((struct craft_header){ UINT32_MAX, UINT32_MAX, 16, CRAFT_RGBA, 1 }, ST_LIMIT, "4294967295");
}

TEST_WITHOUT_LEAKS(limits, a_picture_without_area_is_broken)
{
    check_header((struct craft_header){ 0, 5, 8, CRAFT_GREY, 0 }, ST_FORMAT, "0 x 5 pixels");
    check_header((struct craft_header){ 5, 0, 8, CRAFT_GREY, 0 }, ST_FORMAT, "5 x 0 pixels");
}

TEST_WITHOUT_LEAKS(limits, what_is_exactly_at_a_limit_is_read)
{
    const uint8_t rows[2 * 13] = {
        0
    }; /* 3 x 2 pixels of RGB in 16 bits would be 36 bytes; of RGBA in 8, 24 */
    const struct craft_header h = { 3, 2, 8, CRAFT_RGBA, 0 };
    const struct image_limits exact = { 3, 6, 24 };
    const struct image_limits less[] = { { 2, 6, 24 }, { 3, 5, 24 }, { 3, 6, 23 } };
    struct buf png = BUF_INIT(MAX_FILE);

    craft_png(&png, h, rows, sizeof rows);
    check_decodes("at the limit", &(struct file_bytes){ png.data, png.len }, &exact);
    for (size_t i = 0; i < 3; i++) {
        const struct image_reader reader = { .limits = &less[i] };
        struct image img = IMAGE_INIT;
        struct error err = { 0 };

        check_refusal("over one limit", image_decode(png.data, png.len, &reader, &img, &err), ST_LIMIT, &err,
                      "limit");
    }
    buf_release(&png);
}

/* Bytes of address space in use. */
static size_t address_space(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    size_t pages = 0;

    cr_assert(f && fscanf(f, "%zu", &pages) == 1);
    fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* With hardly any memory to be had, a refusal by size must still be one by size. */
TEST_WITHOUT_LEAKS(limits, nothing_large_is_allocated_before_the_refusal)
{
    struct buf png = BUF_INIT(MAX_FILE);
    struct rlimit before, little;
    struct image img = IMAGE_INIT;
    struct error err = { 0 };
    enum status st;

    craft_begin(&png, (struct craft_header){ 4096, 4096, 16, CRAFT_RGBA, 1 });
    cr_assert_eq(getrlimit(RLIMIT_AS, &before), 0);
    little = before;
    little.rlim_cur = address_space() + (8 << 20);
    cr_assert_eq(setrlimit(RLIMIT_AS, &little), 0);
    st = image_decode(png.data, png.len, &IMAGE_READER_PNG, &img, &err);
    setrlimit(RLIMIT_AS, &before);
    check_refusal("128 MiB", st, ST_LIMIT, &err, "134217728 bytes");
    buf_release(&png);
}

/* ---- writing ---- */

TEST_WITHOUT_LEAKS(encode, what_is_written_reads_back_the_same)
{
    static const size_t SIZES[][2] = { { 1, 1 }, { 13, 7 }, { 301, 200 } };

    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        const size_t width = SIZES[i][0], height = SIZES[i][1];
        uint8_t *pixels = malloc(width * height);
        struct buf png = BUF_INIT(MAX_FILE);
        struct image img;
        struct error err = { 0 };

        cr_assert_not_null(pixels);
        for (size_t k = 0; k < width * height; k++)
            pixels[k] = (uint8_t)(k * k / 7);
        cr_assert_eq(image_encode_png(pixels, width, height, 1, &png, &err), ST_OK, "%s", err.text);
        img = decode_craft(&png, "a written picture");
        cr_assert(img.width == width && img.height == height && img.channels == 1 && img.bit_depth == 8);
        cr_assert_eq(memcmp(img.grey, pixels, width * height), 0);
        image_release(&img);
        buf_release(&png);
        free(pixels);
    }
}

TEST_WITHOUT_LEAKS(encode, colours_are_written_in_their_order)
{
    const uint8_t pixels[] = { 255, 0, 0, 0, 255, 0, 0, 0, 255 };
    struct buf png = BUF_INIT(MAX_FILE);
    struct image img;

    cr_assert_eq(image_encode_png(pixels, 3, 1, 3, &png, NULL), ST_OK);
    img = decode_craft(&png, "red, green, blue");
    cr_assert_eq(memcmp(img.grey, (uint8_t[]){ 76, 150, 29 }, 3), 0);
    cr_assert_eq(img.channels, 3);
    image_release(&img);
    buf_release(&png);
}

TEST_WITHOUT_LEAKS(encode, appends_to_what_is_there_and_keeps_to_the_cap)
{
    const uint8_t pixels[4] = { 1, 2, 3, 4 };
    struct buf out = BUF_INIT(MAX_FILE), small = BUF_INIT(40);
    struct error err = { 0 };

    buf_puts(&out, "before");
    cr_assert_eq(image_encode_png(pixels, 2, 2, 1, &out, NULL), ST_OK);
    cr_assert(memcmp(out.data, "before\x89PNG", 10) == 0);
    check_refusal("a picture in 40 bytes", image_encode_png(pixels, 2, 2, 1, &small, &err), ST_LIMIT, &err,
                  "40 bytes");
    buf_release(&out);
    buf_release(&small);
}

/* ---- real radiographs ---- */

static bool is_rgba(const struct file_bytes *f) { return ((const uint8_t *)f->data)[25] == CRAFT_RGBA; }

/* Of RGBA with equal channels the weights sum to 65,536: grey is red. */
static void check_red(const char *name, const struct file_bytes *f)
{
    struct image img = IMAGE_INIT;
    struct png_truth truth;

    cr_assert_eq(image_decode(f->data, f->size, &IMAGE_READER_PNG, &img, NULL), ST_OK);
    cr_assert(png_truth_init(&truth, f->data, f->size));
    cr_assert(img.width == 1024 && img.height == 1024);
    cr_assert(img.channels == 4 && memcmp(img.grey, truth.red, img.width * img.height) == 0,
              "%s: grey is not the red channel", name);
    png_truth_release(&truth);
    image_release(&img);
}

TEST_WITHOUT_LEAKS(nih, radiographs_decode_to_the_right_grey)
{
    struct listing l = list("nih/images_001/images");
    int n_rgba = 0;

    cr_assert_eq(l.n, 104);
    for (int i = 0; i < l.n; i++) {
        struct file_bytes f = read_from(l.folder, l.entries[i]->d_name);

        if (is_rgba(&f) || i < 4)
            check_decodes(l.entries[i]->d_name, &f, &IMAGE_LIMITS);
        if (is_rgba(&f))
            check_red(l.entries[i]->d_name, &f);
        n_rgba += is_rgba(&f);
        file_bytes_release(&f);
    }
    cr_assert_eq(n_rgba, 4);
    list_release(&l);
}

/* ---- threads ---- */

struct crowd {
    struct buf png;
    struct image expected;
    atomic_int n_same;
};

static void decode_in_crowd(void *arg, size_t task, size_t thread)
{
    struct crowd *c = arg;
    struct image img = IMAGE_INIT;

    (void)task, (void)thread;
    if (image_decode(c->png.data, c->png.len, &IMAGE_READER_PNG, &img, NULL) == ST_OK &&
        same_picture(&img, &c->expected))
        atomic_fetch_add(&c->n_same, 1);
    image_release(&img);
}

TEST_WITHOUT_LEAKS(threads, any_number_may_decode_at_once)
{
    struct crowd c = { .png = BUF_INIT(MAX_FILE) };
    struct pool *pool = NULL;

    craft_small(0, &c.png);
    c.expected = decode_craft(&c.png, "alone");
    cr_assert_eq(pool_new(4, POOL_NORMAL, &pool, NULL), ST_OK);
    pool_run(pool, 200, decode_in_crowd, &c);
    cr_assert_eq(atomic_load(&c.n_same), 200);
    pool_free(pool);
    image_release(&c.expected);
    buf_release(&c.png);
}
