/* tests/unit/test_image.c - strangers' bytes become exactly the grey values that the contract's formulas give, or a
 * refusal that says why. Valid files are compared with another decoder (support/png_truth.h); files that are wrong
 * in one place only are built here, chunk by chunk (support/png_craft.h). */
#include "cxrd/file.h"
#include "cxrd/image.h"
#include "cxrd/pool.h"
#include "cxrd/rng.h"
#include "guard.h"
#include "image_case.h"
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

enum { N_PNGSUITE_VALID = 161, N_HOSTILE = 180 };

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
    cr_assert_eq(file_read(path, IMAGE_CASE_BYTES, &f, &err), ST_OK, "%s", err.text);
    return f;
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

            check_image_decodes(name, &f, &IMAGE_LIMITS);
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

        check_image_refused(r->name, f.data, f.size, r->status, r->word);
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
        cr_assert(image_is_same(&a, &b), "%s differs from %s", name, twin);
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
            check_image_refused(name, f.data, f.size, r->status, r->word);
        else
            check_image_decodes(name, &f, &IMAGE_LIMITS);
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
        check_image_refused(FOREIGN[i].name, bytes, sizeof bytes, ST_UNSUPPORTED, FOREIGN[i].name);
        check_image_refused(FOREIGN[i].name, bytes, FOREIGN[i].offset + FOREIGN[i].n_magic, ST_UNSUPPORTED,
                            FOREIGN[i].name);
    }
}

TEST_WITHOUT_LEAKS(format, nothing_at_all_is_refused)
{
    check_image_refused("no bytes", "", 0, ST_FORMAT, "empty");
    check_image_refused("no bytes, no pointer", NULL, 0, ST_FORMAT, "empty");
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
        check_image_refused("random bytes", bytes, n, ST_UNSUPPORTED, "PNG is read here");
    }
}

/* ---- pictures built by hand ---- */

/* A picture of one stored row decodes to these grey values. */
static void check_row(const char *what, struct craft_header h, const void *row, size_t n, const uint8_t *grey)
{
    struct buf png = BUF_INIT(IMAGE_CASE_BYTES);
    struct image img;

    craft_png(&png, h, row, n);
    img = craft_decode(&png, what);
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

TEST_WITHOUT_LEAKS(pixels, transparency_is_expanded_before_the_grey_is_taken)
{
    const struct early_chunk key = { "tRNS", "\0\x55", 2 };
    const struct early_chunk palette[] = { { "PLTE", "\xff\0\0\xff\xff\xff\x80\x80\x80", 9 },
                                           { "tRNS", "\x80\0", 2 } };
    struct buf png = BUF_INIT(IMAGE_CASE_BYTES);
    struct image img;

    craft_with(&png, (struct craft_header){ 3, 1, 8, CRAFT_GREY, 0 }, &key, 1, "\0\x54\x55\x56", 4);
    img = craft_decode(&png, "a transparent grey value");
    cr_assert_eq(memcmp(img.grey, "\x54\0\x56", 3), 0);
    image_release(&img);
    buf_clear(&png);

    craft_with(&png, (struct craft_header){ 3, 1, 2, CRAFT_PALETTE, 0 }, palette, 2, "\0\x18", 2); /* 0 1 2 */
    img = craft_decode(&png, "a palette with transparency");
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
            struct buf png = BUF_INIT(IMAGE_CASE_BYTES);
            const struct craft_header h = { 1, 1, DEPTHS[i], CRAFT_PALETTE, interlace };

            craft_with(&png, h, &palette, 1, "\0\xff", 2);
            check_image_refused("index 1 of 1 entry", png.data, png.len, ST_FORMAT, "palette index");
            buf_release(&png);
        }
}

/* ---- limits ---- */

static void check_header(struct craft_header h, enum status expected, const char *word)
{
    struct buf png = BUF_INIT(IMAGE_CASE_BYTES);

    craft_begin(&png, h);
    check_image_refused(word, png.data, png.len, expected, word);
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
    struct buf png = BUF_INIT(IMAGE_CASE_BYTES);

    craft_png(&png, h, rows, sizeof rows);
    check_image_decodes("at the limit", &(struct file_bytes){ png.data, png.len }, &exact);
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
    struct buf png = BUF_INIT(IMAGE_CASE_BYTES);
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
        struct buf png = BUF_INIT(IMAGE_CASE_BYTES);
        struct image img;
        struct error err = { 0 };

        cr_assert_not_null(pixels);
        for (size_t k = 0; k < width * height; k++)
            pixels[k] = (uint8_t)(k * k / 7);
        cr_assert_eq(image_encode_png(pixels, width, height, 1, &png, &err), ST_OK, "%s", err.text);
        img = craft_decode(&png, "a written picture");
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
    struct buf png = BUF_INIT(IMAGE_CASE_BYTES);
    struct image img;

    cr_assert_eq(image_encode_png(pixels, 3, 1, 3, &png, NULL), ST_OK);
    img = craft_decode(&png, "red, green, blue");
    cr_assert_eq(memcmp(img.grey, (uint8_t[]){ 76, 150, 29 }, 3), 0);
    cr_assert_eq(img.channels, 3);
    image_release(&img);
    buf_release(&png);
}

TEST_WITHOUT_LEAKS(encode, appends_to_what_is_there_and_keeps_to_the_cap)
{
    const uint8_t pixels[4] = { 1, 2, 3, 4 };
    struct buf out = BUF_INIT(IMAGE_CASE_BYTES), small = BUF_INIT(40);
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
            check_image_decodes(l.entries[i]->d_name, &f, &IMAGE_LIMITS);
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
        image_is_same(&img, &c->expected))
        atomic_fetch_add(&c->n_same, 1);
    image_release(&img);
}

TEST_WITHOUT_LEAKS(threads, any_number_may_decode_at_once)
{
    struct crowd c = { .png = BUF_INIT(IMAGE_CASE_BYTES) };
    struct pool *pool = NULL;

    craft_small(0, &c.png);
    c.expected = craft_decode(&c.png, "alone");
    cr_assert_eq(pool_new(4, POOL_NORMAL, &pool, NULL), ST_OK);
    pool_run(pool, 200, decode_in_crowd, &c);
    cr_assert_eq(atomic_load(&c.n_same), 200);
    pool_free(pool);
    image_release(&c.expected);
    buf_release(&c.png);
}
