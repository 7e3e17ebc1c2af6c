/* tests/unit/test_calibration.c - the step from logits to probabilities: it does what it says, travels with the weights,
 * and is fitted only where rows that the fit has not seen gain by it. */
#include "cxrd/model.h"
#include "cxrd/rng.h"
#include "cxrd/weights.h"
#include "jobs/training/calibrate.h"
#include "leaks.h"
#include "sentence.h"
#include "tiny_model.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(calibration, .fini = check_no_leaks);
TestSuite(fit, .fini = check_no_leaks);

static double logistic(double z) { return 1 / (1 + exp(-z)); }

/* ---- applied ---- */

static struct calibration some_calibration(void)
{
    struct calibration c = { .method = CALIBRATION_PLATT };

    for (size_t k = 0; k < N_NIH_LABELS; k++) {
        c.scale[k] = 0.3f + 0.1f * (float)k;
        c.shift[k] = (float)k / 3 - 2;
    }
    return c;
}

Test(calibration, moves_each_finding_along_its_own_line)
{
    const struct calibration c = some_calibration();
    float logits[3 * N_NIH_LABELS], found[3 * N_NIH_LABELS];

    for (size_t i = 0; i < 3 * N_NIH_LABELS; i++)
        logits[i] = (float)i / 5 - 4;
    calibration_apply(&c, 3, N_NIH_LABELS, logits, found);
    for (size_t i = 0; i < 3 * N_NIH_LABELS; i++) {
        const size_t k = i % N_NIH_LABELS;
        const double expected = logistic((double)c.scale[k] * (double)logits[i] + (double)c.shift[k]);

        cr_assert(fabs((double)found[i] - expected) < 1e-6, "%zu: %g, not %g", i, (double)found[i], expected);
    }
}

/* torchxrayvision's op_norm(), in float64. */
static double op_norm(double p, double t) { return p < t ? p / (2 * t) : 1 - (1 - p) / (2 * (1 - t)); }

static struct calibration some_thresholds(void)
{
    struct calibration c = CALIBRATION_IDENTITY;

    c.method = CALIBRATION_THRESHOLDS;
    for (size_t k = 0; k < N_NIH_LABELS; k++)
        c.threshold[k] = k == 0 ? 0.00044f : (float)k / N_NIH_LABELS;
    return c;
}

Test(calibration, stretches_each_side_of_a_threshold)
{
    const struct calibration c = some_thresholds();
    float logits[41 * N_NIH_LABELS], found[41 * N_NIH_LABELS];

    for (size_t i = 0; i < 41 * N_NIH_LABELS; i++)
        logits[i] = (float)(i / N_NIH_LABELS) / 2 - 10;
    calibration_apply(&c, 41, N_NIH_LABELS, logits, found);
    for (size_t i = 0; i < 41 * N_NIH_LABELS; i++) {
        const double expected = op_norm(logistic((double)logits[i]), (double)c.threshold[i % N_NIH_LABELS]);

        cr_assert(fabs((double)found[i] - expected) < 1e-6, "%zu: %g, not %g", i, (double)found[i], expected);
        cr_assert(i < N_NIH_LABELS || found[i] >= found[i - N_NIH_LABELS]);
    }
}

Test(calibration, never_makes_what_is_no_number)
{
    struct calibration c = some_calibration();
    float logits[N_NIH_LABELS], found[N_NIH_LABELS];

    for (size_t k = 0; k < N_NIH_LABELS; k++) {
        c.scale[k] = 1e30f;
        c.shift[k] = -3e38f;
        logits[k] = k % 2 ? 3e38f : -3e38f;
    }
    calibration_apply(&c, 1, N_NIH_LABELS, logits, found);
    for (size_t k = 0; k < N_NIH_LABELS; k++)
        cr_assert_eq(found[k], k % 2 ? 1 : 0);
}

