/* jobs/training/plots_curves.c - curves of each finding for the report, see plots.h. */
#include "plots.h"

#include "column.h"
#include "decision.h"

#include <math.h>
#include <stdlib.h>

enum { BINS = 10, BIN_LEAST = 5 };

/* Each finding's sorted column as one member of `name`. Errors: ST_NOMEM. */
static enum status each_put(json_t *plots, const char *name, const struct scores *s,
                            json_t *(*make)(const struct scored *rows, size_t n))
{
    json_t *all = json_object();
    enum status st = all ? ST_OK : ST_NOMEM;

    for (size_t k = 0; k < s->labels->n && st == ST_OK; k++) {
        size_t known;
        struct scored *rows = column_sorted(s->n, s->truth + k, s->prob + k, s->labels->n, &known);

        if (!rows || json_object_set_new(all, s->labels->names[k], make(rows, known)) != 0)
            st = ST_NOMEM;
        free(rows);
    }
    if (st != ST_OK) {
        json_decref(all);
        return st;
    }
    return json_object_set_new(plots, name, all) == 0 ? ST_OK : ST_NOMEM;
}

static size_t positives_of(const struct scored *rows, size_t n)
{
    size_t positives = 0;

    for (size_t i = 0; i < n; i++)
        positives += rows[i].positive;
    return positives;
}

/* A curve of at most a few hundred points. */
struct curve {
    json_t *points; /* the caller that takes it owns it */
    double x, y;    /* the last of them */
};

/* Put a point, but for one that moves less than 1/200 in both from the last; the first and the `end` are always there. */
static void curve_add(struct curve *c, double x, double y, bool end)
{
    const double step = 1.0 / 200;

    if (!end && json_array_size(c->points) > 0 && fabs(x - c->x) < step && fabs(y - c->y) < step)
        return;
    json_array_append_new(c->points, json_pack("[f,f]", x, y));
    c->x = x;
    c->y = y;
}

/* [false positive rate, sensitivity] at each threshold, from above the highest. */
static json_t *roc_json(const struct scored *rows, size_t n)
{
    const size_t positives = positives_of(rows, n);
    struct curve curve = { 0 };
    size_t hits = 0;

    if (positives == 0 || positives == n || !column_ranks(rows, n))
        return json_null();
    curve.points = json_array();
    curve_add(&curve, 0, 0, false);
    for (size_t i = 0, end; i < n; i = end) {
        end = run_end(rows, n, i, &hits);
        curve_add(&curve, (double)(end - hits) / (double)(n - positives), (double)hits / (double)positives,
                  end == n);
    }
    return curve.points;
}

enum status plots_roc(json_t *plots, const struct scores *s) { return each_put(plots, "roc", s, roc_json); }

/* [recall, precision] at each threshold, from the highest. */
static json_t *precision_recall_json(const struct scored *rows, size_t n)
{
    const size_t positives = positives_of(rows, n);
    struct curve curve = { 0 };
    size_t hits = 0;

    if (positives == 0 || positives == n || !column_ranks(rows, n))
        return json_null();
    curve.points = json_array();
    for (size_t i = 0, end; i < n; i = end) {
        end = run_end(rows, n, i, &hits);
        curve_add(&curve, (double)hits / (double)positives, (double)hits / (double)end, end == n);
    }
    return curve.points;
}

enum status plots_precision_recall(json_t *plots, const struct scores *s)
{
    return each_put(plots, "precision_recall", s, precision_recall_json);
}

/* Ten bins of as many rows each, equal scores in one; fewer of few rows. */
static json_t *bins_json(const struct scored *rows, size_t n)
{
    const size_t bins = n / BIN_LEAST < BINS ? n / BIN_LEAST : BINS;
    json_t *all;

    if (bins == 0 || !column_ranks(rows, n))
        return json_null();
    all = json_array();
    for (size_t i = 0, end = 0; i < n; i = end) {
        size_t hits = 0;
        double sum = 0;

        while (end < n && (end == i || end - i < (n + bins - 1) / bins))
            end = run_end(rows, n, end, &hits);
        for (size_t j = i; j < end; j++)
            sum += (double)rows[j].score;
        json_array_append_new(all, json_pack("{s:I,s:f,s:f}", "rows", (json_int_t)(end - i), "predicted",
                                             sum / (double)(end - i), "positive",
                                             (double)hits / (double)(end - i)));
    }
    return all;
}

enum status plots_reliability_findings(json_t *plots, const struct scores *s)
{
    return each_put(plots, "reliability_findings", s, bins_json);
}

/* [threshold, net benefit, that of treating all] for each per cent from 5 to 30. */
static json_t *benefit_json(const struct scores *s, size_t k)
{
    json_t *curve = json_array();

    for (int percent = 5; percent <= 30; percent++) {
        const double at = percent / 100.0;
        const struct net_benefit of = net_benefit(s->n, s->truth + k, s->prob + k, s->labels->n, at);

        json_array_append_new(curve, json_pack("[f,f,f]", at, of.model, of.treat_all));
    }
    return curve;
}

enum status plots_net_benefit(json_t *plots, const struct scores *s)
{
    json_t *all = json_object();

    for (size_t k = 0; k < s->labels->n && s->n > 0; k++)
        if (json_object_set_new(all, s->labels->names[k], benefit_json(s, k)) != 0) {
            json_decref(all);
            return ST_NOMEM;
        }
    return json_object_set_new(plots, "net_benefit", all) == 0 ? ST_OK : ST_NOMEM;
}
