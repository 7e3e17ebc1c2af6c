/* tests/unit/test_inputs.c - numbers beside the picture: what is understood, how it is standardised, that it travels with
 * the weights, and that a training learns from it what no picture shows. */
#include "cxrd/file.h"
#include "cxrd/trainer.h"
#include "cxrd/weights.h"
#include "files.h"
#include "jobs/training/row_inputs.h"
#include "leaks.h"
#include "sentence.h"
#include "support.h"
#include "tiny_dataset.h"
#include "tiny_model.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(inputs, .fini = check_no_leaks);

static double read_as(enum input_kind kind, const char *text)
{
    struct input_values v = INPUTS_UNKNOWN;
    struct error err = { 0 };

    cr_assert_eq(input_parse(kind, text, &NIH_LABELS, &v, &err), ST_OK, "'%s': %s", text, err.text);
    return v.of[kind];
}

Test(inputs, are_understood_as_tables_write_them)
{
    cr_assert_eq(read_as(INPUT_AGE, "58"), 58);
    cr_assert_eq(read_as(INPUT_AGE, "058Y"), 58);
    cr_assert_eq(read_as(INPUT_AGE, "0"), 0);
    cr_assert_eq(read_as(INPUT_AGE, "0.5"), 0.5);
    cr_assert_eq(read_as(INPUT_AGE, "58.0"), 58);
    cr_assert_eq(read_as(INPUT_AGE, "58 years"), 58);
    cr_assert_eq(read_as(INPUT_AGE, "018M"), 1);
    cr_assert(read_as(INPUT_SEX, "Male") == 1 && read_as(INPUT_VIEW, " ap ") == 1);
    cr_assert(read_as(INPUT_SEX, "M") == 1 && read_as(INPUT_SEX, "f") == 0);
    cr_assert(read_as(INPUT_VIEW, "PA") == 0 && read_as(INPUT_VIEW, "ap") == 1);
}

Test(inputs, that_cannot_be_are_refused_in_a_sentence)
{
    static const char *const BAD[N_INPUT_FIELDS][8] = {
        { "", "old", "-1", "151", "nan", "58X", "5 8", "inf" },
        { "", "man", "0", "1", "MF", "MM", "X", "M F" },
        { "", "P", "lateral", "0", "PAP", "APA", "1", "LL" },
        { "", "foo", "Mass,foo", "1", "Mass Nodule", "No Finding,Mass", "none,Mass", "|" },
        { "", "foo", "Mass/foo", "/", "Mass/", "none/Mass", "Mass/ /Mass", "Mass/No Finding,Mass" },
        { "", "foo", "Mass;foo", "0", "Mass/Nodule", "Mass|normal", "Mass,none", "," },
    };

    const struct labels others = { .n = 1,
                                   .names = { "Fracture" } }; /* a Mass is one, though nobody asks for it */

    for (size_t field = 0; field < N_INPUT_FIELDS; field++)
        for (size_t i = 0; i < 2 * 8; i++) {
            struct input_values v = INPUTS_UNKNOWN;
            struct error err = { 0 };
            const char *bad = BAD[field][i / 2];

            check_refusal(bad, input_parse(field, bad, i % 2 ? &others : &NIH_LABELS, &v, &err), ST_INVALID,
                          &err, INPUT_NAMES[field]);
            for (size_t number = 0; number < N_INPUT_NUMBERS; number++)
                cr_assert(isnan(v.of[number]), "'%s' left something", bad);
        }
}