static void check_same(const struct calibration *a, const struct calibration *b)
{
    cr_assert_eq(a->method, b->method);
    cr_assert_arr_eq(a->scale, b->scale, N_NIH_LABELS * sizeof *a->scale);
    cr_assert_arr_eq(a->shift, b->shift, N_NIH_LABELS * sizeof *a->shift);
}

static void check_it_reads_back(const struct calibration *c)
{
    struct calibration back;
    struct error err = { 0 };
    char *text = calibration_text(c, N_NIH_LABELS);

    cr_assert_eq(calibration_parse(text, N_NIH_LABELS, &back, &err), ST_OK, "%s", err.text);
    check_same(c, &back);
    cr_assert_arr_eq(c->threshold, back.threshold, N_NIH_LABELS * sizeof *back.threshold);
    free(text);
}

Test(calibration, reads_back_bit_for_bit)
{
    const struct calibration line = some_calibration(), thresholds = some_thresholds();

    check_it_reads_back(&line);
    check_it_reads_back(&thresholds);
}

Test(calibration, travels_with_the_weights_and_is_obeyed)
{
    const struct calibration c = some_calibration();
    char *text = calibration_text(&c, N_NIH_LABELS);
    struct buf file = tiny_weights(3, 1, json_pack("{s:s}", "calibration", text));
    struct model *m = NULL, *plain = tiny_model(3, 1, NULL);
    struct error err = { 0 };
    float logits[N_NIH_LABELS] = { 0 }, found[N_NIH_LABELS];

    cr_assert_eq(weights_read(file.data, file.len, &m, &err), ST_OK, "%s", err.text);
    check_same(model_calibration(m), &c);
    check_same(model_calibration(plain), &CALIBRATION_IDENTITY);
    model_probabilities(m, 1, logits, found);
    for (size_t k = 0; k < N_NIH_LABELS; k++)
        cr_assert(fabs((double)found[k] - logistic((double)c.shift[k])) < 1e-6);
    model_probabilities(plain, 1, logits, found);
    for (size_t k = 0; k < N_NIH_LABELS; k++)
        cr_assert_eq(found[k], 0.5f);
    model_unref(plain);
    model_unref(m);
    buf_release(&file);
    free(text);
}

#define FOURTEEN(v) v "," v "," v "," v "," v "," v "," v "," v "," v "," v "," v "," v "," v "," v
#define CALIBRATION(method, scale, shift) \
    "{\"method\":" method ",\"scale\":[" scale "],\"shift\":[" shift "]}"

Test(calibration, that_is_broken_is_refused_in_a_sentence)
{
    static const char *const BROKEN[] = {
        "",
        "no JSON",
        "[]",
        "{}",
        CALIBRATION("\"isotonic\"", FOURTEEN("1"), FOURTEEN("0")),
        CALIBRATION("1", FOURTEEN("1"), FOURTEEN("0")),
        CALIBRATION("\"platt\"", "1,1", FOURTEEN("0")),
        CALIBRATION("\"platt\"", FOURTEEN("1") ",1", FOURTEEN("0")),
        CALIBRATION("\"platt\"", FOURTEEN("1"), FOURTEEN("\"0\"")),
        CALIBRATION("\"platt\"", FOURTEEN("0"), FOURTEEN("0")),
        CALIBRATION("\"platt\"", FOURTEEN("-1"), FOURTEEN("0")),
        CALIBRATION("\"platt\"", FOURTEEN("1e300"), FOURTEEN("0")),
        CALIBRATION("\"platt\"", FOURTEEN("1"), FOURTEEN("1e39")),
        CALIBRATION("\"thresholds\"", FOURTEEN("1"), FOURTEEN("0")),
        CALIBRATION("\"thresholds\"", FOURTEEN("1"), FOURTEEN("0") "],\"threshold\":[0.5"),
        CALIBRATION("\"thresholds\"", FOURTEEN("1"), FOURTEEN("0") "],\"threshold\":[" FOURTEEN("0")),
        CALIBRATION("\"thresholds\"", FOURTEEN("1"), FOURTEEN("0") "],\"threshold\":[" FOURTEEN("1")),
        CALIBRATION("\"thresholds\"", FOURTEEN("1"), FOURTEEN("0") "],\"threshold\":[" FOURTEEN("1e-300")),
    };

    for (size_t i = 0; i < sizeof BROKEN / sizeof BROKEN[0]; i++) {
        struct calibration c = some_calibration();
        const struct calibration before = c;
        struct error err = { 0 };

        check_refusal(BROKEN[i], calibration_parse(BROKEN[i], N_NIH_LABELS, &c, &err), ST_FORMAT, &err,
                      "calibration");
        cr_assert_arr_eq(&c, &before, sizeof c, "'%s' was half read", BROKEN[i]);
    }
}

