/* tests/unit/test_input_gate.c - what the gate says of pictures: by rules that can be checked by hand, and on real
 * radiographs as they are, inverted, cropped, turned, and on pictures that are no radiographs at all. */
#include "cxrd/input_gate.h"

#include "cxrd/file.h"
#include "cxrd/model.h"
#include "cxrd/rng.h"
#include "leaks.h"
#include "sentence.h"
#include "support.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 256, PLANE = SIZE * SIZE };

static const struct preprocess PRE = { SIZE, RESIZE_AREA, 128, 64 };

static bool has(const struct gate_warnings *w, enum gate_code code)
{
    for (size_t i = 0; i < w->n; i++)
        if (w->codes[i] == code)
            return w->details[i][0] != '\0';
    return false;
}

/* ---- statistics ---- */

Test(gate_stats, of_one_grey)
{
    static uint8_t grey[PLANE];
    double s[GATE_STATS];

    memset(grey, 37, PLANE);
    gate_stats(grey, SIZE, s);
    for (size_t i = 0; i < GATE_STATS; i++)
        cr_assert_float_eq(s[i], i == STAT_STD || i == STAT_STEP ? 0 : 37, 1e-9, "%zu: %g", i, s[i]);
}

Test(gate_stats, of_a_ramp)
{
    static uint8_t grey[PLANE];
    double s[GATE_STATS];

    for (size_t i = 0; i < PLANE; i++)
        grey[i] = (uint8_t)(i % SIZE); /* 0..255 in every row */
    gate_stats(grey, SIZE, s);
    cr_assert_float_eq(s[STAT_MEAN], 127.5, 1e-9);
    cr_assert_float_eq(s[STAT_STD], sqrt((256.0 * 256 - 1) / 12), 1e-9);
    cr_assert_float_eq(s[STAT_Q05], 12, 1e-9);
    cr_assert_float_eq(s[STAT_Q50], 127, 1e-9);
    cr_assert_float_eq(s[STAT_Q95], 243, 1e-9);
    cr_assert_float_eq(s[STAT_STEP], sqrt(0.5), 1e-9); /* 1 across, 0 down */
    for (size_t i = 0; i < GATE_PARTS; i++)
        cr_assert_float_eq(s[STAT_PARTS + i], 31.5 + 64 * (double)(i % 4), 1e-9);
}

/* Networks of other authors take sizes that no power of two divides. */
Test(gate_stats, of_a_side_that_is_no_multiple_of_four)
{
    for (size_t size = 64; size < 68; size++) {
        uint8_t *grey = malloc(size * size); /* of its own size: AddressSanitizer sees what lies beyond */
        double s[GATE_STATS], part = 0;

        for (size_t i = 0; i < size * size; i++)
            grey[i] = (uint8_t)(i / size * 3);
        gate_stats(grey, size, s);
        cr_assert_float_eq(s[STAT_MEAN], 1.5 * (double)(size - 1), 1e-9, "%zu: %g", size, s[STAT_MEAN]);
        for (size_t y = 3 * size / 4; y < size; y++)
            part += 3 * (double)y / (double)(size - 3 * size / 4);
        for (size_t i = 0; i < GATE_SIDE; i++)
            cr_assert_float_eq(s[STAT_PARTS + 12 + i], part, 1e-9, "%zu, part %zu: %g", size, i,
                               s[STAT_PARTS + 12 + i]);
        free(grey);
    }
}

/* ---- the distance ---- */

/* Statistics of made-up pictures: 24 numbers of different spread, two of which go together. */
static void draw(struct rng *rng, double s[GATE_STATS])
{
    for (size_t i = 0; i < GATE_STATS; i++) {
        double sum = 0;

        for (int k = 0; k < 12; k++) /* about normal */
            sum += rng_unit(rng);
        s[i] = 100 + (double)(i + 2) * (sum - 6);
    }
    s[1] = 0.5 * s[0] + 0.1 * s[1];
}

