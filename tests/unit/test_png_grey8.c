/* tests/unit/test_png_grey8.c - the short way for common radiographs against libpng, which is the judge: the same files
 * are accepted, with the same pixels, and the others are refused with the same words. */
#include "cxrd/file.h"
#include "cxrd/rng.h"
#include "model/image/png.h"
#include "model/image/unfilter.h"
#include "support.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* Both ways through one file; true when it was accepted. */
static bool compare(const char *what, const void *bytes, size_t n)
{
    struct image fast = IMAGE_INIT, slow = IMAGE_INIT;
    struct error fast_why = { 0 }, slow_why = { 0 };
    const enum status a = png_decode(bytes, n, &IMAGE_LIMITS, false, &fast, &fast_why);
    const enum status b = png_decode(bytes, n, &IMAGE_LIMITS, true, &slow, &slow_why);

    cr_assert_eq(a, b, "%s: %s (%s), by libpng %s (%s)", what, status_name(a), fast_why.text, status_name(b),
                 slow_why.text);
    cr_assert_str_eq(fast_why.text, slow_why.text, "%s", what);
    if (a == ST_OK) {
        cr_assert(fast.width == slow.width && fast.height == slow.height && fast.channels == slow.channels &&
                      fast.bit_depth == slow.bit_depth,
                  "%s: another shape", what);
        cr_assert_eq(memcmp(fast.grey, slow.grey, fast.width * fast.height), 0, "%s: other pixels", what);
    }
    image_release(&fast);
    image_release(&slow);
    return a == ST_OK;
}

/* Every PNG of a folder of the test data; returns how many were accepted. */
static size_t compare_folder(const char *relative)
{
    const char *folder = test_data(relative);
    struct dirent **entries = NULL;
    const int n = scandir(folder, &entries, NULL, alphasort);
    size_t accepted = 0;

    cr_assert_gt(n, 2, "'%s' is empty", folder);
    for (int i = 0; i < n; i++) {
        struct file_bytes file = FILE_BYTES_INIT;
        char path[4096];

        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (file_read(path, 64 << 20, &file, NULL) == ST_OK && file.size >= 8 &&
            memcmp(file.data, "\x89PNG", 4) == 0)
            accepted += compare(entries[i]->d_name, file.data, file.size);
        file_bytes_release(&file);
        free(entries[i]);
    }
    free(entries);
    return accepted;
}

Test(grey8, is_libpng_on_whole_radiographs) { cr_assert_eq(compare_folder("nih/images_001/images"), 104); }
Test(grey8, is_libpng_on_small_radiographs) { cr_assert_eq(compare_folder("nih256/images_001/images"), 710); }
Test(grey8, is_libpng_on_pngsuite) { cr_assert_gt(compare_folder("png/pngsuite"), 150); }
Test(grey8, is_libpng_on_hostile_files) { cr_assert_gt(compare_folder("png/hostile"), 100); }

/* ---- made here: every filter, every width near the number of lanes, and damage ---- */

struct made {
    uint8_t bytes[10 << 20];
    size_t n;
};

static void put32(struct made *m, uint32_t v)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        m->bytes[m->n++] = (uint8_t)(v >> shift);
}

static void put_chunk(struct made *m, const char *type, const void *data, size_t n)
{
    const size_t begin = m->n + 4;

    put32(m, (uint32_t)n);
    memcpy(m->bytes + m->n, type, 4);
    if (n)
        memcpy(m->bytes + m->n + 4, data, n);
    m->n += 4 + n;
    put32(m, (uint32_t)crc32(0, m->bytes + begin, (uInt)(m->n - begin)));
}

/* A grey picture around this stream, which may be anything. */
static void make_around(struct made *m, uint32_t width, uint32_t height, const uint8_t *stream, size_t n)
{
    uint8_t ihdr[13] = { [8] = 8 };

    m->n = 8;
    memcpy(m->bytes, "\x89PNG\r\n\x1a\n", 8);
    for (int i = 0; i < 4; i++) {
        ihdr[i] = (uint8_t)(width >> (24 - 8 * i));
        ihdr[4 + i] = (uint8_t)(height >> (24 - 8 * i));
    }
    put_chunk(m, "IHDR", ihdr, 13);
    put_chunk(m, "IDAT", stream, n);
    put_chunk(m, "IEND", NULL, 0);
}

/* By itself libpng takes no chunk of more than 8 MB, or than it is told, unless the picture has as many bytes: no chunk is too
 * large here. Empty stored blocks make any stream as long as one likes. */