/* Both halves as bits; 0xffff: not known. */
static void check_history(const char *ever, const char *last, unsigned expect_ever, unsigned expect_last,
                          double expect_earlier)
{
    struct input_values v = INPUTS_UNKNOWN;
    struct error err = { 0 };

    if (ever)
        cr_assert_eq(input_parse(INPUT_HISTORY, ever, &NIH_LABELS, &v, &err), ST_OK, "%s", err.text);
    if (last)
        cr_assert_eq(input_parse(INPUT_HISTORY_LAST, last, &NIH_LABELS, &v, &err), ST_OK, "%s", err.text);
    for (size_t k = 0; k < N_NIH_LABELS; k++) {
        const double e = v.of[INPUT_EVER + k], l = v.of[INPUT_LAST + k];

        cr_assert(expect_ever == 0xffff ? isnan(e) : e == (expect_ever >> k & 1), "'%s': ever, %zu", ever, k);
        cr_assert(expect_last == 0xffff ? isnan(l) : l == (expect_last >> k & 1), "'%s': last, %zu", last, k);
    }
    cr_assert_eq(v.of[INPUT_EARLIER], expect_earlier);
}

Test(inputs, history_is_a_list_of_findings_as_a_table_has_it)
{
    enum { EFFUSION = 1 << 4, MASS = 1 << 9, PLEURAL = 1 << 11 };

    check_history("Effusion,Mass", NULL, EFFUSION | MASS, 0xffff, 1);
    check_history("effusion | pleural thickening", NULL, EFFUSION | PLEURAL, 0xffff, 1);
    check_history("['Pleural Effusion', 'mass']", NULL, EFFUSION | MASS, 0xffff, 1);
    check_history("No Finding", NULL, 0, 0xffff, 1);
    check_history("none", NULL, 0, 0, 0);
    check_history("None", "none", 0, 0, 0);
    check_history(NULL, "Mass", 0xffff, MASS, 1);
    check_history(NULL, "none", 0, 0, 0);
    check_history("Effusion", "Mass", EFFUSION | MASS, MASS,
                  1); /* what was at the last film was ever before */
    check_history("Effusion", "normal", EFFUSION, 0, 1);
}

Test(inputs, histories_that_contradict_each_other_are_refused)
{
    struct input_values v = INPUTS_UNKNOWN;
    struct error err = { 0 };

    cr_assert_eq(input_parse(INPUT_HISTORY, "Mass", &NIH_LABELS, &v, &err), ST_OK);
    cr_assert_eq(input_parse(INPUT_HISTORY_LAST, "none", &NIH_LABELS, &v, &err), ST_INVALID);
    v = INPUTS_UNKNOWN;
    cr_assert_eq(input_parse(INPUT_HISTORY, "none", &NIH_LABELS, &v, &err), ST_OK);
    cr_assert_eq(input_parse(INPUT_HISTORY_LAST, "No Finding", &NIH_LABELS, &v, &err), ST_INVALID);
}

enum { COURSE_EFFUSION = 4, COURSE_MASS = 9 };

/* Of so many films, of which so many showed the finding and so many came after the last of these. */
static void check_course(const char *text, size_t films, size_t k, size_t often, size_t since, bool last)
{
    struct input_values v = INPUTS_UNKNOWN;
    struct error err = { 0 };

    cr_assert_eq(input_parse(INPUT_COURSE, text, &NIH_LABELS, &v, &err), ST_OK, "%s", err.text);
    cr_assert_float_eq(v.of[INPUT_FILMS], log(1 + (double)films), 1e-12, "'%s'", text);
    cr_assert_float_eq(v.of[INPUT_OFTEN + k], log(1 + (double)often), 1e-12, "'%s'", text);
    cr_assert_float_eq(v.of[INPUT_LATELY + k], often ? 1 / (1 + (double)since) : 0, 1e-12, "'%s'", text);
    cr_assert(v.of[INPUT_EVER + k] == (often > 0) && v.of[INPUT_LAST + k] == last, "'%s'", text);
    cr_assert_eq(v.of[INPUT_EARLIER], films > 0, "'%s'", text);
    for (size_t other = 0; other < N_NIH_LABELS; other++)
        cr_assert_not(isnan(v.of[INPUT_OFTEN + other]) || isnan(v.of[INPUT_LATELY + other]));
}

