/* bench/figures.c - do the figures keep their word? Simulated by patient on the real table, with the program's own code.
 *
 *     cmake --build --preset release --target bench_figures
 *     build/release/bench_figures Data_Entry_2017.csv
 *
 * coverage   The scores are those of a model that reads no picture: a logistic regression of age, sex, view and the earlier
 *            findings of the same patient, fitted on half of the patients. Test splits of patients are drawn from the other
 *            half, with replacement, so that its AUROCs are the truth. How often does the 95 % interval hold it?
 * promotion  Two models see each film of such a split through a noise that they partly share, as a patient's films do. How
 *            often is one that is better by 0.03 everywhere promoted, and one that is as good? Beside it the rule before
 *            this one, which went by the figures without their errors. */
#include "cxrd/dataset.h"
#include "cxrd/file.h"
#include "cxrd/promotion.h"
#include "cxrd/rng.h"
#include "jobs/training/compare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FEATURES = 4 + 2 * N_NIH_LABELS, COVERAGE_TRIALS = 1000, PROMOTION_TRIALS = 200 };

/* Rows by patient: patient g has rows first[g] .. first[g + 1] - 1. */
struct population {
    size_t n, n_patients;
    size_t *first;
    uint16_t *labels;
    double (*x)[FEATURES];
    float (*score)[N_NIH_LABELS];
};

static void check(enum status st, const struct error *err)
{
    if (st == ST_OK)
        return;
    fprintf(stderr, "bench_figures: %s\n", err ? err->text : "no memory");
    exit(EXIT_FAILURE);
}

static void *room(size_t n, size_t size)
{
    void *p = calloc(n + 1, size);

    check(p ? ST_OK : ST_NOMEM, NULL);
    return p;
}

/* ---- the table ---- */

static const struct table *sorted_table;

/* By patient, films in their order: the table has them so, and its row numbers keep it. */
static int by_patient(const void *a, const void *b)
{
    const uint32_t p = *(const uint32_t *)a, q = *(const uint32_t *)b;
    const uint64_t x = sorted_table->rows[p].patient, y = sorted_table->rows[q].patient;

    return x != y ? (x > y) - (x < y) : (p > q) - (p < q);
}

static void features_set(struct population *p, size_t i, const struct table_row *row, uint16_t ever,
                         uint16_t last)
{
    double *x = p->x[i];

    x[0] = 1;
    x[1] = isnan(row->age) ? 0 : ((double)row->age - 47) / 17;
    x[2] = row->sex == 'M';
    x[3] = row->view == 'A';
    for (size_t k = 0; k < N_NIH_LABELS; k++) {
        x[4 + k] = ever >> k & 1;
        x[4 + N_NIH_LABELS + k] = last >> k & 1;
    }
}

static struct population population_read(const char *path)
{
    struct file_bytes file = FILE_BYTES_INIT;
    struct table t = TABLE_INIT;
    struct rows rows = ROWS_INIT;
    struct dataset_report report = { 0 };
    struct population p = { 0 };
    struct error err = { 0 };
    uint16_t ever = 0, last = 0;

    check(file_read(path, TABLE_MAX_BYTES, &file, &err), &err);
    check(table_read(file.data, file.size, path, &NIH_LABELS, &t, &err), &err);
    check(table_filter(&t, 120, true, false, &rows, NULL, &report, &err), &err);
    sorted_table = &t;
    qsort(rows.index, rows.n, sizeof *rows.index, by_patient);
    p = (struct population){ rows.n,
                             0,
                             room(rows.n + 1, sizeof *p.first),
                             room(rows.n, sizeof *p.labels),
                             room(rows.n, sizeof *p.x),
                             room(rows.n, sizeof *p.score) };
    for (size_t i = 0; i < rows.n; i++) {
        const struct table_row *row = &t.rows[rows.index[i]];

        if (i == 0 || row->patient != t.rows[rows.index[i - 1]].patient) {
            p.first[p.n_patients++] = i;
            ever = last = 0;
        }
        features_set(&p, i, row, ever, last);
        last = p.labels[i] = (uint16_t)row->labels;
        ever |= last;
    }
    p.first[p.n_patients] = p.n;
    rows_release(&rows);
    table_release(&t);
    file_bytes_release(&file);
    return p;
}

/* ---- the model without pictures ---- */

/* a x = b by Cholesky's method, a [F][F] positive definite; b becomes x. */
static void solve(double a[FEATURES][FEATURES], double b[FEATURES])
{
    for (size_t j = 0; j < FEATURES; j++)
        for (size_t i = j; i < FEATURES; i++) {
            double sum = a[i][j];

            for (size_t k = 0; k < j; k++)
                sum -= a[i][k] * a[j][k];
            a[i][j] = i == j ? sqrt(sum) : sum / a[j][j];
        }
    for (size_t i = 0; i < FEATURES; i++) {
        for (size_t k = 0; k < i; k++)
            b[i] -= a[i][k] * b[k];
        b[i] /= a[i][i];
    }
    for (size_t i = FEATURES; i-- > 0;) {
        for (size_t k = i + 1; k < FEATURES; k++)
            b[i] -= a[k][i] * b[k];
        b[i] /= a[i][i];
    }
}