Test(calibration, that_is_broken_makes_a_file_unusable)
{
    struct model *plain = tiny_model(3, 1, NULL), *m = NULL;
    struct error err = { 0 };

    cr_assert_eq(model_new(model_network(plain), model_labels(plain), model_preprocess(plain),
                           model_params(plain), json_pack("{s:s}", "calibration", "{}"), &m, &err),
                 ST_FORMAT);
    cr_assert_null(m);
    model_unref(plain);
}

/* ---- fitted ---- */

/* Rows whose truth is drawn by `scale` * logit + shift, so that this is the calibration to be found. */
struct made {
    struct calibration_rows rows;
    float *logits;
    uint8_t *truth;
    uint64_t *patients;
    double log_odds[N_NIH_LABELS];
};

static struct made rows_made(size_t n, double scale, double shift, bool about_base_rates)
{
    struct made m = { .logits = malloc(n * N_NIH_LABELS * sizeof(float)),
                      .truth = malloc(n * N_NIH_LABELS),
                      .patients = malloc(n * sizeof(uint64_t)) };
    struct rng rng;

    rng_seed(&rng, 5, 1);
    for (size_t k = 0; k < N_NIH_LABELS; k++)
        m.log_odds[k] = -3 + 0.2 * (double)k;
    for (size_t i = 0; i < n * N_NIH_LABELS; i++) {
        const double b = m.log_odds[i % N_NIH_LABELS], u = 3 * (rng_unit(&rng) + rng_unit(&rng) - 1);
        const double z = about_base_rates ? b + scale * u + shift : scale * (b + u) + shift;

        m.logits[i] = (float)(b + u);
        m.truth[i] = rng_unit(&rng) < logistic(z);
        m.patients[i / N_NIH_LABELS] = i / N_NIH_LABELS / 3;
    }
    m.rows = (struct calibration_rows){ n, N_NIH_LABELS, m.logits, m.truth, m.patients, NULL };
    return m;
}

static void made_release(struct made *m)
{
    free(m->logits);
    free(m->truth);
    free(m->patients);
}

static struct calibration_fit fitted_of(struct made *m, enum calibration_of of)
{
    struct calibration_fit f;

    m->rows.log_odds = m->log_odds;
    cr_assert_eq(calibrate(&m->rows, of, &f), ST_OK);
    return f;
}

static struct calibration_fit fitted(struct made *m) { return fitted_of(m, CALIBRATION_OF_TRAINING); }

/* Mean loss of the made rows by a calibration. */
static double loss_by(const struct made *m, const struct calibration *c)
{
    double sum = 0;

    for (size_t i = 0; i < m->rows.n * N_NIH_LABELS; i++) {
        const size_t k = i % N_NIH_LABELS;
        const double p = logistic((double)c->scale[k] * (double)m->logits[i] + (double)c->shift[k]);

        sum -= log(m->truth[i] ? p : 1 - p);
    }
    return sum / (double)(m->rows.n * N_NIH_LABELS);
}