Test(inputs, a_course_says_what_each_earlier_film_showed)
{
    check_course("Effusion,Mass/No Finding/Mass", 3, COURSE_MASS, 2, 0, true);
    check_course("Effusion,Mass/No Finding/Mass", 3, COURSE_EFFUSION, 1, 2, false);
    check_course("mass / pleural effusion", 2, COURSE_MASS, 1, 1, false);
    check_course("Mass", 1, COURSE_EFFUSION, 0, 0, false);
    check_course("normal/No Finding", 2, COURSE_MASS, 0, 0, false);
    check_course("none", 0, COURSE_MASS, 0, 0, false);
}

Test(inputs, a_course_beside_a_history_is_refused)
{
    for (size_t i = 0; i < 4; i++) {
        struct input_values v = INPUTS_UNKNOWN;
        struct error err = { 0 };
        const size_t history = i % 2 ? INPUT_HISTORY : INPUT_HISTORY_LAST,
                     first = i < 2 ? INPUT_COURSE : history;

        cr_assert_eq(input_parse(first, "Mass", &NIH_LABELS, &v, &err), ST_OK);
        cr_assert_eq(input_parse(first == history ? INPUT_COURSE : history, "Mass", &NIH_LABELS, &v, &err),
                     ST_INVALID);
        cr_assert(strstr(err.text, "'course'"), "%s", err.text);
    }
}

/* Of the training rows 0.4 had a mass ever before, and over all rows the mean of log(1 + films) with one is 0.5: 1.25 of those who had. */
Test(inputs, a_history_says_what_a_course_is_on_the_average)
{
    static const struct inputs COURSE = { 4,
                                          { { INPUT_EVER + COURSE_MASS, 0.4, 0.5 },
                                            { INPUT_EARLIER, 0.8, 0.5 },
                                            { INPUT_OFTEN + COURSE_MASS, 0.5, 2 },
                                            { INPUT_FILMS, 1.2, 3 } } };
    struct input_values v = INPUTS_UNKNOWN;
    struct error err = { 0 };
    float found[4];

    cr_assert_eq(input_parse(INPUT_HISTORY, "Mass", &NIH_LABELS, &v, &err), ST_OK);
    inputs_standardise(&COURSE, &v, found);
    cr_assert_float_eq((double)found[2], (1.25 - 0.5) / 2, 1e-6);
    cr_assert_float_eq((double)found[3], (1.5 - 1.2) / 3, 1e-6);
    v = INPUTS_UNKNOWN;
    cr_assert_eq(input_parse(INPUT_HISTORY, "none", &NIH_LABELS, &v, &err), ST_OK);
    inputs_standardise(&COURSE, &v, found);
    cr_assert_float_eq((double)found[2], -0.5 / 2, 1e-6);
    cr_assert_float_eq((double)found[3], -1.2 / 3, 1e-6);
    v = INPUTS_UNKNOWN;
    inputs_standardise(&COURSE, &v, found);
    cr_assert(found[2] == 0 && found[3] == 0);
}

/* Of the training rows 0.4 had a mass ever before and 0.1 at the last film: half of nothing is known of the other half. */
Test(inputs, one_half_of_a_history_says_what_the_other_is_on_the_average)
{
    static const struct inputs HALVES = {
        3, { { INPUT_EVER + 9, 0.4, 0.5 }, { INPUT_LAST + 9, 0.1, 0.25 }, { INPUT_EARLIER, 0.5, 0.5 } }
    };
    struct input_values v = INPUTS_UNKNOWN;
    struct error err = { 0 };
    float found[3];

    cr_assert_eq(input_parse(INPUT_HISTORY, "Mass", &NIH_LABELS, &v, &err), ST_OK);
    inputs_standardise(&HALVES, &v, found);
    cr_assert_float_eq((double)found[0], 0.6 / 0.5, 1e-6);
    cr_assert_float_eq((double)found[1], (0.25 - 0.1) / 0.25, 1e-6); /* a quarter of those who ever had one */
    cr_assert_float_eq((double)found[2], 1, 1e-6);
    v = INPUTS_UNKNOWN;
    cr_assert_eq(input_parse(INPUT_HISTORY, "Edema", &NIH_LABELS, &v, &err), ST_OK);
    inputs_standardise(&HALVES, &v, found);
    cr_assert_float_eq((double)found[1], -0.1 / 0.25, 1e-6); /* never before, so not at the last film */
    v = INPUTS_UNKNOWN;
    cr_assert_eq(input_parse(INPUT_HISTORY_LAST, "Mass", &NIH_LABELS, &v, &err), ST_OK);
    inputs_standardise(&HALVES, &v, found);
    cr_assert_float_eq((double)found[0], 0.6 / 0.5, 1e-6);
    v = INPUTS_UNKNOWN;
    cr_assert_eq(input_parse(INPUT_HISTORY_LAST, "No Finding", &NIH_LABELS, &v, &err), ST_OK);
    inputs_standardise(&HALVES, &v, found);
    cr_assert_float_eq((double)found[0], (0.3 / 0.9 - 0.4) / 0.5, 1e-6);
    v = INPUTS_UNKNOWN;
    inputs_standardise(&HALVES, &v, found);
    cr_assert(found[0] == 0 && found[1] == 0 && found[2] == 0);
}

