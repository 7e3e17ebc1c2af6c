/* tests/unit/test_decode_rle.c - run-length encoded frames made here: runs, literals, bytes of a word apart, and all that is too short. */
#include "decode/rle.h"
#include "guard.h"
#include "sentence.h"

#include <criterion/criterion.h>
#include <string.h>

enum { HEADER = 64 };

struct frame {
    uint8_t bytes[512];
    size_t n;
};

static void begin(struct frame *f, uint8_t n_segments)
{
    memset(f, 0, sizeof *f);
    f->bytes[0] = n_segments;
    f->n = HEADER;
}

static void segment(struct frame *f, size_t i, const char *bytes, size_t n)
{
    f->bytes[4 + 4 * i] = (uint8_t)f->n;
    memcpy(f->bytes + f->n, bytes, n);
    f->n += n;
}

static enum status decode(const struct frame *f, size_t n_pixels, unsigned channels, unsigned bytes,
                          uint8_t *to, struct error *err)
{
    struct guarded g = guarded_copy(f->bytes, f->n);
    const enum status st = rle_samples(g.bytes, f->n, n_pixels, channels, bytes, to, err);

    guarded_release(&g);
    return st;
}

Test(decode_rle, runs_and_literals_become_bytes)
{
    struct frame f;
    uint8_t to[10] = { 0 };
    struct error err = { 0 };

    begin(&f, 1);
    segment(&f, 0,
            "\x02"
            "abc"
            "\x80"
            "\xfdX"
            "\x80"
            "\x01yz\0",
            11); /* three, nothing, four, nothing, two, padding */
    cr_assert_eq(decode(&f, 9, 1, 1, to, &err), ST_OK, "%s", err.text);
    cr_assert_str_eq((char *)to, "abcXXXXyz");
}

Test(decode_rle, a_run_has_up_to_128_bytes_and_may_be_longer_than_what_is_left)
{
    struct frame f;
    uint8_t to[128];
    struct error err = { 0 };

    begin(&f, 1);
    segment(&f, 0, "\x81Q", 2);
    for (size_t n = 1; n <= 128; n++) {
        memset(to, 0, sizeof to);
        cr_assert_eq(decode(&f, n, 1, 1, to, &err), ST_OK, "%s", err.text);
        cr_assert(to[n - 1] == 'Q' && (n == 128 || to[n] == 0));
    }
    cr_assert_eq(decode(&f, 129, 1, 1, to, &err), ST_FORMAT);
}

Test(decode_rle, the_upper_bytes_come_first_and_channels_are_laid_side_by_side)
{
    static const uint16_t EXPECTED[] = {
        0x4131, 0x4232, 0x4333, 0x4434, 0x4535, 0x4636
    }; /* two pixels of three */
    struct frame f;
    uint16_t to[6];
    struct error err = { 0 };

    begin(&f, 6);
    segment(&f, 0,
            "\x01"
            "AD",
            3);
    segment(&f, 1,
            "\x01"
            "14",
            3);
    segment(&f, 2,
            "\x01"
            "BE",
            3);
    segment(&f, 3,
            "\x01"
            "25",
            3);
    segment(&f, 4,
            "\x01"
            "CF",
            3);
    segment(&f, 5,
            "\x01"
            "36",
            3);
    cr_assert_eq(decode(&f, 2, 3, 2, (uint8_t *)to, &err), ST_OK, "%s", err.text);
    cr_assert_arr_eq(to, EXPECTED, sizeof EXPECTED);
}

Test(decode_rle, what_is_cut_short_or_lies_is_refused)
{
    struct frame f;
    uint8_t to[16];
    struct error err = { 0 };
    size_t n;

    begin(&f, 2);
    segment(&f, 0,
            "\x03"
            "abcd",
            5);
    segment(&f, 1, "\xfdX", 2);
    cr_assert_eq(decode(&f, 4, 1, 2, to, &err), ST_OK, "%s", err.text);
    check_refusal("another number of segments", decode(&f, 4, 1, 1, to, &err), ST_FORMAT, &err, "run-length");
    check_refusal("more pixels", decode(&f, 5, 1, 2, to, &err), ST_FORMAT, &err, "run-length");
    n = f.n;
    for (f.n = 0; f.n < n; f.n++)
        cr_assert_eq(decode(&f, 4, 1, 2, to, &err), ST_FORMAT, "cut at %zu", f.n);
    f.bytes[8] = HEADER - 1;
    check_refusal("a segment in the header", decode(&f, 4, 1, 2, to, &err), ST_FORMAT, &err, "run-length");
    f.bytes[8] = 255;
    check_refusal("a segment behind the end", decode(&f, 4, 1, 2, to, &err), ST_FORMAT, &err, "run-length");
}