static struct input_gate fitted(size_t n, uint64_t seed)
{
    double *stats = malloc(n * GATE_STATS * sizeof *stats);
    struct input_gate g;
    struct rng rng;

    rng_seed(&rng, seed, 0);
    for (size_t i = 0; i < n; i++)
        draw(&rng, stats + i * GATE_STATS);
    cr_assert_eq(gate_fit(stats, n, &g), ST_OK);
    free(stats);
    return g;
}

Test(gate_fit, distances_of_its_own_kind_are_about_the_root_of_24)
{
    const struct input_gate g = fitted(2000, 1);
    double sum = 0, s[GATE_STATS];
    struct rng rng;

    rng_seed(&rng, 2, 0);
    for (size_t i = 0; i < 2000; i++) {
        draw(&rng, s);
        sum += gate_distance(&g, s) * gate_distance(&g, s) / 2000;
    }
    cr_assert(sum > 22 && sum < 26, "%g", sum);
    cr_assert_float_eq(gate_distance(&g, g.mean), 0, 1e-9);
}

/* Without leaving each picture out of its own measure, 150 pictures would let 1 in 12 raise an alarm. */
Test(gate_fit, one_in_a_hundred_new_pictures_raises_a_false_alarm)
{
    size_t alarms = 0, drawn = 0;
    double s[GATE_STATS];
    struct rng rng;

    rng_seed(&rng, 3, 0);
    for (uint64_t seed = 0; seed < 20; seed++) {
        const struct input_gate g = fitted(150, 100 + seed);

        for (size_t i = 0; i < 500; i++, drawn++) {
            draw(&rng, s);
            alarms += gate_distance(&g, s) > g.threshold;
        }
    }
    printf("false alarms: %zu of %zu\n", alarms, drawn);
    cr_assert(alarms * 1000 > drawn * 2 && alarms * 1000 < drawn * 25, "%zu of %zu", alarms, drawn);
}

/* ---- as text ---- */

TEST_WITHOUT_LEAKS(gate_text, reads_back_as_it_was)
{
    const struct input_gate g = fitted(300, 4);
    json_t *text = gate_text(&g);
    struct input_gate back;
    struct error err = { 0 };

    cr_assert_eq(gate_parse(json_string_value(text), &back, &err), ST_OK, "%s", err.text);
    cr_assert_eq(back.rows, 300);
    cr_assert_float_eq(back.threshold, g.threshold, 1e-7);
    for (size_t i = 0; i < GATE_STATS; i++) {
        cr_assert_float_eq(back.mean[i], g.mean[i], 1e-6);
        for (size_t j = 0; j < GATE_STATS; j++)
            cr_assert_float_eq(back.factor[i][j], g.factor[i][j], 1e-6);
    }
    json_decref(text);
}

/* The text of a good gate with one thing changed. */
static void refused(const char *member, json_t *value, const char *says)
{
    const struct input_gate g = fitted(100, 5);
    json_t *text = gate_text(&g), *all = json_loads(json_string_value(text), 0, NULL);
    struct input_gate untouched = { .rows = 7 };
    struct error err = { 0 };
    char *changed;

    json_object_set_new(all, member, value);
    changed = json_dumps(all, 0);
    check_refusal(member, gate_parse(changed, &untouched, &err), ST_FORMAT, &err, says);
    cr_assert_eq(untouched.rows, 7);
    free(changed);
    json_decref(all);
    json_decref(text);
}

static json_t *numbers(size_t n, double value)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_real(value));
    return list;
}

static json_t *triangle(double value)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < GATE_STATS; i++)
        json_array_append_new(rows, numbers(i + 1, value));
    return rows;
}