Test(fit, finds_the_scale_that_the_rows_were_drawn_with)
{
    struct made m = rows_made(4000, 0.4, 0, true);
    const struct calibration_fit f = fitted(&m);

    cr_assert_eq(f.calibration.method, CALIBRATION_TEMPERATURE);
    for (size_t k = 0; k < N_NIH_LABELS; k++) {
        cr_assert_float_eq((double)f.calibration.scale[k], 0.4, 0.05);
        cr_assert_float_eq((double)f.calibration.shift[k],
                           (1 - (double)f.calibration.scale[k]) * m.log_odds[k], 1e-5);
    }
    cr_assert(fabs(f.loss_before - loss_by(&m, &CALIBRATION_IDENTITY)) < 1e-6);
    cr_assert_lt(f.loss_after, f.loss_before);
    cr_assert(fabs(f.loss_after - loss_by(&m, &f.calibration)) < 0.003);
    made_release(&m);
}

Test(fit, finds_a_line_a_finding_where_the_means_are_off)
{
    struct made m = rows_made(4000, 0.5, -1.5, true);
    const struct calibration_fit f = fitted(&m);

    cr_assert_eq(f.calibration.method, CALIBRATION_PLATT);
    for (size_t k = 0; k < N_NIH_LABELS; k++)
        cr_assert_float_eq((double)f.calibration.scale[k], 0.5, 0.25);
    made_release(&m);
}

/* No other numbers do better: the slope of the loss is 0 where the fit ends. */
Test(fit, is_the_least_loss_on_its_own_rows)
{
    struct made m = rows_made(600, 0.5, 0.3, false);
    struct calibration t, near;

    m.rows.log_odds = m.log_odds;
    calibrate_temperature(&m.rows, NULL, 0, &t);
    for (int way = -1; way <= 1; way += 2) {
        near = t;
        for (size_t k = 0; k < N_NIH_LABELS; k++) {
            near.scale[k] = t.scale[k] + 0.02f * (float)way;
            near.shift[k] = (float)((1 - (double)near.scale[k]) * m.log_odds[k]);
        }
        cr_assert_gt(loss_by(&m, &near), loss_by(&m, &t));
    }
    made_release(&m);
}

/* Minus the logarithm of the posterior of one finding's line, up to a constant: written anew, by the line about the base rate. */
static double line_loss(const struct made *m, size_t k, double precision, double scale, double shift)
{
    double sum = precision * ((scale - 1) * (scale - 1) + shift * shift) / 2;

    for (size_t i = 0; i < m->rows.n; i++) {
        const size_t at = i * N_NIH_LABELS + k;
        const double b = m->log_odds[k], p = logistic(b + scale * ((double)m->logits[at] - b) + shift);

        sum -= log(m->truth[at] ? p : 1 - p);
    }
    return sum;
}

Test(fit, a_line_is_where_rows_and_prior_agree_best_and_a_precise_prior_keeps_it_near)
{
    static const double PRECISIONS[] = { 1, 10, 100, 1e9 };
    struct made m = rows_made(601, 0.5, -0.7, true);

    m.rows.log_odds = m.log_odds;
    for (size_t k = 0; k < N_NIH_LABELS; k += 3) {
        double before = INFINITY;

        for (size_t f = 0; f < 4; f++) {
            struct calibration c;
            double shift, least, far;

            calibrate_platt(&m.rows, NULL, 0, PRECISIONS[f], &c);
            shift = (double)c.shift[k] - (1 - (double)c.scale[k]) * m.log_odds[k];
            least = line_loss(&m, k, PRECISIONS[f], (double)c.scale[k], shift);
            for (int way = 0; way < 8; way++) {
                const double angle = 0.785398163397448 * way;

                cr_assert_gt(line_loss(&m, k, PRECISIONS[f], (double)c.scale[k] + 0.01 * cos(angle),
                                       shift + 0.01 * sin(angle)),
                             least, "finding %zu, precision %g, way %d", k, PRECISIONS[f], way);
            }
            far = hypot((double)c.scale[k] - 1, shift);
            cr_assert_lt(far, before);
            before = far;
        }
        cr_assert_lt(before, 1e-5);
    }
    made_release(&m);
}

