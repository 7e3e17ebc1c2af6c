/* jobs/training/gate.c - the input gate of a training: made from training pictures before the first epoch, so that
 * every snapshot carries it, and tried on validation pictures when the model is evaluated. Up to 1,000 pictures each,
 * evenly spaced over the rows: what they are decoded for now, the first epoch finds in the picture cache. */
#include "run.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PICTURES = 1000, STRETCH = 64 };

/* Statistics of pictures, by the threads of the pool. */
struct survey {
    const struct pictures *pictures;
    const struct rows *rows;
    size_t n, done;               /* pictures to look at; before this stretch */
    double *stats;                /* [n][GATE_STATS] */
    bool *seen;                   /* [n]: whether it is good */
    uint8_t *grey;                /* [thread][size * size] */
    struct error errors[STRETCH]; /* of this stretch */
};

static void survey_task(void *arg, size_t task, size_t thread)
{
    struct survey *s = arg;
    const size_t size = s->pictures->pre.size, i = s->done + task;
    uint8_t *grey = s->grey + thread * size * size;
    struct error *err = &s->errors[task];

    err->code = picture_load(s->pictures, s->rows->index[i * s->rows->n / s->n], grey, err);
    s->seen[i] = err->code == ST_OK;
    if (s->seen[i])
        gate_stats(grey, size, s->stats + i * GATE_STATS);
}

/* Look at the next pictures. One that is no good is left out: the epoch will say so too. */
static enum status survey_stretch(const struct run *r, struct survey *s)
{
    const size_t n = s->n - s->done < STRETCH ? s->n - s->done : STRETCH;
    const enum status st = run_check_cancelled(r);

    if (st != ST_OK)
        return st;
    pool_run(r->pool, n, survey_task, s);
    for (size_t i = 0; i < n; i++)
        if (status_is_outside(s->errors[i].code))
            return error_set(r->err, s->errors[i].code, "%s", s->errors[i].text);
    return ST_OK;
}

/* The statistics of up to MAX_PICTURES of the rows, those that are good, in the order of the rows.
 *   ret_rows   [MAX_PICTURES]: which they are; NULL: of no interest
 *   ret_stats  [*ret_n][GATE_STATS], owned by the caller */
static enum status survey(const struct run *r, const struct rows *rows, uint32_t *ret_rows,
                          double **ret_stats, size_t *ret_n)
{
    struct survey s = { .pictures = &r->pictures, .rows = rows };
    enum status st = ST_OK;

    s.n = rows->n < MAX_PICTURES ? rows->n : MAX_PICTURES;
    s.stats = malloc((s.n + 1) * GATE_STATS * sizeof *s.stats);
    s.seen = calloc(s.n + 1, sizeof *s.seen);
    s.grey = malloc(pool_threads(r->pool) * r->pre.size * r->pre.size);
    if (!s.stats || !s.seen || !s.grey)
        st = error_nomem(r->err);
    for (; s.done < s.n && st == ST_OK; s.done += STRETCH)
        st = survey_stretch(r, &s);
    *ret_n = 0;
    for (size_t i = 0; i < s.n && st == ST_OK; i++) {
        if (!s.seen[i])
            continue;
        if (ret_rows)
            ret_rows[*ret_n] = rows->index[i * rows->n / s.n];
        memmove(s.stats + (*ret_n)++ * GATE_STATS, s.stats + i * GATE_STATS, GATE_STATS * sizeof *s.stats);
    }
    free(s.grey);
    free(s.seen);
    if (st != ST_OK) {
        free(s.stats);
        return st;
    }
    *ret_stats = s.stats;
    return ST_OK;
}

enum status run_gate_fit(struct run *r)
{
    const struct rows *rows = &r->split.part[TRAIN];
    double *stats;
    size_t n;
    enum status st;

    if (rows->n < GATE_MIN_ROWS)
        return ST_OK;
    st = survey(r, rows, NULL, &stats, &n);
    if (st != ST_OK)
        return st;
    if (n >= GATE_MIN_ROWS) {
        r->gate = malloc(sizeof *r->gate);
        st = r->gate && gate_fit(stats, n, r->gate) == ST_OK ? ST_OK : error_nomem(r->err);
    }
    free(stats);
    return st;
}

enum status run_gate_try(struct run *r, int part)
{
    struct gate_report *report = &r->result->gate;
    double *stats;
    enum status st;

    if (!r->gate)
        return ST_OK;
    r->tried.row = malloc(MAX_PICTURES * sizeof *r->tried.row);
    r->tried.distance = malloc(MAX_PICTURES * sizeof *r->tried.distance);
    if (!r->tried.row || !r->tried.distance)
        return error_nomem(r->err);
    st = survey(r, &r->split.part[part], r->tried.row, &stats, &report->rows);
    if (st != ST_OK)
        return st;
    r->tried.n = report->rows;
    report->threshold = r->gate->threshold;
    for (size_t i = 0; i < report->rows; i++) {
        struct gate_warnings w;

        gate_check(NULL, stats + i * GATE_STATS, r->pre.size, r->gate, &w);
        r->tried.distance[i] = gate_distance(r->gate, stats + i * GATE_STATS);
        report->warned += w.n > 0;
        for (size_t k = 0; k < w.n; k++)
            report->by_code[w.codes[k]]++;
    }
    free(stats);
    return ST_OK;
}
