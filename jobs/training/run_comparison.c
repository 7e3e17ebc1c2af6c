/* jobs/training/run_comparison.c - see cxrd/run_comparison.h. */
#include "cxrd/run_comparison.h"

#include "compare.h"
#include "scores_read.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A row of one, after those that are there, with the first run's patients: each file numbers them in its own way. */
static void take(struct scores *to, const struct read_scores *from, size_t row, uint64_t patient)
{
    const size_t n = to->labels->n;

    memcpy(to->truth + to->n * n, from->scores.truth + row * n, n);
    memcpy(to->prob + to->n * n, from->scores.prob + row * n, n * sizeof *to->prob);
    to->patients[to->n++] = patient;
}

/* The rows of both, in one order. */
static void intersect(const struct read_scores *a, const struct read_scores *b, struct scores *ret_a,
                      struct scores *ret_b, struct run_comparison *c)
{
    const size_t n = c->labels.n;

    for (size_t i = 0, j = 0; i < a->scores.n && j < b->scores.n;) {
        const size_t x = a->by_name[i], y = b->by_name[j];
        const int order = strcmp(scores_name(a, x), scores_name(b, y));
        const bool same = memcmp(a->scores.truth + x * n, b->scores.truth + y * n, n) == 0;

        i += order <= 0;
        j += order >= 0;
        if (order != 0)
            continue;
        c->relabelled += !same;
        if (same) {
            take(ret_a, a, x, a->scores.patients[x]);
            take(ret_b, b, y, a->scores.patients[x]);
        }
    }
    c->common = ret_a->n;
}

static enum status compare_loss(const struct scores *first, const struct scores *second, struct compared *ret)
{
    double *values = malloc((first->n + 1) * sizeof *values);
    struct patients p = { 0 };
    struct figure gain = { 0 };
    enum status st = values ? patients_group(first->n, first->patients, &p) : ST_NOMEM;

    if (st == ST_OK)
        st = figure_init(&gain, &p);
    if (st == ST_OK)
        st = figure_add_loss(&gain, -1, first, values);
    ret->active = -gain.value;
    if (st == ST_OK)
        st = figure_add_loss(&gain, 1, second, values);
    ret->candidate = gain.value + ret->active;
    if (st == ST_OK)
        st = figure_estimate(&gain, &ret->gain);
    figure_release(&gain);
    patients_release(&p);
    free(values);
    return st;
}

static enum status refuse(const struct run_comparison *c, const char *split, struct error *err)
{
    if (c->relabelled > 0)
        return error_set(
            err, ST_UNUSABLE,
            "all %zu %s rows that the two runs have in common have other findings in one than in "
            "the other",
            c->relabelled, split);
    return error_set(err, ST_UNUSABLE,
                     "the two runs have no %s row in common (%zu in the first, %zu in the second)", split,
                     c->rows[0], c->rows[1]);
}

static enum status compare_read(const struct read_scores *a, const struct read_scores *b, const char *split,
                                struct run_comparison *c, struct error *err)
{
    struct scores first = { 0 }, second = { 0 };
    enum status st = scores_init(&first, &a->labels, a->scores.n);

    if (st == ST_OK)
        st = scores_init(&second, &a->labels, a->scores.n);
    if (st == ST_OK) {
        intersect(a, b, &first, &second, c);
        if (c->common == 0)
            st = refuse(c, split, err);
    }
    if (st == ST_OK)
        st = compare(&second, &first, 0, &c->auroc);
    if (st == ST_OK)
        st = compare_loss(&first, &second, &c->loss);
    scores_release(&first);
    scores_release(&second);
    return st == ST_NOMEM ? error_nomem(err) : st;
}

enum status runs_compare(const char *first, const char *second, const char *split, struct run_comparison *ret,
                         struct error *err)
{
    struct read_scores a = { 0 }, b = { 0 };
    struct run_comparison c = { 0 };
    enum status st = scores_read(first, split, &a, err);

    if (st == ST_OK)
        st = scores_read(second, split, &b, err);
    if (st == ST_OK && !labels_equal(&a.labels, &b.labels))
        st = error_set(
            err, ST_UNUSABLE,
            "the two runs were asked for other findings (%zu and %zu): only runs of the same findings, in "
            "the same order, can be compared",
            a.labels.n, b.labels.n);
    if (st == ST_OK) {
        c.labels = a.labels;
        c.rows[0] = a.scores.n;
        c.rows[1] = b.scores.n;
        st = compare_read(&a, &b, split, &c, err);
    }
    read_scores_release(&a);
    read_scores_release(&b);
    if (st == ST_OK)
        *ret = c;
    return st;
}

static json_t *pair_json(const char *label, const struct compared *c)
{
    json_t *pair =
        json_pack("{s:o,s:o,s:o,s:o,s:o}", "first", number_or_null(c->active), "second",
                  number_or_null(c->candidate), "difference", number_or_null(c->gain.value), "difference_low",
                  number_or_null(c->gain.low), "difference_high", number_or_null(c->gain.high));

    if (label)
        json_object_set_new(pair, "label", json_string(label));
    return pair;
}

json_t *run_comparison_json(const struct run_comparison *c, const char *split)
{
    json_t *findings = json_array();

    for (size_t k = 0; k < c->labels.n; k++)
        json_array_append_new(findings, pair_json(c->labels.names[k], &c->auroc.findings[k]));
    return json_pack("{s:s,s:[I,I],s:I,s:I,s:I,s:o,s:o,s:o}", "split", split, "rows", (json_int_t)c->rows[0],
                     (json_int_t)c->rows[1], "common", (json_int_t)c->common, "patients",
                     (json_int_t)c->auroc.patients, "relabelled", (json_int_t)c->relabelled, "loss",
                     pair_json(NULL, &c->loss), "macro_auroc", pair_json(NULL, &c->auroc.macro), "findings",
                     findings);
}