static const struct inputs AGE_AND_VIEW = { 2, { { INPUT_AGE, 50, 10 }, { INPUT_VIEW, 0.25, 0.5 } } };

Test(inputs, are_standardised_and_the_mean_where_not_known)
{
    struct input_values v = INPUTS_UNKNOWN;
    float found[2];

    inputs_standardise(&AGE_AND_VIEW, &v, found);
    cr_assert(found[0] == 0 && found[1] == 0);
    v.of[INPUT_AGE] = 65;
    v.of[INPUT_SEX] = 1;
    v.of[INPUT_VIEW] = 0;
    inputs_standardise(&AGE_AND_VIEW, &v, found);
    cr_assert(found[0] == 1.5f && found[1] == -0.5f);
}

/* ---- with the weights ---- */

Test(inputs, travel_with_the_weights)
{
    struct model *m = tiny_model_with_inputs(3, &AGE_AND_VIEW, -1, 0.125f), *back = NULL;
    struct buf file = BUF_INIT(WEIGHTS_MAX_BYTES);
    struct error err = { 0 };
    struct input_values v = INPUTS_UNKNOWN;
    float logits[N_NIH_LABELS] = { 0 }, part[N_NIH_LABELS];

    cr_assert_eq(weights_write(m, &file, &err), ST_OK);
    cr_assert_eq(weights_read(file.data, file.len, &back, &err), ST_OK, "%s", err.text);
    cr_assert_eq(model_network(back)->n_params, model_network(m)->n_params);
    cr_assert_eq(memcmp(model_params(back), model_params(m), model_network(m)->n_params * sizeof(float)), 0);
    cr_assert(model_inputs(back)->n == 2 && model_inputs(back)->of[0].number == INPUT_AGE &&
              model_inputs(back)->of[0].mean == 50 && model_inputs(back)->of[1].number == INPUT_VIEW &&
              model_inputs(back)->of[1].std == 0.5);
    cr_assert_eq(model_add_inputs(back, &v, logits, part), ST_OK);
    for (size_t k = 0; k < N_NIH_LABELS; k++)
        cr_assert(logits[k] == 0 && part[k] == 0, "nothing is known, and the logit changes");
    v.of[INPUT_AGE] = 70;
    v.of[INPUT_VIEW] = 1;
    for (size_t k = 0; k < N_NIH_LABELS; k++)
        logits[k] = 3;
    cr_assert_eq(model_add_inputs(back, &v, logits, part), ST_OK);
    for (size_t k = 0; k < N_NIH_LABELS; k++) { /* weights (2k)/8 - 1 and (2k+1)/8 - 1, inputs 2 and 1.5 */
        const double expected = 2 * ((double)k / 4 - 1) + 1.5 * ((double)k / 4 + 0.125 - 1);

        cr_assert_float_eq((double)part[k], expected, 1e-5);
        cr_assert_float_eq((double)logits[k], 3 + expected, 1e-5);
    }
    buf_release(&file);
    model_unref(back);
    model_unref(m);
}

