/* tests/unit/test_preprocess.c - a picture becomes the network's input exactly as the contract's two sentences say.
 * The truth is those sentences written down in whole numbers and nothing else: no spans, no running sums. */
#include "cxrd/preprocess.h"
#include "cxrd/rng.h"
#include "support.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the definitions ---- */

/* floor((i + 0.5) * in / out): the largest k with k <= (2 i + 1) in / (2 out). */
static size_t nearest_of(size_t i, size_t in, size_t out)
{
    size_t k = 0;

    while ((k + 1) * 2 * out <= (2 * i + 1) * in)
        k++;
    return k;
}

/* How much of the source pixel `s` lies in the box [i in/out, (i+1) in/out), in 1/out of a pixel. Along an enlarged
 * axis the box is the one nearest pixel. */
static uint64_t overlap(size_t i, size_t s, size_t in, size_t out)
{
    const size_t box_begin = i * in, box_end = (i + 1) * in, begin = s * out, end = (s + 1) * out;
    const size_t from = box_begin > begin ? box_begin : begin, to = box_end < end ? box_end : end;

    if (in <= out)
        return s == nearest_of(i, in, out) ? in : 0;
    return to > from ? to - from : 0;
}

static uint8_t nearest_pixel(const struct image *img, size_t size, size_t x, size_t y)
{
    return img->grey[nearest_of(y, img->height, size) * img->width + nearest_of(x, img->width, size)];
}

/* The source pixels that a box may touch: one more on either side than it needs. */
struct range {
    size_t begin, end;
};

static struct range range_of(size_t i, size_t in, size_t out)
{
    struct range r = { i * in / out, (i + 1) * in / out + 2 };

    r.begin -= r.begin > 0;
    r.end = r.end < in ? r.end : in;
    return r;
}

/* The mean over the box, weighted, rounded half up. */
static uint8_t area_pixel(const struct image *img, size_t size, size_t x, size_t y)
{
    const struct range rows = range_of(y, img->height, size), columns = range_of(x, img->width, size);
    uint64_t sum = 0, weights = 0;

    for (size_t r = rows.begin; r < rows.end; r++)
        for (size_t c = columns.begin; c < columns.end; c++) {
            const uint64_t weight = overlap(y, r, img->height, size) * overlap(x, c, img->width, size);

            sum += weight * img->grey[r * img->width + c];
            weights += weight;
        }
    return (uint8_t)((2 * sum + weights) / (2 * weights));
}

/* ---- comparing ---- */

static struct image random_image(size_t width, size_t height)
{
    struct image img = { .width = width, .height = height, .grey = malloc(width * height) };
    struct rng rng;

    cr_assert_not_null(img.grey);
    rng_seed(&rng, width, height);
    for (size_t i = 0; i < width * height; i++)
        img.grey[i] = (uint8_t)rng_below(&rng, 256);
    return img;
}

static uint8_t *resized(const struct image *img, size_t size, enum resize resize)
{
    const struct preprocess p = { .size = size, .resize = resize, .std = 1 };
    uint8_t *grey = malloc(size * size);

    cr_assert_not_null(grey);
    preprocess_resize(img, &p, grey);
    return grey;
}

static const size_t SIZES[] = { 64, 80, 256 };
enum { N_SIZES = sizeof SIZES / sizeof SIZES[0] };

static void check_resize(const struct image *img, enum resize resize,
                         uint8_t (*truth)(const struct image *img, size_t size, size_t x, size_t y))
{
    for (size_t k = 0; k < N_SIZES; k++) {
        const size_t size = SIZES[k];
        uint8_t *grey = resized(img, size, resize);

        for (size_t y = 0; y < size; y++)
            for (size_t x = 0; x < size; x++) {
                const uint8_t expected = truth(img, size, x, y);

                cr_assert_eq(grey[y * size + x], expected,
                             "%s %zu x %zu -> %zu: pixel (%zu, %zu) is %d, not %d", resize_name(resize),
                             img->width, img->height, size, x, y, grey[y * size + x], expected);
            }
        free(grey);
    }
}

