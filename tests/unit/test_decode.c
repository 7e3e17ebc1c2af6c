/* tests/unit/test_decode.c - stored values become grey as PS3.3 says it, whatever the bits and wherever they lie. The equations
 * of the standard are written down here a second time, for one value; decode/grey.c has them as a table. */
#include "decode/grey.h"
#include "leaks.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(decode_grey, .fini = check_no_leaks);

enum { ALL_12 = 4096 };

static struct grey_pipeline plain(void) { return (struct grey_pipeline){ .slope = 1 }; }

static struct grey_samples words(const uint16_t *values, size_t n, unsigned stored)
{
    return (struct grey_samples){ values, n, 16, stored, stored - 1, false };
}

static struct grey_samples bytes(const uint8_t *values, size_t n)
{
    return (struct grey_samples){ values, n, 8, 8, 7, false };
}

/* Every value that 12 bits may have, in turn. */
static const uint16_t *all_12(void)
{
    static uint16_t values[ALL_12];

    for (uint16_t i = 0; i < ALL_12; i++)
        values[i] = i;
    return values;
}

static void grey_of(const struct grey_pipeline *p, const struct grey_samples *s, uint8_t *ret)
{
    struct error err = { 0 };

    memset(ret, 0xAA, s->n);
    cr_assert_eq(grey_run(p, s, ret, &err), ST_OK, "%s", err.text);
}

static uint8_t to_grey(double y) { return (uint8_t)floor(fmin(fmax(y, 0), 1) * 255 + 0.5); }

static void check_all(const struct grey_pipeline *p, const struct grey_samples *s,
                      double (*expected)(double x))
{
    static uint8_t grey[ALL_12];

    grey_of(p, s, grey);
    for (size_t i = 0; i < s->n; i++)
        cr_assert_eq(grey[i], to_grey(expected((double)i)), "%zu: %u, not %u", i, grey[i],
                     to_grey(expected((double)i)));
}

/* ---- windows: C.11.2.1.2.1, C.11.2.1.3.1, C.11.2.1.3.2 ---- */

static const double C = 2048.5, W = 1000.25;

static double linear(double x)
{
    if (x <= C - 0.5 - (W - 1) / 2)
        return 0;
    if (x > C - 0.5 + (W - 1) / 2)
        return 1;
    return (x - (C - 0.5)) / (W - 1) + 0.5;
}

static double linear_exact(double x)
{
    if (x <= C - W / 2)
        return 0;
    if (x > C + W / 2)
        return 1;
    return (x - C) / W + 0.5;
}

static double sigmoid(double x) { return 1 / (1 + exp(-4 * (x - C) / W)); }

Test(decode_grey, windows_are_linear_exact_or_sigmoid)
{
    static double (*const EXPECTED[])(
        double) = { [GREY_LINEAR] = linear, [GREY_LINEAR_EXACT] = linear_exact, [GREY_SIGMOID] = sigmoid };
    const struct grey_samples s = words(all_12(), ALL_12, 12);

    for (int f = GREY_LINEAR; f <= GREY_SIGMOID; f++) {
        struct grey_pipeline p = plain();

        p.has_window = true;
        p.window = (struct grey_window){ C, W, (enum grey_function)f };
        cr_assert_eq(grey_voi(&p, &s), IMAGE_VOI_WINDOW);
        check_all(&p, &s, EXPECTED[f]);
    }
}

Test(decode_grey, a_window_of_one_is_a_threshold)
{
    const uint8_t values[] = { 9, 10, 11 };
    struct grey_pipeline p = plain();
    const struct grey_samples s = bytes(values, 3);
    uint8_t grey[3];

    p.has_window = true;
    p.window = (struct grey_window){ 10.5, 1, GREY_LINEAR };
    grey_of(&p, &s, grey);
    cr_assert(grey[0] == 0 && grey[1] == 0 && grey[2] == 255);
}

Test(decode_grey, windows_that_mean_nothing_are_unusable)
{
    const struct grey_window bad[] = { { 1, 0, GREY_LINEAR },     { 1, 0.5, GREY_LINEAR },
                                       { 1, -100, GREY_LINEAR },  { 1, 0, GREY_LINEAR_EXACT },
                                       { NAN, 100, GREY_LINEAR }, { 1, INFINITY, GREY_LINEAR },
                                       { 1, -1, GREY_SIGMOID },   { INFINITY, 2, GREY_SIGMOID } };
    const struct grey_window good[] = { { 1, 1, GREY_LINEAR },
                                        { 0, 0.5, GREY_LINEAR_EXACT },
                                        { -1, 0.1, GREY_SIGMOID } };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_not(grey_window_is_usable(&bad[i]), "%zu", i);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        cr_assert(grey_window_is_usable(&good[i]), "%zu", i);
}