/* Finite weights, a finite result for the picture, and a sum that is no number. */
Test(inputs, whose_sum_is_not_finite_are_an_error)
{
    struct model *m = tiny_model_with_inputs(3, &AGE_AND_VIEW, 3e38f, 0);
    struct input_values v = INPUTS_UNKNOWN;
    float logits[N_NIH_LABELS] = { 0 };

    v.of[INPUT_AGE] = 40; /* -1 and 1.5 deviations: -3e38 + infinity */
    v.of[INPUT_VIEW] = 1;
    cr_assert_eq(model_add_inputs(m, &v, logits, NULL), ST_NUMERIC);
    v = INPUTS_UNKNOWN;
    memset(logits, 0, sizeof logits);
    cr_assert_eq(model_add_inputs(m, &v, logits, NULL), ST_OK);
    model_unref(m);
}

Test(inputs, that_do_not_fit_the_weights_make_a_file_unusable)
{
    static const char *const BAD[] = {
        "",
        "{}",
        "[]",
        "[1]",
        "[{\"name\":\"height\",\"mean\":1,\"std\":1}]",
        "[{\"name\":\"age\",\"mean\":1,\"std\":0}]",
        "[{\"name\":\"age\",\"mean\":1e300,\"std\":1}]",
        "[{\"name\":\"age\",\"mean\":1,\"std\":1},{\"name\":\"age\",\"mean\":1,\"std\":1}]",
        "[{\"name\":\"age\",\"mean\":1,\"std\":1}]"
    };

    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        struct buf file = tiny_weights(3, 1, NULL);
        struct model *plain = tiny_model(3, 1, NULL), *m = NULL;
        struct error err = { 0 };

        cr_assert_eq(model_new(model_network(plain), model_labels(plain), model_preprocess(plain),
                               model_params(plain), json_pack("{s:s}", "inputs", BAD[i]), &m, &err),
                     ST_FORMAT, "'%s' was accepted", BAD[i]);
        cr_assert_not_null(strstr(err.text, "inputs"), "%s", err.text);
        model_unref(plain);
        buf_release(&file);
    }
}

/* ---- from a table ---- */

Test(inputs, of_rows_have_the_mean_and_deviation_of_those_that_are_known)
{
    struct table_row rows[5] = { { .age = 40, .sex = 'M', .view = 'P' },
                                 { .age = 60, .sex = 'F', .view = 'P' },
                                 { .age = NAN, .sex = 'M', .view = 'P' },
                                 { .age = 50, .sex = 'M', .view = 'P' },
                                 { .age = 110, .sex = 'F', .view = 'A' } };
    uint32_t index[4] = { 0, 1, 2, 3 };
    struct table t = { .labels = NIH_LABELS, .n_rows = 5, .rows = rows };
    const struct rows train = { 4, index };
    struct inputs in;

    row_inputs(&t, &train, 7, &in);
    cr_assert_eq(in.n, 3);
    cr_assert_float_eq(in.of[0].mean, 50, 1e-9);
    cr_assert_float_eq(in.of[0].std, sqrt(200.0 / 3), 1e-9);
    cr_assert_float_eq(in.of[1].mean, 0.75, 1e-9);
    cr_assert(in.of[2].mean == 0 && in.of[2].std == 1, "all are the same");
    cr_assert(isnan(row_values(&t, 2).of[INPUT_AGE]));
    row_inputs(&t, &train, 1u << INPUT_VIEW, &in);
    cr_assert(in.n == 1 && in.of[0].number == INPUT_VIEW);
}