Test(fit, of_a_site_is_a_line_with_a_prior_and_none_where_there_is_nothing_to_gain)
{
    struct made off = rows_made(1000, 1, -1.5, true), right = rows_made(400, 1, 0, true);
    const struct calibration_fit f = fitted_of(&off, CALIBRATION_OF_SITE),
                                 none = fitted_of(&right, CALIBRATION_OF_SITE);
    struct calibration line;

    calibrate_platt(&off.rows, NULL, 0, 10, &line);
    check_same(&f.calibration, &line);
    cr_assert_lt(f.loss_after, f.loss_before);
    check_same(&none.calibration, &CALIBRATION_IDENTITY);
    made_release(&off);
    made_release(&right);
}

Test(fit, is_none_where_there_is_nothing_to_gain)
{
    struct made m = rows_made(400, 1, 0, true);
    const struct calibration_fit f = fitted(&m);

    check_same(&f.calibration, &CALIBRATION_IDENTITY);
    cr_assert_eq(f.loss_before, f.loss_after);
    made_release(&m);
}

/* Seven rows, no positive at all, a single patient, no row: nothing breaks, and no scale leaves its bounds. */
Test(fit, of_hardly_any_rows_is_sane)
{
    for (size_t n = 0; n < 12; n++)
        for (int truth = 0; truth < 3; truth++) {
            struct made m = rows_made(12, 0.1, 0, true);
            struct calibration_fit f;
            struct calibration platt;

            m.rows.n = n;
            for (size_t i = 0; truth < 2 && i < n * N_NIH_LABELS; i++)
                m.truth[i] = (uint8_t)truth;
            memset(m.patients, 0, (n % 2 ? n : 0) * sizeof *m.patients);
            f = fitted(&m);
            calibrate_platt(&m.rows, NULL, 0, 1, &platt);
            for (size_t k = 0; k < N_NIH_LABELS; k++) {
                cr_assert(f.calibration.scale[k] >= 0.05f && f.calibration.scale[k] <= 10);
                cr_assert(platt.scale[k] >= 0.05f && platt.scale[k] <= 10 && isfinite(platt.shift[k]));
            }
            made_release(&m);
        }
}

/* Films of a few patients over and over, that a calibration would help a little: by row that looks proven (16 of 30 times),
 * by patient it hardly ever is. */
Test(fit, rows_of_few_patients_do_not_prove_a_gain)
{
    enum { PATIENTS = 60, ROWS = 20, TRIALS = 30 };
    struct rng rng;
    size_t chosen = 0;

    rng_seed(&rng, 11, 1);
    for (int trial = 0; trial < TRIALS; trial++) {
        struct made m = rows_made(PATIENTS * ROWS, 1, 0, true);

        for (size_t i = 0; i < PATIENTS * ROWS; i++) {
            const size_t first = i / ROWS * ROWS;

            m.patients[i] = i / ROWS;
            for (size_t k = 0; k < N_NIH_LABELS; k++) {
                if (i == first) {
                    m.logits[i * N_NIH_LABELS + k] =
                        (float)(m.log_odds[k] + 3 * (rng_unit(&rng) + rng_unit(&rng) - 1));
                    m.truth[i * N_NIH_LABELS + k] =
                        rng_unit(&rng) <
                        logistic(0.9 * (double)m.logits[i * N_NIH_LABELS + k] + 0.1 * m.log_odds[k]);
                } else {
                    m.logits[i * N_NIH_LABELS + k] = m.logits[first * N_NIH_LABELS + k];
                    m.truth[i * N_NIH_LABELS + k] = m.truth[first * N_NIH_LABELS + k];
                }
            }
        }
        chosen += fitted(&m).calibration.method != CALIBRATION_NONE;
        made_release(&m);
    }
    cr_assert_leq(chosen, TRIALS / 4, "%zu of %d", chosen, TRIALS);
}
