/* jobs/feedback.c - see cxrd/feedback.h. */
#include "cxrd/feedback.h"

#include "cxrd/metrics.h"
#include "training/figure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- rows ---- */

void feedback_rows_release(struct feedback_rows *rows)
{
    free(rows->patients);
    free(rows->spoken);
    free(rows->truth);
    free(rows->call);
    free(rows->prob);
    free(rows->other_call);
    free(rows->other_prob);
    *rows = (struct feedback_rows){ .n = 0 };
}

void feedback_groups_release(struct feedback_groups *g)
{
    for (size_t i = 0; i < g->n; i++)
        feedback_rows_release(&g->groups[i]);
    free(g->groups);
    *g = (struct feedback_groups){ NULL, 0 };
}

static bool grow(void *array, size_t n, size_t size)
{
    void *more = realloc(*(void **)array, n * size);

    if (more)
        *(void **)array = more;
    return more != NULL;
}

enum status feedback_rows_add(struct feedback_rows *rows)
{
    const size_t l = rows->labels.n, at = rows->n * l;

    if (rows->n == rows->room) {
        const size_t room = rows->room ? 2 * rows->room : 64;

        if (!grow(&rows->patients, room, sizeof *rows->patients) ||
            !grow(&rows->spoken, room, sizeof *rows->spoken) || !grow(&rows->truth, room * l, 1) ||
            !grow(&rows->call, room * l, 1) || !grow(&rows->prob, room * l, sizeof *rows->prob) ||
            !grow(&rows->other_call, room * l, 1) ||
            !grow(&rows->other_prob, room * l, sizeof *rows->other_prob))
            return ST_NOMEM;
        rows->room = room;
    }
    rows->patients[rows->n] = rows->spoken[rows->n] = 0;
    memset(rows->truth + at, TRUTH_UNKNOWN, l);
    memset(rows->call + at, TRUTH_UNKNOWN, l);
    memset(rows->other_call + at, TRUTH_UNKNOWN, l);
    memset(rows->prob + at, 0, l * sizeof *rows->prob);
    memset(rows->other_prob + at, 0, l * sizeof *rows->other_prob);
    rows->n++;
    return ST_OK;
}

/* ---- from the store ---- */

/* The prediction whose readings come, and what readers have said of it so far. */
struct collecting {
    struct feedback_groups *groups;
    const char *candidate;
    int64_t since;
    int64_t seq; /* 0: none */
    struct feedback_rows *rows;
    unsigned votes[MAX_LABELS][N_SAYS];
    size_t readers;
    char reader[READER_SIZE];
};

/* No more readings of it come. */
static void settle(struct collecting *c)
{
    struct feedback_rows *rows = c->rows;

    if (!rows)
        return;
    for (size_t k = 0; k < rows->labels.n; k++) {
        const unsigned *v = c->votes[k];
        uint8_t *truth = &rows->truth[(rows->n - 1) * rows->labels.n + k];

        if (v[SAYS_PRESENT] != v[SAYS_ABSENT])
            *truth = v[SAYS_PRESENT] > v[SAYS_ABSENT] ? 1 : 0;
        if (v[SAYS_PRESENT] + v[SAYS_ABSENT] + v[SAYS_UNSURE] > 0)
            rows->spoken[rows->n - 1] |= (uint64_t)1 << k;
    }
    if (c->readers > rows->readers_most)
        rows->readers_most = c->readers;
    c->rows = NULL;
}

static struct feedback_rows *group_of(struct feedback_groups *g, const struct reading *r)
{
    for (size_t i = 0; i < g->n; i++)
        if (strcmp(g->groups[i].model, r->model) == 0 && strcmp(g->groups[i].operating, r->operating) == 0)
            return &g->groups[i];
    return NULL;
}

static void take_verdicts(size_t n, uint64_t known, uint64_t positive, uint8_t *ret)
{
    for (size_t k = 0; k < n; k++)
        ret[k] = (uint8_t)(known >> k & 1 ? positive >> k & 1 : TRUTH_UNKNOWN);
}

static enum status begin_row(struct collecting *c, struct feedback_rows *rows, const struct reading *r)
{
    const size_t l = rows->labels.n, at = rows->n * l;
    const enum status st = l == r->n ? feedback_rows_add(rows) : ST_FORMAT;