/* ---- without a window ---- */

Test(decode_grey, eight_bits_without_a_window_are_as_they_are)
{
    uint8_t values[256], grey[256];
    const struct grey_pipeline p = plain();
    const struct grey_samples s = bytes(values, 256);

    for (int i = 0; i < 256; i++)
        values[i] = (uint8_t)i;
    grey_of(&p, &s, grey);
    cr_assert_arr_eq(grey, values, 256);
    cr_assert_eq(grey_voi(&p, &s), IMAGE_VOI_IDENTITY);
}

static double from_1000_to_3000(double x) { return (fmin(fmax(x, 1000), 3000) - 1000) / 2000; }

Test(decode_grey, more_bits_without_a_window_go_from_the_least_to_the_greatest)
{
    uint16_t values[ALL_12];
    const struct grey_pipeline p = plain();
    const struct grey_samples s = words(values, ALL_12, 12);

    for (uint16_t i = 0; i < ALL_12; i++)
        values[i] = i < 1000 ? 1000 : i > 3000 ? 3000 : i;
    cr_assert_eq(grey_voi(&p, &s), IMAGE_VOI_NONE);
    check_all(&p, &s, from_1000_to_3000);
}

Test(decode_grey, a_negative_slope_turns_the_range_round)
{
    const uint16_t values[] = { 100, 200, 300 };
    struct grey_pipeline p = plain();
    const struct grey_samples s = words(values, 3, 12);
    uint8_t grey[3];

    p.slope = -2.5;
    p.intercept = 1000;
    grey_of(&p, &s, grey);
    cr_assert(grey[0] == 255 && grey[1] == 128 && grey[2] == 0, "%u %u %u", grey[0], grey[1], grey[2]);
}

Test(decode_grey, a_picture_of_one_value_is_black)
{
    const uint16_t values[] = { 700, 700 };
    const struct grey_pipeline p = plain();
    const struct grey_samples s = words(values, 2, 12);
    uint8_t grey[2];

    grey_of(&p, &s, grey);
    cr_assert(grey[0] == 0 && grey[1] == 0);
}

Test(decode_grey, a_slope_of_zero_or_no_number_is_refused)
{
    static const double BAD[][2] = { { 0, 1 }, { NAN, 0 }, { 1, INFINITY } };
    const uint8_t value = 1;
    const struct grey_samples s = bytes(&value, 1);

    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        struct grey_pipeline p = plain();
        struct error err = { 0 };
        uint8_t grey;

        p.slope = BAD[i][0];
        p.intercept = BAD[i][1];
        cr_assert_eq(grey_run(&p, &s, &grey, &err), ST_NUMERIC);
    }
}

/* ---- lookup tables ---- */

Test(decode_grey, a_voi_lut_is_taken_before_a_window_and_holds_its_ends)
{
    static const uint16_t ENTRIES[] = { 0, 1000, 65535, 30000 };
    const uint16_t values[] = { 0, 499, 500, 501, 502, 503, 504, 4095 };
    static const uint8_t EXPECTED[] = { 0, 0, 0, 4, 255, 117, 117, 117 };
    struct grey_pipeline p = plain();
    const struct grey_samples s = words(values, 8, 12);
    uint8_t grey[8];

    p.voi = (struct grey_lut){ ENTRIES, 4, 500, 16 };
    p.has_window = true;
    p.window = (struct grey_window){ 0, 10, GREY_LINEAR };
    cr_assert_eq(grey_voi(&p, &s), IMAGE_VOI_LUT);
    grey_of(&p, &s, grey);
    cr_assert_arr_eq(grey, EXPECTED, 8);
}

Test(decode_grey, a_voi_lut_may_begin_below_zero)
{
    static const uint16_t ENTRIES[] = { 255, 0, 128 };
    const uint16_t values[] = { 0xFF9B, 0xFF9C, 0xFF9D, 0xFF9E, 5 }; /* -101, -100, -99, -98 */
    static const uint8_t EXPECTED[] = { 255, 255, 0, 128, 128 };
    struct grey_pipeline p = plain();
    struct grey_samples s = words(values, 5, 16);
    uint8_t grey[5];

    s.is_signed = true;
    p.voi = (struct grey_lut){ ENTRIES, 3, -100, 8 };
    grey_of(&p, &s, grey);
    cr_assert_arr_eq(grey, EXPECTED, 5);
}