static double logit_of(const double x[FEATURES], const double w[FEATURES])
{
    double z = 0;

    for (size_t f = 0; f < FEATURES; f++)
        z += w[f] * x[f];
    return z;
}

/* Newton's method on the first `n` rows, with a little ridge. */
static void fit(const struct population *p, size_t n, size_t k, double w[FEATURES])
{
    memset(w, 0, FEATURES * sizeof *w);
    for (int step = 0; step < 8; step++) {
        double a[FEATURES][FEATURES] = { { 0 } }, b[FEATURES];

        for (size_t f = 0; f < FEATURES; f++) {
            a[f][f] = 1;
            b[f] = -w[f];
        }
        for (size_t i = 0; i < n; i++) {
            const double *x = p->x[i], q = 1 / (1 + exp(-logit_of(x, w)));

            for (size_t f = 0; f < FEATURES; f++) {
                if (x[f] == 0)
                    continue;
                b[f] += x[f] * ((p->labels[i] >> k & 1) - q);
                for (size_t g = 0; g <= f; g++)
                    a[f][g] += q * (1 - q) * x[f] * x[g];
            }
        }
        solve(a, b);
        for (size_t f = 0; f < FEATURES; f++)
            w[f] += b[f];
    }
}

/* Fit on the first half of the patients; what is left are the others, with their scores. */
static void score_history(struct population *p)
{
    const size_t half = p->n_patients / 2, begin = p->first[half];

    for (size_t k = 0; k < N_NIH_LABELS; k++) {
        double w[FEATURES];

        fit(p, begin, k, w);
        for (size_t i = 0; i < p->n; i++)
            p->score[i][k] = (float)(1 / (1 + exp(-logit_of(p->x[i], w))));
    }
    for (size_t g = half; g <= p->n_patients; g++)
        p->first[g - half] = p->first[g];
    p->n_patients -= half;
}

/* ---- coverage ---- */

static void add_rows(const struct population *p, size_t patient, uint64_t id, struct scores *s)
{
    for (size_t i = p->first[patient]; i < p->first[patient + 1]; i++, s->n++) {
        s->patients[s->n] = id;
        s->rows[s->n] = (uint32_t)i;
        memcpy(s->prob + s->n * N_NIH_LABELS, p->score[i], sizeof p->score[i]);
        for (size_t k = 0; k < N_NIH_LABELS; k++)
            s->truth[s->n * N_NIH_LABELS + k] = p->labels[i] >> k & 1;
    }
}

static struct estimate area(const struct scores *s, size_t k, bool by_patient, size_t *ret_positive)
{
    struct patients p;
    struct estimate e;

    check(patients_group(s->n, by_patient ? s->patients : NULL, &p), NULL);
    check(auroc_estimate(&p, s->truth + k, s->prob + k, N_NIH_LABELS, &e), NULL);
    check(patients_with(&p, s->truth + k, N_NIH_LABELS, 1, ret_positive), NULL);
    patients_release(&p);
    return e;
}

static void coverage(const struct population *p)
{
    const size_t patients = p->n_patients / 5;
    double truth[N_NIH_LABELS], held[2][N_NIH_LABELS] = { { 0 } }, carriers[N_NIH_LABELS] = { 0 };
    struct scores all, s;
    struct rng rng;
    size_t positive;

    check(scores_init(&all, &NIH_LABELS, p->n), NULL);
    check(scores_init(&s, &NIH_LABELS, p->n), NULL);
    for (size_t g = 0; g < p->n_patients; g++)
        add_rows(p, g, g, &all);
    for (size_t k = 0; k < N_NIH_LABELS; k++)
        truth[k] = area(&all, k, true, &positive).value;
    rng_seed(&rng, 1, 1);
    for (int trial = 0; trial < COVERAGE_TRIALS; trial++) {
        s.n = 0;
        for (size_t g = 0; g < patients; g++)
            add_rows(p, rng_below(&rng, p->n_patients), g, &s);
        for (size_t k = 0; k < N_NIH_LABELS; k++)
            for (int way = 0; way < 2; way++) {
                const struct estimate e = area(&s, k, way == 1, &positive);

                held[way][k] += e.low <= truth[k] && truth[k] <= e.high;
                carriers[k] += way == 1 ? (double)positive / COVERAGE_TRIALS : 0;
            }
    }
    printf("%d splits of %zu patients: how often a 95 %% interval holds the AUROC\n\n", COVERAGE_TRIALS,
           patients);
    printf("| finding | patients with it | AUROC | by row | by patient |\n|---|---|---|---|---|\n");
    for (size_t k = 0; k < N_NIH_LABELS; k++)
        printf("| %s | %.0f | %.3f | %.1f %% | %.1f %% |\n", NIH_LABELS.names[k], carriers[k], truth[k],
               100 * held[0][k] / COVERAGE_TRIALS, 100 * held[1][k] / COVERAGE_TRIALS);
    scores_release(&all);
    scores_release(&s);
}