Test(grey8, a_stream_in_one_huge_chunk_is_read)
{
    enum { WIDTH = 16, HEIGHT = 20, BLOCK = 5, N_BLOCKS = (9 << 20) / BLOCK, RAW = HEIGHT * (WIDTH + 1) };
    const uint8_t raw[RAW] = { 0 };
    struct made *m = malloc(sizeof *m);
    uint8_t *stream = malloc(10 << 20), *at = stream;
    uLongf n = 1 << 15;

    cr_assert(m && stream);
    *at++ = 0x78, *at++ = 0x01;
    for (size_t i = 0; i < N_BLOCKS; i++, at += BLOCK)
        memcpy(at, "\0\0\0\xff\xff", BLOCK);
    cr_assert_eq(compress2(at, &n, raw, RAW, 9), Z_OK);
    memmove(at, at + 2, n - 2); /* without a second header */
    n = (uLongf)(at - stream) + n - 2;
    make_around(m, WIDTH, HEIGHT, stream, n);
    cr_assert(compare("one huge chunk", m->bytes, m->n));
    free(stream);
    free(m);
}

static size_t deflate_rows(const uint8_t *raw, size_t n, uint8_t *stream)
{
    uLongf size = 1 << 15;

    cr_assert_eq(compress2(stream, &size, raw, n, 6), Z_OK);
    return size;
}

static void random_rows(struct rng *rng, uint8_t *raw, size_t width, size_t height, unsigned filters)
{
    for (size_t y = 0; y < height; y++) {
        *raw++ = (uint8_t)rng_below(rng, filters);
        for (size_t x = 0; x < width; x++)
            *raw++ = (uint8_t)rng_next(rng);
    }
}

Test(grey8, every_filter_at_every_small_size_is_as_libpng_has_it)
{
    uint8_t raw[64 * 64], stream[1 << 15];
    static struct made m;
    struct rng rng;

    rng_seed(&rng, 3, 3);
    for (size_t width = 1; width <= 40; width++)
        for (size_t height = 1; height <= 36; height += 1 + height / 12) {
            char what[40];

            snprintf(what, sizeof what, "%zu x %zu", width, height);
            random_rows(&rng, raw, width, height, 5);
            make_around(&m, (uint32_t)width, (uint32_t)height, stream,
                        deflate_rows(raw, height * (width + 1), stream));
            cr_assert(compare(what, m.bytes, m.n), "%s", what);
        }
}

Test(grey8, a_filter_that_does_not_exist_is_refused_in_any_row)
{
    uint8_t raw[20 * 31], stream[1 << 15];
    static struct made m;
    struct rng rng;

    rng_seed(&rng, 4, 4);
    for (size_t y = 0; y < 20; y++) {
        random_rows(&rng, raw, 30, 20, 5);
        raw[y * 31] = 5;
        make_around(&m, 30, 20, stream, deflate_rows(raw, sizeof raw, stream));
        cr_assert_not(compare("a bad filter", m.bytes, m.n));
    }
}

/* Damage inside the stream, with the chunk's checksum made right again: both ways must see it, in the same words. */
Test(grey8, damaged_streams_are_refused_as_libpng_refuses_them)
{
    uint8_t raw[24 * 33], stream[1 << 15];
    static struct made m;
    struct rng rng;
    size_t n;

    rng_seed(&rng, 5, 5);
    random_rows(&rng, raw, 32, 24, 5);
    n = deflate_rows(raw, sizeof raw, stream);
    for (size_t bit = 0; bit < 8 * n; bit += 3) {
        stream[bit / 8] ^= (uint8_t)(1u << bit % 8);
        make_around(&m, 32, 24, stream, n);
        compare("a flipped bit", m.bytes, m.n); /* FLEVEL says nothing: a bit of it may change */
        stream[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t cut = 0; cut < n; cut++) {
        make_around(&m, 32, 24, stream, cut);
        cr_assert_not(compare("a stream cut short", m.bytes, m.n));
    }
    stream[n] = 0;
    make_around(&m, 32, 24, stream, n + 1);
    cr_assert_not(compare("a byte behind the stream", m.bytes, m.n));
    make_around(&m, 32, 23, stream, n);
    cr_assert_not(compare("a row too many", m.bytes, m.n));
    make_around(&m, 32, 25, stream, n);
    cr_assert_not(compare("a row too few", m.bytes, m.n));
}

/* ---- the filters by themselves ---- */

Test(unfilter, eight_rows_at_once_are_the_plain_loops)
{
    struct rng rng;

    rng_seed(&rng, 6, 6);
    for (size_t width = 1; width < 70; width += 1 + width / 20)
        for (size_t height = 1; height < 40; height++) {
            uint8_t *raw = malloc(height * (width + 1)), *a = malloc(height * width),
                    *b = malloc(height * width);

            cr_assert(raw && a && b);
            random_rows(&rng, raw, width, height, 5);
            cr_assert(unfilter(raw, width, height, a));
            cr_assert(unfilter_reference(raw, width, height, b));
            cr_assert_eq(memcmp(a, b, height * width), 0, "%zu x %zu", width, height);
            free(raw);
            free(a);
            free(b);
        }
}
