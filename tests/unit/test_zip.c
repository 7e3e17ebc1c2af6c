/* tests/unit/test_zip.c - what a zip's end says of how many files there are, before libzip takes memory by it. The rest of the reader is
 * tested by checkpoints, see test_import.py. */
#include "model/torch/zip.h"
#include "sentence.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { MOST = 1 << 14, NUMBER_AT = 32 };

static void put_number(struct buf *b, uint64_t n, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        buf_put(b, &(uint8_t){ (uint8_t)(n >> 8 * i) }, 1);
}

static void put_numbers(struct buf *b, const char *mark, const uint64_t *pairs, size_t n)
{
    buf_put(b, mark, 4);
    for (size_t i = 0; i < n; i++)
        put_number(b, pairs[2 * i + 1], pairs[2 * i]);
}

#define PUT(b, mark, ...) \
    put_numbers(b, mark, (const uint64_t[]){ __VA_ARGS__ }, sizeof((uint64_t[]){ __VA_ARGS__ }) / 16)

/* A zip of one stored file "a/it" (APPNOTE.TXT 4.3.7, 4.3.12), its directory behind it; returns where the directory is. */
static size_t put_file(struct buf *b, const void *data, size_t n)
{
    const uint64_t crc = crc32(0, data, (unsigned)n);
    size_t at;

    PUT(b, "PK\3\4", 2, 45, 2, 0, 2, 0, 4, 0, 4, crc, 4, n, 4, n, 2, 4, 2, 0);
    buf_put(b, "a/it", 4);
    buf_put(b, data, n);
    at = b->len;
    PUT(b, "PK\1\2", 2, 45, 2, 45, 2, 0, 2, 0, 4, 0, 4, crc, 4, n, 4, n, 2, 4, 2, 0, 2, 0, 2, 0, 2, 0, 4, 0,
        4, 0);
    buf_put(b, "a/it", 4);
    return at;
}

/* Its end, which has no more to say than that the truth stands elsewhere. */
static void put_end(struct buf *b)
{
    PUT(b, "PK\5\6", 2, 0, 2, 0, 2, 0xffff, 2, 0xffff, 4, UINT32_MAX, 4, UINT32_MAX, 2, 0);
}

/* The end of a large zip, and where it is. */
static void put_large_end(struct buf *b, size_t directory, uint64_t entries)
{
    const size_t size = b->len - directory, end = b->len;

    PUT(b, "PK\6\6", 8, 44, 2, 45, 2, 45, 4, 0, 4, 0, 8, entries, 8, entries, 8, size, 8, directory);
    PUT(b, "PK\6\7", 4, 0, 8, end, 4, 1);
    put_end(b);
}

static enum status read_it(const struct buf *zip, struct buf *it, struct error *err)
{
    struct zip_wanted wanted = { .name = "it", .name_size = 2, .bytes = BUF_INIT(1 << 20) };
    const enum status st = zip_read(zip->data, zip->len, &wanted, 1, err);

    cr_assert(st != ST_OK || wanted.found);
    *it = wanted.bytes;
    return st;
}

static void check_said(uint64_t entries, enum status expected, const char *word)
{
    struct buf zip = BUF_INIT(1 << 20), it;
    struct error err = { 0 };
    enum status st;

    put_large_end(&zip, put_file(&zip, "hello", 5), entries);
    st = read_it(&zip, &it, &err);
    if (expected == ST_OK)
        cr_assert(st == ST_OK && it.len == 5 && memcmp(it.data, "hello", 5) == 0, "%s", err.text);
    else
        check_refusal(word, st, expected, &err, word);
    buf_release(&it);
    buf_release(&zip);
}

Test(zip, says_of_a_number_of_files_that_nobody_can_have)
{
    check_said(1, ST_OK, "");
    check_said(2, ST_FORMAT, "the zip cannot be read");
    check_said(MOST, ST_FORMAT, "the zip cannot be read");
    check_said(MOST + 1, ST_LIMIT, "more than 16384 files");
    check_said((uint64_t)1 << 40, ST_LIMIT, "more than 16384 files");
    check_said(UINT64_MAX, ST_LIMIT, "more than 16384 files");
}

/* A comment of any length behind the end does not hide it. */
Test(zip, says_so_before_the_longest_comment)
{
    static char comment[0xffff];
    struct buf zip = BUF_INIT(1 << 20), it;
    struct error err = { 0 };

    put_large_end(&zip, put_file(&zip, "hello", 5), (uint64_t)1 << 40);
    memset((uint8_t *)zip.data + zip.len - 2, 0xff, 2);
    buf_put(&zip, comment, sizeof comment);
    check_refusal("comment", read_it(&zip, &it, &err), ST_LIMIT, &err, "more than 16384 files");
    buf_release(&it);
    buf_release(&zip);
}

/* Weights may hold any bytes. */
Test(zip, with_such_an_end_among_its_data_is_read)
{
    uint8_t data[200] = "weights PK\6\6";
    struct buf zip = BUF_INIT(1 << 20), it;
    struct error err = { 0 };
    size_t at;

    memset(data + 8 + NUMBER_AT, 0xff, 8);
    memcpy(data + 100, "PK\6\7\0\0\0\0\0\0\0\1", 12); /* a locator of nowhere */
    memcpy(data + 150, "PK\6\7", 4);
    at = put_file(&zip, data, sizeof data);
    put_large_end(&zip, at, 1);
    cr_assert_eq(read_it(&zip, &it, &err), ST_OK, "%s", err.text);
    cr_assert(it.len == sizeof data && memcmp(it.data, data, sizeof data) == 0);
    buf_release(&it);
    buf_release(&zip);
}

Test(zip, with_more_marks_of_files_than_it_may_have_is_not_opened)
{
    struct buf zip = BUF_INIT(1 << 20), it;
    struct error err = { 0 };

    for (int i = 0; i <= MOST; i++)
        buf_put(&zip, "PK\1\2", 4);
    check_refusal("marks", read_it(&zip, &it, &err), ST_LIMIT, &err, "more than 16384 files");
    buf_release(&it);
    zip.len -= 4;
    check_refusal("one less", read_it(&zip, &it, &err), ST_FORMAT, &err, "the zip cannot be read");
    buf_release(&it);
    buf_release(&zip);
}