Test(decode_grey, a_modality_lut_is_taken_instead_of_the_slope)
{
    static const uint16_t ENTRIES[] = { 100, 0, 50 };
    const uint8_t values[] = { 0, 1, 2, 3 };
    static const uint8_t EXPECTED[] = { 255, 0, 128, 128 };
    struct grey_pipeline p = plain();
    const struct grey_samples s = bytes(values, 4);
    uint8_t grey[4];

    p.slope = 0; /* not looked at */
    p.modality = (struct grey_lut){ ENTRIES, 3, 0, 16 };
    cr_assert_eq(grey_voi(&p, &s), IMAGE_VOI_NONE,
                 "what 8 bits may be says nothing of what a table makes of them");
    grey_of(&p, &s, grey);
    cr_assert_arr_eq(grey, EXPECTED, 4);
}

Test(decode_grey, a_voi_lut_of_65536_entries_has_one_for_each_value)
{
    static uint16_t entries[65536], values[65536];
    static uint8_t grey[65536];
    struct grey_pipeline p = plain();
    const struct grey_samples s = words(values, 65536, 16);

    for (size_t i = 0; i < 65536; i++) {
        values[i] = (uint16_t)i;
        entries[i] = (uint16_t)(65535 - i);
    }
    p.voi = (struct grey_lut){ entries, 65536, 0, 16 };
    grey_of(&p, &s, grey);
    for (size_t i = 0; i < 65536; i++)
        cr_assert_eq(grey[i], to_grey((65535.0 - (double)i) / 65535));
}

/* ---- polarity ---- */

Test(decode_grey, inversion_comes_last_and_once)
{
    const struct grey_samples s = words(all_12(), ALL_12, 12);
    struct grey_pipeline p = plain();
    static uint8_t grey[ALL_12];

    p.inverted = true;
    p.has_window = true;
    p.window = (struct grey_window){ C, W, GREY_LINEAR };
    grey_of(&p, &s, grey);
    for (int i = 0; i < ALL_12; i++)
        cr_assert_eq(grey[i], to_grey(1 - linear(i)), "%d", i);
}

/* ---- where the bits lie ---- */

Test(decode_grey, what_is_above_and_below_the_stored_bits_is_dropped)
{
    struct grey_pipeline p = plain();
    uint16_t values[ALL_12];
    struct grey_samples s = words(values, ALL_12, 12);

    p.has_window = true;
    p.window = (struct grey_window){ C, W, GREY_LINEAR };
    for (uint16_t i = 0; i < ALL_12; i++)
        values[i] = (uint16_t)(i | (i % 16) << 12); /* an overlay above, as files of before 2004 have them */
    check_all(&p, &s, linear);
    for (uint16_t i = 0; i < ALL_12; i++)
        values[i] = (uint16_t)(i << 4 | i % 13); /* high bit 15, rubbish below */
    s.high_bit = 15;
    check_all(&p, &s, linear);
    for (uint16_t i = 0; i < ALL_12; i++)
        values[i] = (uint16_t)(i << 2 | (i & 3) << 14 | (i % 3)); /* high bit 13, rubbish on both sides */
    s.high_bit = 13;
    check_all(&p, &s, linear);
}

Test(decode_grey, the_sign_is_the_highest_stored_bit)
{
    for (unsigned stored = 2; stored <= 16; stored++) {
        const int32_t half = 1 << (stored - 1);
        const uint16_t values[] = { 0, (uint16_t)(half - 1), (uint16_t)half, (uint16_t)(2 * half - 1) };
        struct grey_samples s = words(values, 4, stored);
        struct grey_pipeline p = plain();
        uint8_t grey[4];

        s.is_signed = true;
        p.has_window = true; /* from -half to half - 1 */
        p.window = (struct grey_window){ 0, 2 * half, GREY_LINEAR };
        grey_of(&p, &s, grey);
        cr_assert_eq(grey[2], 0, "%u bits: the least is black", stored);
        cr_assert_eq(grey[1], 255, "%u bits: the greatest is white", stored);
        cr_assert_eq(grey[0], to_grey((0.0 + half) / (2 * half - 1)), "%u bits: zero", stored);
        cr_assert_eq(grey[3], to_grey((half - 1.0) / (2 * half - 1)), "%u bits: minus one", stored);
    }
}

Test(decode_grey, signed_bytes_without_a_window_go_from_minus_128_to_127)
{
    const uint8_t values[] = { 0x80, 0xFF, 0, 0x7F };
    static const uint8_t EXPECTED[] = { 0, 127, 128, 255 };
    struct grey_samples s = bytes(values, 4);
    const struct grey_pipeline p = plain();
    uint8_t grey[4];

    s.is_signed = true;
    grey_of(&p, &s, grey);
    cr_assert_arr_eq(grey, EXPECTED, 4);
}

/* ---- padding ---- */