static const size_t SOURCES[][2] = { { 1, 1 },    { 7, 5 },      { 64, 64 },     { 65, 63 },    { 300, 40 },
                                     { 40, 300 }, { 1000, 771 }, { 1024, 1024 }, { 2500, 2048 } };
enum { N_SOURCES = sizeof SOURCES / sizeof SOURCES[0] };

Test(resize, nearest_takes_the_pixel_at_the_middle_of_the_box)
{
    for (size_t i = 0; i < N_SOURCES; i++) {
        struct image img = random_image(SOURCES[i][0], SOURCES[i][1]);

        check_resize(&img, RESIZE_NEAREST, nearest_pixel);
        image_release(&img);
    }
}

Test(resize, area_is_the_weighted_mean_of_the_box)
{
    for (size_t i = 0; i < N_SOURCES; i++) {
        struct image img = random_image(SOURCES[i][0], SOURCES[i][1]);

        check_resize(&img, RESIZE_AREA, area_pixel);
        image_release(&img);
    }
}

/* By hand: 3 pixels onto 2 cover 1.5 each; (i + 0.5) 1.5 = 0.75, 2.25. The numbers are those of a wider row. */
Test(resize, fractional_edges_are_weighted_as_computed_by_hand)
{
    struct image img = random_image(96, 1);
    uint8_t *near, *mean;

    for (size_t x = 0; x < 96; x++)
        img.grey[x] = (uint8_t)(x % 3 == 0 ? 10 : x % 3 == 1 ? 40 : 100);
    near = resized(&img, 64, RESIZE_NEAREST);
    mean = resized(&img, 64, RESIZE_AREA);
    for (size_t i = 0; i < 64; i += 2) {
        cr_assert(near[i] == 10 && near[i + 1] == 100, "nearest: %d %d", near[i], near[i + 1]);
        cr_assert(mean[i] == 20 && mean[i + 1] == 80, "area: %d %d", mean[i], mean[i + 1]);
    }
    free(near);
    free(mean);
    image_release(&img);
}

Test(resize, a_quarter_of_each_side_is_the_mean_of_sixteen_pixels)
{
    struct image img = random_image(1024, 1024);
    uint8_t *grey = resized(&img, 256, RESIZE_AREA);

    for (size_t y = 0; y < 256; y++)
        for (size_t x = 0; x < 256; x++) {
            unsigned sum = 0;

            for (size_t k = 0; k < 16; k++)
                sum += img.grey[(4 * y + k / 4) * 1024 + 4 * x + k % 4];
            cr_assert_eq(grey[y * 256 + x], (sum + 8) / 16);
        }
    free(grey);
    image_release(&img);
}

Test(resize, half_rounds_up)
{
    static const uint8_t BOXES[][5] = { { 0, 0, 0, 1, 0 },           { 0, 0, 1, 1, 1 },
                                        { 0, 1, 1, 1, 1 },           { 7, 7, 8, 8, 8 },
                                        { 254, 254, 255, 255, 255 }, { 3, 3, 3, 4, 3 },
                                        { 255, 255, 255, 255, 255 } };

    for (size_t i = 0; i < sizeof BOXES / sizeof BOXES[0]; i++) {
        struct image img = random_image(128, 128);
        uint8_t *grey;

        for (size_t y = 0; y < 128; y++)
            for (size_t x = 0; x < 128; x++)
                img.grey[y * 128 + x] = BOXES[i][y % 2 * 2 + x % 2];
        grey = resized(&img, 64, RESIZE_AREA);
        for (size_t k = 0; k < 64 * 64; k++)
            cr_assert_eq(grey[k], BOXES[i][4], "box %zu gives %d", i, grey[k]);
        free(grey);
        image_release(&img);
    }
}

