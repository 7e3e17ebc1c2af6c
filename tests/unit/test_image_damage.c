/* tests/unit/test_image_damage.c - PNG files that are cut, changed or put together wrongly are refused, or are the picture that they were. */
#include "guard.h"
#include "image_case.h"
#include "leaks.h"
#include "sentence.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TEST_WITHOUT_LEAKS(damage, the_small_pictures_are_valid)
{
    for (size_t kind = 0; kind < N_SMALL_IMAGES; kind++) {
        struct buf png = BUF_INIT(IMAGE_CASE_BYTES);

        craft_small(kind, &png);
        check_image_decodes("a small picture", &(struct file_bytes){ png.data, png.len }, &IMAGE_LIMITS);
        buf_release(&png);
    }
}

static void check_prefix_refused(const char *bytes, size_t n)
{
    struct guarded prefix = guarded_copy(bytes, n);
    char what[40];

    snprintf(what, sizeof what, "the first %zu bytes", n);
    check_image_refused(what, prefix.bytes, n, n > 0 && n < 8 ? ST_UNSUPPORTED : ST_FORMAT, "");
    guarded_release(&prefix);
}

TEST_WITHOUT_LEAKS(damage, a_file_cut_at_any_byte_is_refused)
{
    for (size_t kind = 0; kind < N_SMALL_IMAGES; kind++) {
        struct buf png = BUF_INIT(IMAGE_CASE_BYTES);

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
    for (size_t kind = 0; kind < N_SMALL_IMAGES; kind++) {
        struct buf png = BUF_INIT(IMAGE_CASE_BYTES);

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
        cr_assert(image_is_same(&img, was), "byte %zu changed and so did the picture", at);
    else
        check_refusal("changed pixels", st, ST_FORMAT, &err, "broken PNG: ");
    image_release(&img);
}

/* A repaired CRC leaves zlib's own checksum, which libpng would let pass with a warning. */
TEST_WITHOUT_LEAKS(damage, changed_pixels_are_noticed_behind_a_right_crc)
{
    for (size_t kind = 0; kind < N_SMALL_IMAGES; kind++) {
        struct buf png = BUF_INIT(IMAGE_CASE_BYTES);
        struct craft_span idat;
        struct image was;

        craft_small(kind, &png);
        was = craft_decode(&png, "before");
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
    struct buf png = BUF_INIT(IMAGE_CASE_BYTES);

    craft_png(&png, (struct craft_header){ 4, 2, 8, CRAFT_GREY, 0 }, rows, n);
    if (word)
        check_image_refused(what, png.data, png.len, ST_FORMAT, word);
    else
        check_image_decodes(what, &(struct file_bytes){ png.data, png.len }, &IMAGE_LIMITS);
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
        struct buf png = BUF_INIT(IMAGE_CASE_BYTES);

        craft_cut(&png, stream, n, cut);
        check_image_decodes("in two pieces", &(struct file_bytes){ png.data, png.len }, &IMAGE_LIMITS);
        buf_clear(&png);
        stream[n - 1] ^= 1;
        craft_cut(&png, stream, n, cut);
        check_image_refused("a wrong checksum", png.data, png.len, ST_FORMAT, "incorrect data check");
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
        struct buf png = BUF_INIT(IMAGE_CASE_BYTES);

        craft_cut(&png, stream, left, left);
        check_image_refused("without its end", png.data, png.len, ST_FORMAT, "Not enough image data");
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
    struct buf png = BUF_INIT(IMAGE_CASE_BYTES);

    craft_in_pieces(&png, NULL);
    check_image_decodes("a byte a chunk", &(struct file_bytes){ png.data, png.len }, &IMAGE_LIMITS);
    buf_clear(&png);
    craft_in_pieces(&png, "tEXt");
    check_image_refused("text between the pixels", png.data, png.len, ST_FORMAT, "broken PNG: ");
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
        struct buf png = BUF_INIT(IMAGE_CASE_BYTES);

        craft_cut(&png, twice, 2 * n, cut);
        check_image_refused("pixels twice", png.data, png.len, ST_FORMAT,
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
    struct buf png = BUF_INIT(IMAGE_CASE_BYTES);
    uint8_t *stream;
    size_t n;

    memcpy(rows, SMALL_PIXELS, SMALL_ROWS);
    stream = craft_deflate(rows, FLOOD, &n);
    stream[n - 1] ^= 1;
    for (size_t cut = 0; cut < n; cut += 97) {
        buf_clear(&png);
        craft_cut(&png, stream, n, cut);
        check_image_refused("a flood", png.data, png.len, ST_FORMAT, TOO_MUCH);
        check_image_refused("without its end", png.data, png.len - CHUNK, ST_FORMAT, TOO_MUCH);
        check_image_refused("without its checksum", png.data, png.len - CHUNK - 4, ST_FORMAT, TOO_MUCH);
        check_image_refused("cut", png.data, png.len - CHUNK - 5, ST_FORMAT, TOO_MUCH);
    }
    buf_clear(&png);
    craft_begin(&png, SMALL);
    craft_chunk(&png, "IDAT", stream, n);
    craft_chunk(&png, "tEXt", "k\0v", 3);
    craft_chunk(&png, "IDAT", stream, n);
    check_image_refused("interrupted", png.data, png.len, ST_FORMAT, TOO_MUCH);
    buf_release(&png);
    free(stream);
    free(rows);
}

TEST_WITHOUT_LEAKS(chunks, empty_chunks_of_pixels_are_no_surplus)
{
    struct buf png = BUF_INIT(IMAGE_CASE_BYTES);

    craft_begin(&png, SMALL);
    craft_chunk(&png, "IDAT", NULL, 0);
    craft_pixels(&png, SMALL_PIXELS, SMALL_ROWS);
    craft_chunk(&png, "IDAT", NULL, 0);
    craft_end(&png);
    check_image_decodes("empty chunks", &(struct file_bytes){ png.data, png.len }, &IMAGE_LIMITS);
    buf_release(&png);
}

TEST_WITHOUT_LEAKS(chunks, what_is_not_the_picture_is_skipped_unless_it_is_critical)
{
    const struct early_chunk extras[] = {
        { "tEXt", "Title\0Chest", 11 },  { "prVt", "anything", 8 }, { "gAMA", "\0\1\x86\xa0", 4 },
        { "iCCP", "not a profile", 13 }, { "pHYs", "", 0 },         { "tIME", "\xff", 1 }
    };
    const struct early_chunk critical = { "CRIT", "anything", 8 };
    struct buf png = BUF_INIT(IMAGE_CASE_BYTES);

    craft_with(&png, SMALL, extras, 6, SMALL_PIXELS, SMALL_ROWS);
    check_image_decodes("ancillary chunks", &(struct file_bytes){ png.data, png.len }, &IMAGE_LIMITS);
    buf_clear(&png);
    craft_with(&png, SMALL, &critical, 1, SMALL_PIXELS, SMALL_ROWS);
    check_image_refused("an unknown critical chunk", png.data, png.len, ST_FORMAT, "CRIT");
    buf_release(&png);
}

TEST_WITHOUT_LEAKS(chunks, what_follows_the_end_is_ignored_but_there_must_be_an_end)
{
    struct buf png = BUF_INIT(IMAGE_CASE_BYTES);

    craft_png(&png, SMALL, SMALL_PIXELS, SMALL_ROWS);
    check_image_refused("no IEND", png.data, png.len - 12, ST_FORMAT, "ends early");
    buf_puts(&png, "surplus bytes after the end");
    check_image_decodes("surplus", &(struct file_bytes){ png.data, png.len }, &IMAGE_LIMITS);
    buf_release(&png);
}

TEST_WITHOUT_LEAKS(chunks, header_palette_and_pixels_must_be_there_once_and_in_order)
{
    const struct early_chunk header = { "IHDR", "\0\0\0\4\0\0\0\2\x08\0\0\0\0", 13 };
    const struct early_chunk palettes[] = { { "PLTE", "\1\2\3", 3 }, { "PLTE", "\1\2\3", 3 } };
    const struct early_chunk ragged = { "PLTE", "\1\2\3\4", 4 };
    const struct craft_header indexed = { 4, 2, 8, CRAFT_PALETTE, 0 };
    const uint8_t zeros[SMALL_ROWS] = { 0 };
    struct buf png = BUF_INIT(IMAGE_CASE_BYTES);

    craft_with(&png, SMALL, &header, 1, SMALL_PIXELS, SMALL_ROWS);
    check_image_refused("two headers", png.data, png.len, ST_FORMAT, "IHDR");
    buf_clear(&png);
    craft_with(&png, indexed, palettes, 1, zeros, SMALL_ROWS);
    check_image_decodes("one palette", &(struct file_bytes){ png.data, png.len }, &IMAGE_LIMITS);
    buf_clear(&png);
    craft_with(&png, indexed, NULL, 0, zeros, SMALL_ROWS);
    check_image_refused("no palette", png.data, png.len, ST_FORMAT, "PLTE");
    buf_clear(&png);
    craft_with(&png, indexed, palettes, 2, zeros, SMALL_ROWS);
    check_image_refused("two palettes", png.data, png.len, ST_FORMAT, "PLTE");
    buf_clear(&png);
    craft_with(&png, indexed, &ragged, 1, zeros, SMALL_ROWS);
    check_image_refused("a palette of 4 bytes", png.data, png.len, ST_FORMAT, "PLTE");
    buf_clear(&png);
    craft_begin(&png, SMALL);
    craft_end(&png);
    check_image_refused("no pixels", png.data, png.len, ST_FORMAT, "no pixels");
    png.data[12] = 'X'; /* of "IHDR" */
    check_image_refused("another chunk first", png.data, png.len, ST_FORMAT, "does not begin with a header");
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
        struct buf png = BUF_INIT(IMAGE_CASE_BYTES);
        struct craft_span ihdr;

        craft_png(&png, SMALL, SMALL_PIXELS, SMALL_ROWS);
        ihdr = craft_find(png.data, png.len, "IHDR");
        png.data[ihdr.at + WRONG[i].at] = (char)WRONG[i].value;
        craft_repair((uint8_t *)png.data, png.len, ihdr.at);
        check_image_refused(WRONG[i].word, png.data, png.len, ST_FORMAT, WRONG[i].word);
        buf_release(&png);
    }
}

TEST_WITHOUT_LEAKS(chunks, depths_that_do_not_go_with_a_colour_type_are_refused_by_name)
{
    static const uint8_t PAIRS[][2] = { { CRAFT_RGB, 1 },  { CRAFT_RGB, 4 },        { CRAFT_PALETTE, 16 },
                                        { CRAFT_RGBA, 2 }, { CRAFT_GREY_ALPHA, 4 }, { CRAFT_RGBA, 4 } };

    for (size_t i = 0; i < sizeof PAIRS / sizeof PAIRS[0]; i++) {
        struct buf png = BUF_INIT(IMAGE_CASE_BYTES);
        const struct craft_header h = { 1, 1, PAIRS[i][1], PAIRS[i][0], 0 };
        char word[40];

        snprintf(word, sizeof word, "%d bits", PAIRS[i][1]);
        craft_png(&png, h, "\0\0\0\0\0\0\0\0\0", 9);
        check_image_refused(word, png.data, png.len, ST_FORMAT, word);
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

    for (size_t kind = 0; kind < 2 * N_SMALL_IMAGES; kind++) {
        struct buf png = BUF_INIT(IMAGE_CASE_BYTES);
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
