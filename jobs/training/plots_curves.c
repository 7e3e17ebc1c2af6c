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

    for (size_t k = 0; k < N_LABELS && st == ST_OK; k++) {
        struct scored *rows = column_sorted(s->n, s->truth + k, s->prob + k, N_LABELS);

        if (!rows || json_object_set_new(all, LABELS[k], make(rows, s->n)) != 0)
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

/* [recall, precision] at each threshold, from the highest; one that moves less than 1/200 in both is left out. */
static json_t *precision_recall_json(const struct scored *rows, size_t n)
{
    const size_t positives = positives_of(rows, n);
    const double step = 1.0 / 200;
    double last_x = -1, last_y = -1;
    size_t hits = 0;
    json_t *curve;

    if (positives == 0 || positives == n || !column_ranks(rows, n))
        return json_null();
    curve = json_array();
    for (size_t i = 0, end; i < n; i = end) {
        double x, y;

        end = run_end(rows, n, i, &hits);
        x = (double)hits / (double)positives;
        y = (double)hits / (double)end;
        if (end < n && fabs(x - last_x) < step && fabs(y - last_y) < step)
            continue;
        json_array_append_new(curve, json_pack("[f,f]", x, y));
        last_x = x;
        last_y = y;
    }
    return curve;
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
        const struct net_benefit of = net_benefit(s->n, s->truth + k, s->prob + k, N_LABELS, at);

        json_array_append_new(curve, json_pack("[f,f,f]", at, of.model, of.treat_all));
    }
    return curve;
}

enum status plots_net_benefit(json_t *plots, const struct scores *s)
{
    json_t *all = json_object();

    for (size_t k = 0; k < N_LABELS && s->n > 0; k++)
        if (json_object_set_new(all, LABELS[k], benefit_json(s, k)) != 0) {
            json_decref(all);
            return ST_NOMEM;
        }
    return json_object_set_new(plots, "net_benefit", all) == 0 ? ST_OK : ST_NOMEM;
}
