/* jobs/training/by_sample.c - see by_sample.h. */
#include "by_sample.h"

#include "cxrd/metrics.h"
#include "record.h"

#include <math.h>
#include <stdlib.h>

static const struct estimate NOT_DEFINED = { NAN, NAN, NAN, NAN };

/* The greatest value that a row can have. */
static double most_of(enum sample_measure m, size_t n_labels)
{
    return m == SAMPLE_COVERAGE_ERROR ? (double)n_labels : 1;
}

/* Room for a number a row, and whether anything is known of the row: 1, or TRUTH_UNKNOWN. */
struct room {
    double *values;
    uint8_t *known;
};

static enum status estimate(const struct scores *s, const struct patients *patients, const float *threshold,
                            enum sample_measure m, const struct room *room, struct estimate *ret)
{
    const size_t n = s->labels->n;

    for (size_t i = 0; i < s->n; i++) {
        double row[N_SAMPLE_MEASURES];

        metrics_sample(n, s->truth + i * n, s->prob + i * n, threshold, row);
        room->values[i] = row[m];
    }
    return m == SAMPLE_SUBSET_ACCURACY
               ? rate_estimate(patients, room->values, room->known, 1, 1, ret)
               : bounded_estimate(patients, room->values, most_of(m, s->labels->n), room->known, 1, ret);
}

static enum status at_points(const struct scores *s, const struct patients *patients, const float *threshold,
                             const struct room *room, struct sample_point *ret)
{
    enum status st = ST_OK;

    *ret = (struct sample_point){ 0 };
    for (size_t k = 0; k < s->labels->n; k++)
        ret->thresholds += isnan(threshold[k]) ? 0 : 1;
    for (int m = 0; m < N_CALL_MEASURES; m++)
        ret->measure[m] = NOT_DEFINED;
    for (int m = 0; m < N_CALL_MEASURES && ret->thresholds > 0 && st == ST_OK; m++)
        st = estimate(s, patients, threshold, (enum sample_measure)m, room, &ret->measure[m]);
    return st;
}

/* The base rates as everyone's probabilities, where no finding is called. */
static void guess(const struct scores *s, const double *rates, double ret[N_SAMPLE_MEASURES])
{
    const size_t n = s->labels->n;
    float same[MAX_LABELS], never[MAX_LABELS];
    double sum[N_SAMPLE_MEASURES] = { 0 };
    size_t known = 0;

    for (size_t k = 0; k < s->labels->n; k++) {
        same[k] = (float)rates[k];
        never[k] = NAN;
    }
    for (size_t i = 0; i < s->n; i++) {
        double row[N_SAMPLE_MEASURES];

        if (metrics_known(n, s->truth + i * n, 1) == 0)
            continue;
        known++;
        metrics_sample(n, s->truth + i * n, same, never, row);
        for (int m = 0; m < N_SAMPLE_MEASURES; m++)
            sum[m] += row[m];
    }
    for (int m = 0; m < N_SAMPLE_MEASURES; m++)
        ret[m] = known > 0 ? sum[m] / (double)known : NAN;
}

static size_t without_finding(const struct scores *s)
{
    size_t rows = 0;

    for (size_t i = 0; i < s->n; i++) {
        size_t there = 0;

        for (size_t k = 0; k < s->labels->n; k++)
            there += s->truth[i * s->labels->n + k] == 1;
        rows += there == 0 && metrics_known(s->labels->n, s->truth + i * s->labels->n, 1) > 0;
    }
    return rows;
}

enum status evaluate_by_sample(const struct scores *s, const struct patients *patients,
                               const struct operating_points *points, const double *rates,
                               struct by_sample *ret)
{
    const struct room room = { malloc((s->n + 1) * sizeof *room.values), malloc(s->n + 1) };
    struct by_sample b = { .no_finding = without_finding(s) };
    enum status st = room.values && room.known ? ST_OK : ST_NOMEM;

    for (size_t i = 0; i < s->n && st == ST_OK; i++)
        room.known[i] = metrics_known(s->labels->n, s->truth + i * s->labels->n, 1) > 0 ? 1 : TRUTH_UNKNOWN;
    for (int m = N_CALL_MEASURES; m < N_SAMPLE_MEASURES && st == ST_OK; m++)
        st = estimate(s, patients, points->threshold[0], (enum sample_measure)m, &room,
                      &b.order[m - N_CALL_MEASURES]);
    for (int kind = 0; kind < N_OPERATING && st == ST_OK; kind++)
        st = at_points(s, patients, points->threshold[kind], &room, &b.operating[kind]);
    guess(s, rates, b.baseline);
    free(room.values);
    free(room.known);
    if (st == ST_OK)
        *ret = b;
    return st;
}

/* ---- as JSON ---- */

static void estimate_set(json_t *object, enum sample_measure m, const struct estimate *e)
{
    json_object_set_new(object, SAMPLE_MEASURE_NAMES[m], number_or_null(e->value));
    interval_set(object, SAMPLE_MEASURE_NAMES[m], e);
}

static json_t *point_json(const struct sample_point *p)
{
    json_t *point = json_pack("{s:I}", "thresholds", (json_int_t)p->thresholds);

    for (int m = 0; m < N_CALL_MEASURES; m++)
        estimate_set(point, (enum sample_measure)m, &p->measure[m]);
    return point;
}

json_t *by_sample_json(const struct by_sample *b)
{
    json_t *object = json_pack("{s:I}", "no_finding", (json_int_t)b->no_finding);
    json_t *points = json_object(), *baseline = json_object();

    for (int m = N_CALL_MEASURES; m < N_SAMPLE_MEASURES; m++)
        estimate_set(object, (enum sample_measure)m, &b->order[m - N_CALL_MEASURES]);
    for (int kind = 0; kind < N_OPERATING; kind++)
        json_object_set_new(points, OPERATING_NAMES[kind], point_json(&b->operating[kind]));
    for (int m = 0; m < N_SAMPLE_MEASURES; m++)
        json_object_set_new(baseline, SAMPLE_MEASURE_NAMES[m], number_or_null(b->baseline[m]));
    json_object_set_new(object, "operating_points", points);
    json_object_set_new(object, "baseline", baseline);
    return object;
}
