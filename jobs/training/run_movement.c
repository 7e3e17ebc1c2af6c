/* jobs/training/run_movement.c - how far predictions moved from one run to another, see cxrd/run_comparison.h. */
#include "cxrd/run_comparison.h"

#include "scores_read.h"

#include <math.h>
#include <string.h>

static void take(struct run_movement *m, const float *a, const float *b)
{
    for (size_t k = 0; k < m->labels.n; k++) {
        struct moved *moved = &m->findings[k];
        const double far = fabs((double)a[k] - (double)b[k]);

        moved->mean += (far - moved->mean) / (double)(m->rows + 1);
        moved->largest = fmax(moved->largest, far);
    }
    m->rows++;
}

static void hold(const struct read_scores *a, const struct read_scores *b, struct run_movement *m)
{
    const size_t n = m->labels.n;

    for (size_t i = 0, j = 0; i < a->scores.n && j < b->scores.n;) {
        const size_t x = a->by_name[i], y = b->by_name[j];
        const int order = strcmp(scores_name(a, x), scores_name(b, y));

        if (order == 0)
            take(m, a->scores.prob + x * n, b->scores.prob + y * n);
        i += order <= 0;
        j += order >= 0;
    }
}

enum status runs_moved(const char *first, const char *second, const char *split, struct run_movement *ret,
                       struct error *err)
{
    struct read_scores a = { 0 }, b = { 0 };
    enum status st = scores_read(first, split, &a, err);

    *ret = (struct run_movement){ .rows = 0 };
    if (st == ST_OK)
        st = scores_read(second, split, &b, err);
    if (st == ST_OK && !labels_equal(&a.labels, &b.labels))
        st = error_set(err, ST_UNUSABLE, "the two runs were asked for other findings");
    if (st == ST_OK) {
        ret->labels = a.labels;
        hold(&a, &b, ret);
        if (ret->rows == 0)
            st = error_set(err, ST_UNUSABLE, "the two runs have no %s row in common", split);
    }
    read_scores_release(&a);
    read_scores_release(&b);
    return st;
}

json_t *run_movement_json(const struct run_movement *m, const char *split)
{
    json_t *findings = json_array();

    for (size_t k = 0; k < m->labels.n; k++)
        json_array_append_new(findings, json_pack("{s:s,s:f,s:f}", "label", m->labels.names[k], "mean",
                                                  m->findings[k].mean, "largest", m->findings[k].largest));
    return json_pack("{s:s,s:I,s:o}", "split", split, "rows", (json_int_t)m->rows, "findings", findings);
}