TEST_WITHOUT_LEAKS(gate_text, what_is_wrong_is_refused_and_named)
{
    static const char *const NO_OBJECTS[] = { "", "[]", "{", "1", "\"\"", "{\"a\":1,\"a\":2}" };
    struct input_gate g;

    for (size_t i = 0; i < sizeof NO_OBJECTS / sizeof NO_OBJECTS[0]; i++)
        cr_assert_eq(gate_parse(NO_OBJECTS[i], &g, NULL), ST_FORMAT);
    refused("rows", json_integer(99), "rows");
    refused("rows", json_real(100), "rows");
    refused("rows", json_null(), "rows");
    refused("threshold", json_real(0), "threshold");
    refused("threshold", json_string("9"), "threshold");
    refused("threshold", json_real(1e7), "threshold");
    refused("mean", numbers(GATE_STATS - 1, 1), "mean");
    refused("mean", numbers(GATE_STATS, 1e7), "mean");
    refused("mean", json_null(), "mean");
    refused("factor", triangle(0), "factor");
    refused("factor", triangle(-1), "factor");
    refused("factor", numbers(GATE_STATS, 1), "factor");
    refused("factor", json_object(), "factor");
}

/* ---- a model's ---- */

static enum status model_with(json_t *note, struct model **ret, struct error *err)
{
    const struct preprocess pre = { 64, RESIZE_AREA, 128, 64 };
    const struct network *net;
    float *params;
    enum status st;

    cr_assert_eq(network_new(&(struct network_spec){ "cnn4", 64, N_NIH_LABELS, 0 }, &net, NULL), ST_OK);
    params = calloc(net->n_params, sizeof *params);
    st = model_new(net, &NIH_LABELS, &pre, params, json_pack("{s:o}", GATE_KEY, note), ret, err);
    network_unref(net);
    free(params);
    return st;
}

TEST_WITHOUT_LEAKS(gate, of_a_model_is_that_of_its_notes)
{
    const struct input_gate g = fitted(100, 6);
    struct model *m = NULL;
    struct error err = { 0 };

    cr_assert_eq(model_with(gate_text(&g), &m, &err), ST_OK, "%s", err.text);
    cr_assert_float_eq(model_gate(m)->threshold, g.threshold, 1e-7);
    model_unref(m);
    m = NULL;
    check_refusal("a model", model_with(json_string("{\"rows\":1}"), &m, &err), ST_FORMAT, &err, GATE_KEY);
    cr_assert_null(m);
}

/* ---- rules ---- */

static struct gate_warnings checked(struct image img)
{
    struct gate_warnings w;
    static uint8_t grey[PLANE];
    double s[GATE_STATS];

    preprocess_resize(&img, &PRE, grey);
    gate_stats(grey, SIZE, s);
    gate_check(&img, s, SIZE, NULL, &w);
    return w;
}

/* A chest of two strokes: a dark half above, a bright one below. */
static struct image chest(size_t width, size_t height)
{
    struct image img = { width, height, malloc(width * height), 1, 8, 0 };

    for (size_t i = 0; i < width * height; i++)
        img.grey[i] = (uint8_t)(90 + 110 * (i / width) / height + i % 7);
    return img;
}

TEST_WITHOUT_LEAKS(gate_rules, shape_size_and_colour)
{
    static const struct {
        size_t width, height;
        bool not_square, too_small;
    } CASES[] = {
        { 1024, 1024, false, false }, { 256, 256, false, false }, { 255, 256, false, true },
        { 256, 255, false, true },    { 600, 400, false, false }, { 400, 601, true, false },
        { 3000, 100, true, true },    { 1, 1, false, true },
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct image img = chest(CASES[i].width, CASES[i].height);
        const struct gate_warnings w = checked(img);

        cr_assert_eq(has(&w, GATE_NOT_SQUARE), CASES[i].not_square, "case %zu", i);
        cr_assert_eq(has(&w, GATE_TOO_SMALL), CASES[i].too_small, "case %zu", i);
        cr_assert(!has(&w, GATE_COLOUR) && !has(&w, GATE_UNLIKE_TRAINING));
        img.colour = 0.0101;
        cr_assert_eq(checked(img).n, w.n + 1);
        image_release(&img);
    }
}