    if (st != ST_OK)
        return st;
    /* a patient's number and a prediction's are never the same */
    rows->patients[rows->n - 1] = r->patient ? r->patient | (uint64_t)1 << 63 : (uint64_t)r->seq;
    memcpy(rows->prob + at, r->probability, l * sizeof *rows->prob);
    take_verdicts(l, r->known, r->positive, rows->call + at);
    if (r->other) {
        memcpy(rows->other_prob + at, r->other_probability, l * sizeof *rows->other_prob);
        take_verdicts(l, r->other_known, r->other_positive, rows->other_call + at);
    }
    c->rows = rows;
    memset(c->votes, 0, sizeof c->votes);
    c->readers = 0;
    c->reader[0] = '\0';
    return ST_OK;
}

static enum status take_reading(void *arg, const struct reading *r)
{
    struct collecting *c = arg;
    int k;

    if (r->seq != c->seq) {
        const bool left_out = r->at < c->since || (c->candidate && !r->other);
        struct feedback_rows *rows = left_out ? NULL : group_of(c->groups, r);
        enum status st;

        settle(c);
        c->seq = r->seq;
        st = rows ? begin_row(c, rows, r) : ST_OK; /* or of a group that came meanwhile */
        if (st != ST_OK)
            return st;
    }
    if (!c->rows)
        return ST_OK;
    k = labels_find(&c->rows->labels, r->finding, strlen(r->finding));
    if (k >= 0)
        c->votes[k][r->says]++;
    c->rows->readings += k >= 0;
    if (strcmp(c->reader, r->reader) != 0)
        c->readers++;
    snprintf(c->reader, sizeof c->reader, "%s", r->reader);
    return ST_OK;
}

enum status feedback_groups_make(struct store *s, const char *model, struct feedback_groups *ret,
                                 struct error *err)
{
    json_t *list = NULL;
    enum status st = store_feedback_groups(s, model, &list, err);
    const size_t n = json_array_size(list);

    *ret = (struct feedback_groups){ NULL, 0 };
    if (st == ST_OK && !(ret->groups = calloc(n + 1, sizeof *ret->groups)))
        st = error_nomem(err);
    for (; st == ST_OK && ret->n < n; ret->n++) {
        struct feedback_rows *rows = &ret->groups[ret->n];
        const json_t *group = json_array_get(list, ret->n);

        snprintf(rows->model, sizeof rows->model, "%s", json_string_value(json_array_get(group, 0)));
        snprintf(rows->operating, sizeof rows->operating, "%s", json_string_value(json_array_get(group, 1)));
        st = store_scores_labels(s, rows->model, &rows->labels, err);
        if (st != ST_OK)
            break;
    }
    json_decref(list);
    return st;
}

enum status feedback_collect(struct store *s, const char *model, const char *candidate, int64_t since,
                             struct feedback_groups *ret, struct error *err)
{
    enum { A_TIME = 1000 }; /* predictions, for which the store waits */
    struct collecting c = { .groups = ret, .candidate = candidate, .since = since };
    struct readings_asked asked = { model, candidate, INT64_MAX, A_TIME };
    enum status st;

    st = feedback_groups_make(s, model, ret, err);
    for (size_t n = 0; st == ST_OK && n < FEEDBACK_MOST; n += A_TIME) {
        int64_t last;

        st = store_readings(s, &asked, take_reading, &c, &last, err);
        if (last == 0)
            break;
        asked.before = last;
    }
    settle(&c);
    if (st != ST_OK)
        feedback_groups_release(ret);
    return st;
}

/* ---- figures ---- */