/* Sex says everything about Hernia here, and the pictures nothing. */
Test(inputs, teach_what_the_pictures_do_not_show)
{
    char *datasets = scratch_folder();
    double loss[2];

    tiny_dataset(datasets, 120, 0);
    {
        struct buf table = BUF_INIT(1 << 20);

        buf_puts(&table, "Image Index,Finding Labels,Patient ID,Patient Age,Patient Gender,View Position\n");
        for (size_t i = 0; i < 120; i++)
            buf_printf(&table, "%s,%s,%zu,50,%s,PA\n", tiny_image(i), i / 2 % 2 ? "Hernia" : "Edema",
                       i / 2 + 1, i / 2 % 2 ? "M" : "F");
        write_bytes(path_in(datasets, "tiny/Data_Entry_2017.csv"), table.data, table.len);
        buf_release(&table);
    }
    for (int with = 0; with < 2; with++) {
        const struct train_config config = tiny_config(
            with ? "{\"inputs\":[\"sex\",\"age\"],\"epochs\":8,\"learning_rate\":0.05,\"augment\":false}"
                 : "{\"epochs\":8,\"learning_rate\":0.05,\"augment\":false}");
        const struct train_request request = { .config = &config, .datasets = datasets, .threads = 2 };
        const struct train_observer nobody = { 0 };
        struct train_result result;
        struct error err = { 0 };

        cr_assert_eq(train_run(&request, &nobody, &result, &err), ST_OK, "%s", err.text);
        cr_assert_eq(model_inputs(result.model)->n, with ? 2 : 0);
        loss[with] = result.validation_loss;
        train_result_release(&result);
    }
    cr_assert_lt(loss[1], 0.7 * loss[0], "with: %g, without: %g", loss[1], loss[0]);
    scratch_remove(datasets);
}

/* Sex says everything about Hernia, and history something of Edema: no picture is read, nor is there one. */
static void table_without_pictures(const char *datasets)
{
    struct buf table = BUF_INIT(1 << 20);

    buf_puts(&table,
             "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position\n");
    for (size_t i = 0; i < 600; i++) {
        const size_t patient = i / 3;

        buf_printf(&table, "%zu.png,%s,%zu,%zu,50,%s,PA\n", i,
                   patient % 5 == 0                  ? "Edema"
                   : patient % 2                     ? "Hernia"
                   : (i * 2654435761u >> 7) % 4 == 0 ? "Mass"
                                                     : "Nodule",
                   i % 3, patient + 1, patient % 2 ? "M" : "F");
    }
    write_bytes(path_in(datasets, "tiny/Data_Entry_2017.csv"), table.data, table.len);
    buf_release(&table);
}

static struct train_result trained(const char *datasets, const char *job)
{
    const struct train_config config = tiny_config(job);
    const struct train_request request = { .config = &config, .datasets = datasets, .threads = 2 };
    const struct train_observer nobody = { 0 };
    struct train_result result;
    struct error err = { 0 };

    cr_assert_eq(train_run(&request, &nobody, &result, &err), ST_OK, "%s", err.text);
    return result;
}

Test(inputs, alone_are_a_model_that_sees_no_picture)
{
    static const char JOB[] = "{\"images\":\"none\",\"inputs\":[\"sex\",\"history\"],\"epochs\":7}";
    char *datasets = scratch_folder();
    struct train_result result, again;
    struct buf file = BUF_INIT(WEIGHTS_MAX_BYTES);
    struct model *back = NULL;
    struct error err = { 0 };

    tiny_dataset(datasets, 2, 0);
    table_without_pictures(datasets);
    result = trained(datasets, JOB);
    cr_assert_eq(result.n_epochs, 1); /* nothing is repeated */
    cr_assert_not(model_sees(result.model));
    cr_assert_eq(model_inputs(result.model)->n, 1 + 2 * N_NIH_LABELS + 1);
    cr_assert_lt(result.validation_loss, 0.7 * result.baseline.loss, "%g", result.validation_loss);
    cr_assert_eq(result.evaluation[SCORED_TEST].rows, result.dataset.test);
    cr_assert_gt(result.evaluation[SCORED_TEST].findings[3].auroc.value,
                 0.9); /* Edema, by the films before */
    cr_assert_eq(result.unreadable, 0);
    again = trained(datasets, JOB);
    cr_assert_eq(memcmp(model_params(again.model), model_params(result.model),
                        model_network(again.model)->n_params * sizeof(float)),
                 0);
    cr_assert_eq(weights_write(result.model, &file, &err), ST_OK);
    cr_assert_eq(weights_read(file.data, file.len, &back, &err), ST_OK, "%s", err.text);
    cr_assert_not(model_sees(back));
    cr_assert_eq(model_preprocess(back)->size, 0);
    model_unref(back);
    buf_release(&file);
    train_result_release(&again);
    train_result_release(&result);
    scratch_remove(datasets);
}