TEST_WITHOUT_LEAKS(gate_rules, one_grey_and_a_swapped_one)
{
    struct image img = chest(300, 300);
    struct gate_warnings w = checked(img);

    cr_assert_eq(w.n, 0);
    for (size_t i = 0; i < 300 * 300; i++)
        img.grey[i] = (uint8_t)(255 - img.grey[i]);
    w = checked(img);
    cr_assert(w.n == 1 && w.codes[0] == GATE_INVERTED);
    for (size_t i = 0; i < 300 * 300; i++)
        img.grey[i] = (uint8_t)(20 + i % 9);
    w = checked(img);
    cr_assert(w.n == 1 && w.codes[0] == GATE_NEARLY_CONSTANT);
    image_release(&img);
}

/* ---- real pictures ---- */

enum { MAX_FILMS = 1024 };

struct films {
    size_t n;
    uint8_t *grey[MAX_FILMS]; /* [SIZE][SIZE] */
    double stats[MAX_FILMS][GATE_STATS];
    double colour[MAX_FILMS];
};

static struct films *films_read(const char *pattern)
{
    struct films *f = calloc(1, sizeof *f);
    glob_t found;

    cr_assert_eq(glob(pattern, 0, NULL, &found), 0, "%s", pattern);
    for (size_t i = 0; i < found.gl_pathc && f->n < MAX_FILMS; i++) {
        struct file_bytes file = FILE_BYTES_INIT;
        struct image img = IMAGE_INIT;

        cr_assert_eq(file_read(found.gl_pathv[i], 1 << 26, &file, NULL), ST_OK);
        if (image_decode(file.data, file.size, &IMAGE_READER_PNG, &img, NULL) == ST_OK) {
            f->grey[f->n] = malloc(PLANE);
            preprocess_resize(&img, &PRE, f->grey[f->n]);
            f->colour[f->n] = img.colour;
            gate_stats(f->grey[f->n], SIZE, f->stats[f->n]);
            f->n++;
        }
        image_release(&img);
        file_bytes_release(&file);
    }
    globfree(&found);
    return f;
}

static struct films *films_of(const char *folder)
{
    char pattern[512];

    snprintf(pattern, sizeof pattern, "%s/%s", test_data(folder),
             strcmp(folder, "png/pngsuite") == 0 ? "*.png" : "images_*/images/*.png");
    return films_read(pattern);
}

static void films_free(struct films *f)
{
    for (size_t i = 0; i < f->n; i++)
        free(f->grey[i]);
    free(f);
}

static void as_it_is(const uint8_t *from, uint8_t *to) { memcpy(to, from, PLANE); }

static void swapped(const uint8_t *from, uint8_t *to)
{
    for (size_t i = 0; i < PLANE; i++)
        to[i] = (uint8_t)(255 - from[i]);
}

static void turned(const uint8_t *from, uint8_t *to)
{
    for (size_t i = 0; i < PLANE; i++)
        to[i] = from[i % SIZE * SIZE + SIZE - 1 - i / SIZE];
}

static void upper_left(const uint8_t *from, uint8_t *to)
{
    for (size_t i = 0; i < PLANE; i++)
        to[i] = from[i / SIZE / 2 * SIZE + i % SIZE / 2];
}

static void noise(const uint8_t *from, uint8_t *to)
{
    struct rng rng;

    rng_seed(&rng, from[0], from[PLANE / 2]);
    for (size_t i = 0; i < PLANE; i++)
        to[i] = (uint8_t)(rng_next(&rng) >> 24);
}

static void flattened(const uint8_t *from, uint8_t *to)
{
    for (size_t i = 0; i < PLANE; i++)
        to[i] = (uint8_t)(120 + from[i] / 16);
}