Test(decode_grey, padding_is_black_and_no_part_of_the_range)
{
    const uint16_t values[] = { 0, 5, 4095, 1000, 2000, 3000 };
    static const uint8_t EXPECTED[] = { 0, 0, 255, 0, 82, 165 }, INVERTED[] = { 0, 0, 0, 255, 173, 90 };
    struct grey_pipeline p = plain();
    const struct grey_samples s = words(values, 6, 12);
    uint8_t grey[6];

    p.has_padding = true;
    p.padding_first = 0;
    p.padding_last = 5;
    grey_of(&p, &s, grey);
    cr_assert_arr_eq(grey, EXPECTED, 6);
    p.inverted = true; /* padding stays black */
    grey_of(&p, &s, grey);
    cr_assert_arr_eq(grey, INVERTED, 6);
}

Test(decode_grey, padding_everywhere_is_none)
{
    const uint16_t values[] = { 3, 4, 5 };
    static const uint8_t EXPECTED[] = { 0, 128, 255 };
    struct grey_pipeline p = plain();
    const struct grey_samples s = words(values, 3, 12);
    uint8_t grey[3];

    p.has_padding = true;
    p.padding_first = 3;
    p.padding_last = 5;
    grey_of(&p, &s, grey);
    cr_assert_arr_eq(grey, EXPECTED, 3);
}

Test(decode_grey, padding_may_be_negative)
{
    const uint16_t values[] = { (uint16_t)-2000, (uint16_t)-1000, 0, 1000 };
    static const uint8_t EXPECTED[] = { 0, 0, 128, 255 };
    struct grey_pipeline p = plain();
    struct grey_samples s = words(values, 4, 16);
    uint8_t grey[4];

    s.is_signed = true;
    p.has_padding = true;
    p.padding_first = p.padding_last = -2000;
    grey_of(&p, &s, grey);
    cr_assert_arr_eq(grey, EXPECTED, 4);
}

/* ---- colour ---- */

Test(decode_grey, rgb_is_weighed_and_what_is_not_grey_is_counted)
{
    const uint8_t rgb[] = { 255, 0, 0, 0, 255, 0, 0, 0, 255, 100, 100, 100, 100, 116, 100, 100, 117, 100 };
    static const uint8_t EXPECTED[] = { 76, 150, 29, 100, 109, 110 };
    uint8_t grey[6];

    cr_assert_float_eq(grey_of_rgb(rgb, 6, grey), 4.0 / 6, 1e-9);
    cr_assert_arr_eq(grey, EXPECTED, 6);
}

Test(decode_grey, ybr_becomes_rgb)
{
    uint8_t samples[] = { 76, 85, 255, 150, 44, 21, 29, 255, 107, 77, 128, 128 };
    static const uint8_t EXPECTED[] = { 254, 0, 0, 0, 255, 1, 0, 0, 254, 77, 77, 77 };

    grey_rgb_of_ybr(samples, 4, false);
    cr_assert_arr_eq(samples, EXPECTED, 12);
}

/* The standard says how RGB becomes YBR_PARTIAL_422 (C.7.6.3.1.2), which is written down here; the way back is the product's. */
Test(decode_grey, ybr_of_a_partial_range_becomes_rgb)
{
    for (unsigned i = 0; i < 4096; i++) {
        const double r = 17 * (i >> 8), g = 17 * (i >> 4 & 15), b = 17 * (i & 15);
        uint8_t samples[] = { (uint8_t)lround(.2568 * r + .5041 * g + .0979 * b + 16),
                              (uint8_t)lround(-.1482 * r - .2910 * g + .4392 * b + 128),
                              (uint8_t)lround(.4392 * r - .3678 * g - .0714 * b + 128) };

        grey_rgb_of_ybr(samples, 1, true);
        cr_assert(fabs(samples[0] - r) <= 2 && fabs(samples[1] - g) <= 2 && fabs(samples[2] - b) <= 2,
                  "%g %g %g: %u %u %u", r, g, b, samples[0], samples[1], samples[2]);
    }
}

Test(decode_grey, a_palette_begins_at_its_first_value_and_holds_its_ends)
{
    static const uint8_t RED[] = { 10, 20, 30 }, GREEN[] = { 10, 20, 60 }, BLUE[] = { 10, 20, 30 };
    const struct grey_palette p = { RED, GREEN, BLUE, 3, 100 };
    const uint16_t values[] = { 0, 100, 101, 102, 65535 };
    static const uint8_t EXPECTED[] = { 10, 10, 20, 48, 48 };
    const struct grey_samples s = words(values, 5, 16);
    uint8_t grey[5];

    cr_assert_float_eq(grey_of_palette(&p, &s, grey), 2.0 / 5, 1e-9);
    cr_assert_arr_eq(grey, EXPECTED, 5);
}