/* ---- promotion ---- */

static double normal(struct rng *rng)
{
    return sqrt(-2 * log(1 - rng_unit(rng))) * cos(2 * M_PI * rng_unit(rng));
}

/* The distance of two normal distributions that has this AUROC. */
static double distance(double auroc)
{
    double low = 0, high = 6;

    for (int i = 0; i < 60; i++) {
        const double middle = (low + high) / 2;

        if (0.5 * erfc(-middle / 2) < auroc)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Noise of variance 1: half of it a patient's, and of each half `shared` in common to both models. */
static void score_pair(struct scores *ours, struct scores *theirs, double gain, double shared,
                       struct rng *rng)
{
    const double near = distance(0.75), far = distance(0.75 + gain), own = sqrt(1 - shared);
    double of_patient[3][N_NIH_LABELS] = { { 0 } };

    for (size_t i = 0; i < ours->n; i++)
        for (size_t k = 0; k < N_NIH_LABELS; k++) {
            const size_t at = i * N_NIH_LABELS + k;
            const double common = normal(rng), a = normal(rng), b = normal(rng);

            if (i == 0 || ours->patients[i] != ours->patients[i - 1])
                for (int part = 0; part < 3; part++)
                    of_patient[part][k] = normal(rng);
            ours->prob[at] = (float)(far * ours->truth[at] + sqrt(shared / 2) * (common + of_patient[0][k]) +
                                     own * sqrt(0.5) * (a + of_patient[1][k]));
            theirs->prob[at] =
                (float)(near * ours->truth[at] + sqrt(shared / 2) * (common + of_patient[0][k]) +
                        own * sqrt(0.5) * (b + of_patient[2][k]));
        }
    theirs->n = ours->n;
    memcpy(theirs->truth, ours->truth, ours->n * N_NIH_LABELS);
    memcpy(theirs->patients, ours->patients, ours->n * sizeof *ours->patients);
}

/* By the figures alone, as it was. */
static bool decided_before(const struct train_config *c, const struct comparison *on)
{
    for (size_t k = 0; k < N_NIH_LABELS; k++)
        if (-on->findings[k].gain.value > c->promote_max_drop)
            return false;
    return on->macro.gain.value >= c->promote_margin;
}

/* Promotions of each rule among the trials, in percent. */
static void promotions(const struct population *p, size_t rows, double gain, double shared, double ret[2])
{
    const struct train_config rule = { .labels = NIH_LABELS,
                                       .promote_margin = 0.005,
                                       .promote_max_drop = 0.02 };
    struct scores ours, theirs;
    struct rng rng;

    ret[0] = ret[1] = 0;
    check(scores_init(&ours, &NIH_LABELS, 2 * rows + 1000), NULL);
    check(scores_init(&theirs, &NIH_LABELS, 2 * rows + 1000), NULL);
    rng_seed(&rng, rows, (uint64_t)(1000 * (gain + shared)));
    for (int trial = 0; trial < PROMOTION_TRIALS; trial++) {
        struct comparison on;
        char reason[REASON_TEXT];

        ours.n = 0;
        for (uint64_t g = 0; ours.n < rows; g++)
            add_rows(p, rng_below(&rng, p->n_patients), g, &ours);
        score_pair(&ours, &theirs, gain, shared, &rng);
        check(compare(&ours, &theirs, 0, &on), NULL);
        ret[0] += 100.0 * decided_before(&rule, &on) / PROMOTION_TRIALS;
        ret[1] += 100.0 * promotion_decide(&rule, &on, reason) / PROMOTION_TRIALS;
    }
    scores_release(&ours);
    scores_release(&theirs);
}

static void promotion(const struct population *p)
{
    static const size_t ROWS[] = { 63, 360, 1000, 9315 };
    static const double SHARED[] = { 0.5, 0.8, 0.9 }, GAINS[] = { 0, 0.03 };

    printf("\n%d pairs of models: how often the candidate is promoted\n\n", PROMOTION_TRIALS);
    printf("| noise in common | truly better by | rows | before | now |\n|---|---|---|---|---|\n");
    for (size_t s = 0; s < 3; s++)
        for (size_t g = 0; g < 2; g++)
            for (size_t r = 0; r < 4; r++) {
                double percent[2];

                promotions(p, ROWS[r], GAINS[g], SHARED[s], percent);
                printf("| %.0f %% | %.2f | %zu | %.1f %% | %.1f %% |\n", 100 * SHARED[s], GAINS[g], ROWS[r],
                       percent[0], percent[1]);
                fflush(stdout);
            }
}

int main(int argc, char **argv)
{
    struct population p;

    if (argc != 2) {
        fprintf(stderr, "usage: bench_figures Data_Entry_2017.csv\n");
        return 2;
    }
    p = population_read(argv[1]);
    score_history(&p);
    coverage(&p);
    promotion(&p);
    free(p.first);
    free(p.labels);
    free(p.x);
    free(p.score);
    return 0;
}