/* The part of films begin..n-1 of which `code`, or with N_GATE_CODES anything, is said once they are changed. */
static double said(const struct films *f, size_t begin, void (*change)(const uint8_t *from, uint8_t *to),
                   const struct input_gate *g, enum gate_code code)
{
    static uint8_t grey[PLANE];
    size_t n = 0;

    for (size_t i = begin; i < f->n; i++) {
        struct gate_warnings w;
        double s[GATE_STATS];

        change(f->grey[i], grey);
        gate_stats(grey, SIZE, s);
        gate_check(NULL, s, SIZE, g, &w);
        n += code == N_GATE_CODES ? w.n > 0 : has(&w, code);
    }
    return (double)n / (double)(f->n - begin);
}

static void check_rate(const char *what, double rate, double low, double high)
{
    printf("%-40s %5.1f %%\n", what, rate * 100);
    cr_assert(rate >= low && rate <= high, "%s: %g is not in %g..%g", what, rate, low, high);
}

/* Made from the first 500 films of nih256, tried on the other 210, on the 104 of nih (other resolutions, other
 * patients) and on what no model should answer for. */
TEST_WITHOUT_LEAKS(gate_films, are_let_pass_and_others_are_not)
{
    struct films *small = films_of("nih256"), *large = films_of("nih"), *suite = films_of("png/pngsuite");
    const size_t used = 500;
    struct input_gate g;

    cr_assert(small->n == 710 && large->n == 104 && suite->n > 150);
    cr_assert_eq(gate_fit(small->stats[0], used, &g), ST_OK);
    check_rate("radiographs like them: anything", said(small, used, as_it_is, &g, N_GATE_CODES), 0, 0.03);
    check_rate("radiographs at 1,024 pixels: anything", said(large, 0, as_it_is, &g, N_GATE_CODES), 0, 0.03);
    check_rate("swapped: inverted", said(small, 0, swapped, &g, GATE_INVERTED), 0.98, 1);
    check_rate("swapped, 1,024 pixels: inverted", said(large, 0, swapped, &g, GATE_INVERTED), 0.98, 1);
    check_rate("as they are: inverted", said(small, 0, as_it_is, &g, GATE_INVERTED), 0, 0.01);
    check_rate("nearly flat: nearly_constant", said(large, 0, flattened, &g, GATE_NEARLY_CONSTANT), 1, 1);
    check_rate("as they are: nearly_constant", said(small, 0, as_it_is, &g, GATE_NEARLY_CONSTANT), 0, 0);
    check_rate("noise: unlike_training", said(large, 0, noise, &g, GATE_UNLIKE_TRAINING), 1, 1);
    check_rate("PngSuite: anything", said(suite, 0, as_it_is, &g, N_GATE_CODES), 0.9, 1);
    check_rate("turned by 90 degrees: anything", said(small, used, turned, &g, N_GATE_CODES), 0.5, 1);
    check_rate("upper left quarter: anything", said(small, used, upper_left, &g, N_GATE_CODES), 0.5, 1);
    films_free(small);
    films_free(large);
    films_free(suite);
}

/* Four of the 104 are RGBA with equal channels. */
TEST_WITHOUT_LEAKS(gate_films, have_no_colour_and_coloured_pictures_do)
{
    struct films *large = films_of("nih");
    char pattern[512];
    struct films *suite;
    size_t coloured = 0;

    for (size_t i = 0; i < large->n; i++)
        cr_assert_eq(large->colour[i], 0);
    snprintf(pattern, sizeof pattern, "%s/basn[23][cp]*.png", test_data("png/pngsuite"));
    suite = films_read(pattern);
    for (size_t i = 0; i < suite->n; i++)
        coloured += suite->colour[i] > 0.01;
    cr_assert(suite->n >= 6 && coloured == suite->n, "%zu of %zu", coloured, suite->n);
    films_free(large);
    films_free(suite);
}