/* The part of the verdicts on rows whose truth is `value` that say so. */
static enum status rate_of(const struct feedback_rows *rows, const struct patients *p, size_t k,
                           uint8_t value, struct estimate *ret)
{
    const size_t l = rows->labels.n;
    double *hit = malloc((rows->n + 1) * sizeof *hit);
    uint8_t *truth = malloc(rows->n + 1);
    size_t n = 0;
    enum status st = hit && truth ? ST_OK : ST_NOMEM;

    for (size_t i = 0; i < rows->n && st == ST_OK; i++) {
        const uint8_t call = rows->call[i * l + k];

        truth[i] = call == TRUTH_UNKNOWN ? TRUTH_UNKNOWN : rows->truth[i * l + k];
        hit[i] = call == value;
        n += truth[i] == value;
    }
    *ret = (struct estimate){ NAN, NAN, NAN, NAN };
    if (st == ST_OK && n > 0)
        st = rate_estimate(p, hit, truth, 1, value, ret);
    free(hit);
    free(truth);
    return st;
}

static enum status figures_of(const struct feedback_rows *rows, const struct patients *p, size_t k,
                              struct feedback_figures *ret)
{
    const size_t l = rows->labels.n;
    enum status st;

    *ret = (struct feedback_figures){ .auroc = { NAN, NAN, NAN, NAN } };
    for (size_t i = 0; i < rows->n; i++) {
        const uint8_t truth = rows->truth[i * l + k];

        ret->present += truth == 1;
        ret->absent += truth == 0;
        ret->unsettled += truth == TRUTH_UNKNOWN && (rows->spoken[i] >> k & 1);
    }
    st = rate_of(rows, p, k, 1, &ret->sensitivity);
    if (st == ST_OK)
        st = rate_of(rows, p, k, 0, &ret->specificity);
    if (st == ST_OK && ret->present > 0 && ret->absent > 0)
        st = auroc_estimate(p, rows->truth + k, rows->prob + k, l, &ret->auroc);
    return st;
}

enum status feedback_figures(const struct feedback_rows *rows, struct feedback_figures ret[MAX_LABELS])
{
    struct patients p;
    enum status st = patients_group(rows->n, rows->patients, &p);

    if (st != ST_OK)
        return st;
    for (size_t k = 0; k < rows->labels.n && st == ST_OK; k++)
        st = figures_of(rows, &p, k, &ret[k]);
    patients_release(&p);
    return st;
}

/* ---- as JSON ---- */

static void add_estimate(json_t *to, const char *name, const struct estimate *e)
{
    char low[32], high[32];

    snprintf(low, sizeof low, "%s_low", name);
    snprintf(high, sizeof high, "%s_high", name);
    json_object_set_new(to, name, number_or_null(e->value));
    json_object_set_new(to, low, number_or_null(e->low));
    json_object_set_new(to, high, number_or_null(e->high));
}

static json_t *finding_json(const char *label, const struct feedback_figures *f)
{
    json_t *finding = json_pack("{s:s,s:I,s:I,s:I}", "label", label, "present", (json_int_t)f->present,
                                "absent", (json_int_t)f->absent, "unsettled", (json_int_t)f->unsettled);

    add_estimate(finding, "sensitivity", &f->sensitivity);
    add_estimate(finding, "specificity", &f->specificity);
    add_estimate(finding, "auroc", &f->auroc);
    return finding;
}

/* Patients whom the caller told apart. */
static size_t patients_said(const struct feedback_rows *rows)
{
    size_t n = 0;

    for (size_t i = 0; i < rows->n; i++)
        n += rows->patients[i] >> 63;
    return n;
}

enum status feedback_json(const struct feedback_rows *rows, json_t **ret)
{
    struct feedback_figures *figures = calloc(MAX_LABELS, sizeof *figures);
    json_t *findings = json_array();
    enum status st = figures && findings ? feedback_figures(rows, figures) : ST_NOMEM;

    for (size_t k = 0; k < rows->labels.n && st == ST_OK; k++)
        json_array_append_new(findings, finding_json(rows->labels.names[k], &figures[k]));
    free(figures);
    if (st != ST_OK) {
        json_decref(findings);
        return st;
    }
    *ret = json_pack("{s:s,s:s,s:I,s:I,s:I,s:I,s:o}", "model", rows->model, "operating_point",
                     rows->operating, "predictions", (json_int_t)rows->n, "with_patient",
                     (json_int_t)patients_said(rows), "readings", (json_int_t)rows->readings, "readers_most",
                     (json_int_t)rows->readers_most, "findings", findings);
    return *ret ? ST_OK : ST_NOMEM;
}