/* Steps so small that nothing moves: the head is where it began. */
Test(inputs, begin_at_their_logistic_regression)
{
    char *datasets = scratch_folder();
    struct train_result alone, with, zero;
    size_t n;
    const float *w[3];

    tiny_dataset(datasets, 60, 0);
    alone = trained(datasets, "{\"images\":\"none\",\"inputs\":[\"sex\",\"age\"],\"calibrate\":false}");
    with = trained(datasets, "{\"inputs\":[\"sex\",\"age\"],\"calibrate\":false,\"learning_rate\":1e-9}");
    zero = trained(datasets, "{\"inputs\":[\"sex\",\"age\"],\"calibrate\":false,\"learning_rate\":1e-9,"
                             "\"head_inputs\":\"zero\"}");
    n = N_NIH_LABELS * model_inputs(alone.model)->n;
    for (int i = 0; i < 3; i++) {
        const struct model *m = i == 0 ? alone.model : i == 1 ? with.model : zero.model;

        w[i] = model_params(m) + network_tensor(model_network(m), "head.inputs.weight")->offset;
    }
    for (size_t i = 0; i < n; i++) {
        cr_assert_float_eq((double)w[1][i], (double)w[0][i], 1e-6);
        cr_assert_float_eq((double)w[2][i], 0, 1e-6);
    }
    cr_assert_float_eq(with.validation_loss, alone.validation_loss,
                       1e-5); /* the picture's part begins at 0 */
    train_result_release(&zero);
    train_result_release(&with);
    train_result_release(&alone);
    scratch_remove(datasets);
}

Test(inputs, history_without_its_column_is_refused_before_anything_is_read)
{
    const struct train_config config = tiny_config("{\"inputs\":[\"history\"]}");
    char *datasets = scratch_folder();
    const struct train_request request = { .config = &config, .datasets = datasets, .threads = 1 };
    const struct train_observer nobody = { 0 };
    struct train_result result;
    struct error err = { 0 };

    tiny_dataset(datasets, 2, 0);
    write_text(path_in(datasets, "tiny/Data_Entry_2017.csv"),
               "Image Index,Finding Labels,Patient ID,Patient Age\n00000001_000.png,Mass,1,50\n");
    check_refusal("no column", train_run(&request, &nobody, &result, &err), ST_UNUSABLE, &err, "Follow-up #");
    train_result_release(&result);
    scratch_remove(datasets);
}

static const struct model *given(void *arg) { return arg; }

/* The views of the table are five deviations from this mean. */
Test(inputs, of_an_incumbent_whose_sums_are_not_finite_leave_nothing_to_compare_with)
{
    static const struct inputs VIEW = { 1, { { INPUT_VIEW, 0.5, 0.1 } } };
    const struct train_config config = tiny_config("{\"promote\":\"if_better\"}");
    struct model *incumbent = tiny_model_with_inputs(3, &VIEW, 3e38f, 0);
    const struct train_observer observer = { .arg = incumbent, .incumbent = given };
    char *datasets = scratch_folder();
    const struct train_request request = { .config = &config, .datasets = datasets, .threads = 2 };
    struct train_result result;
    struct error err = { 0 };

    tiny_dataset(datasets, 40, 0);
    cr_assert_eq(train_run(&request, &observer, &result, &err), ST_OK, "%s", err.text);
    cr_assert_eq(result.incumbent, INCUMBENT_FAILED);
    train_result_release(&result);
    model_unref(incumbent);
    scratch_remove(datasets);
}