Test(resize, enlarging_by_area_is_nearest)
{
    struct image img = random_image(33, 47);
    uint8_t *mean = resized(&img, 64, RESIZE_AREA), *near = resized(&img, 64, RESIZE_NEAREST);

    cr_assert_eq(memcmp(mean, near, 64 * 64), 0);
    free(mean);
    free(near);
    image_release(&img);
}

Test(resize, the_same_size_changes_nothing)
{
    for (enum resize resize = RESIZE_NEAREST; resize <= RESIZE_AREA; resize++) {
        struct image img = random_image(80, 80);
        uint8_t *grey = resized(&img, 80, resize);

        cr_assert_eq(memcmp(grey, img.grey, 80 * 80), 0, "%s", resize_name(resize));
        free(grey);
        image_release(&img);
    }
}

/* The largest picture that is read: sums of 32 million pixels of 255 must not overflow. */
Test(resize, the_largest_white_picture_stays_white)
{
    struct image img = { .width = 8192, .height = 4096, .grey = malloc((size_t)8192 * 4096) };
    uint8_t *grey;

    cr_assert_not_null(img.grey);
    memset(img.grey, 255, (size_t)8192 * 4096);
    grey = resized(&img, 64, RESIZE_AREA);
    for (size_t i = 0; i < 64 * 64; i++)
        cr_assert_eq(grey[i], 255);
    free(grey);
    image_release(&img);
}

Test(resize, names_are_those_of_the_contract)
{
    enum resize resize = RESIZE_AREA;

    cr_assert_str_eq(resize_name(RESIZE_NEAREST), "nearest");
    cr_assert_str_eq(resize_name(RESIZE_AREA), "area");
    cr_assert(resize_parse("nearest", &resize) && resize == RESIZE_NEAREST);
    cr_assert(resize_parse("area", &resize) && resize == RESIZE_AREA);
    cr_assert(!resize_parse("Area", &resize) && !resize_parse("", &resize) && resize == RESIZE_AREA);
}

Test(scale, is_the_grey_value_less_the_mean_over_the_deviation)
{
    static const float MEANS[] = { 0, 128, 127.5f, 119.3f }, STDS[] = { 1, 64, 255, 57.7f };
    uint8_t grey[256];
    float x[256];

    for (size_t i = 0; i < 256; i++)
        grey[i] = (uint8_t)i;
    for (size_t k = 0; k < 4; k++) {
        const struct preprocess p = { .size = 64, .mean = MEANS[k], .std = STDS[k] };

        preprocess_scale(grey, 256, &p, x);
        for (size_t i = 0; i < 256; i++) {
            const double exact = ((double)i - (double)MEANS[k]) / (double)STDS[k];

            /* two operations of float32, each to half a unit of 2^-23 of numbers up to 255 */
            cr_assert_float_eq((double)x[i], exact, 255 / (double)STDS[k] * 0x1p-23,
                               "grey %zu: %.9g, not %.9g", i, (double)x[i], exact);
        }
    }
}

Test(scale, may_be_each_channels_own)
{
    const struct preprocess p = {
        .size = 64, .mean = 1, .std = 2, .by_channel = true, .means = { 1, 10, 100 }, .stds = { 2, 4, 8 }
    };
    const uint8_t grey[] = { 0, 200 };
    float x[6];

    cr_assert_eq(preprocess_channels(&p), 3);
    cr_assert_eq(preprocess_floats(&p), (size_t)3 * 64 * 64);
    preprocess_scale(grey, 2, &p, x);
    cr_assert(x[0] == -0.5f && x[1] == 99.5f && x[2] == -2.5f && x[3] == 47.5f && x[4] == -12.5f &&
              x[5] == 12.5f);
}

Test(scale, by_zero_and_one_is_the_identity)
{
    const uint8_t grey[] = { 0, 1, 127, 254, 255 };
    float x[5];

    preprocess_scale(grey, 5, &(struct preprocess){ .size = 64, .mean = 0, .std = 1 }, x);
    for (size_t i = 0; i < 5; i++)
        cr_assert_eq(x[i], (float)grey[i]);
}
