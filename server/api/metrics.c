/* server/api/metrics.c - see metrics.h. */
#include "metrics.h"

#include "drift.h"
#include "source.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    N_BOUNDS = 12,
    N_SCORE_BOUNDS = 10,
    MAX_ROUTES = 64,
    MAX_REASONS = 24,
    REASON_SIZE = 48,
    MAX_MODELS = 4,
    MAX_FINDINGS = MAX_MODELS * MAX_LABELS
};

static const double SECONDS[N_BOUNDS] = {
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10
};
static const double SCORES[N_SCORE_BOUNDS] = { 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9 };

struct histogram {
    uint64_t below[N_BOUNDS]; /* values at most the bound, and above the one before */
    uint64_t count;
    double sum;
};

/* Statuses that this server answers with; 0 stands for a connection that ended without a reply. */
static const int CODES[] = { 0,   200, 201, 202, 204, 304, 400, 401, 403, 404,
                             405, 406, 409, 413, 415, 422, 429, 499, 500, 503 };
enum { N_CODES = sizeof CODES / sizeof CODES[0] };

static const char *const PHASES[] = { "queue", "decode", "preprocess", "forward", "explain" };
enum { N_PHASES = sizeof PHASES / sizeof PHASES[0] };

enum outcome { OUTCOME_OK, OUTCOME_REJECTED, OUTCOME_BUSY, OUTCOME_GONE, OUTCOME_FAILED, N_OUTCOMES };
static const char *const OUTCOMES[] = { "ok", "rejected", "busy", "gone", "failed" };

struct reason {
    char code[REASON_SIZE];
    uint64_t count;
};

/* The findings of one of the models that answered last: a label must not have as many values as there will be models. */
struct positives {
    char model[ID_SIZE];  /* "": unused */
    uint64_t last;        /* which prediction was its last, counted over all models */
    struct labels labels; /* of the model */
    uint64_t count[MAX_LABELS];
};

/* The scores of a finding, by its name, since models may share it: of those that were scored last. */
struct scores {
    char label[LABEL_SIZE]; /* "": unused, as all that follow */
    uint64_t last;
    struct histogram histogram;
};

struct metrics {
    const struct route_table *routes;

    pthread_mutex_t lock;                       /* guards everything below */
    uint64_t requests[MAX_ROUTES + 1][N_CODES]; /* the last row: what is no route */
    struct histogram durations[MAX_ROUTES + 1];
    struct histogram phases[N_PHASES];
    struct histogram decodes[N_IMAGE_FORMATS];
    struct scores scores[MAX_FINDINGS];
    uint64_t outcomes[N_OUTCOMES], predictions;
    struct positives positives[MAX_MODELS];
    struct reason reasons[MAX_REASONS];
    struct drift drift;
};

enum status metrics_new(const struct route_table *routes, struct metrics **ret_metrics, struct error *err)
{
    struct metrics *m = calloc(1, sizeof *m);

    assert(routes->n <= MAX_ROUTES); /* the others would be counted as no route */
    if (!m)
        return error_nomem(err);
    m->routes = routes;
    pthread_mutex_init(&m->lock, NULL);
    *ret_metrics = m;
    return ST_OK;
}

void metrics_free(struct metrics *m)
{
    if (!m)
        return;
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static void histogram_add(struct histogram *h, const double *bounds, size_t n_bounds, double v)
{
    for (size_t i = 0; i < n_bounds; i++)
        if (v <= bounds[i]) {
            h->below[i]++;
            break;
        }
    h->count++;
    h->sum += v;
}

/* ---- counting ---- */

static enum outcome outcome_of(int status)
{
    if (status >= 200 && status < 300)
        return OUTCOME_OK;
    if (status == 503 || status == 429)
        return OUTCOME_BUSY;
    if (status == 0 || status == 499)
        return OUTCOME_GONE;
    return status < 500 ? OUTCOME_REJECTED : OUTCOME_FAILED;
}

void metrics_request(struct metrics *m, const struct http_done *done)
{
    const size_t index = done->route ? (size_t)(done->route - m->routes->routes) : MAX_ROUTES;
    const size_t row = index < MAX_ROUTES ? index : MAX_ROUTES;
    size_t code = 0;

    while (code < N_CODES && CODES[code] != done->status)
        code++;
    pthread_mutex_lock(&m->lock);
    m->requests[row][code < N_CODES ? code : 0]++;
    histogram_add(&m->durations[row], SECONDS, N_BOUNDS, done->seconds);
    if (done->route && queue_predicts(done->route->queue))
        m->outcomes[outcome_of(done->status)]++;
    pthread_mutex_unlock(&m->lock);
}

static void count_reason(struct metrics *m, const char *code)
{
    for (size_t i = 0; code && i < MAX_REASONS; i++) {
        struct reason *r = &m->reasons[i];

        if (!r->count)
            snprintf(r->code, sizeof r->code, "%s", code);
        if (strncmp(r->code, code, sizeof r->code - 1) == 0) {
            r->count++;
            return;
        }
    }
}

/* The scores of a finding: those that it has, or else in place of the finding that was not scored for longest. */
static struct scores *scores_of(struct metrics *m, const char *label)
{
    struct scores *oldest = &m->scores[0], *s = m->scores;

    while (s < m->scores + MAX_FINDINGS && s->label[0] && strcmp(s->label, label) != 0) {
        if (s->last < oldest->last)
            oldest = s;
        s++;
    }
    if (s == m->scores + MAX_FINDINGS)
        s = oldest;
    if (strcmp(s->label, label) != 0) {
        memset(s, 0, sizeof *s);
        snprintf(s->label, sizeof s->label, "%s", label);
    }
    s->last = m->predictions;
    return s;
}

static void count_scores(struct metrics *m, const struct labels *labels, const json_t *probabilities)
{
    for (size_t i = 0; i < labels->n; i++)
        histogram_add(&scores_of(m, labels->names[i])->histogram, SCORES, N_SCORE_BOUNDS,
                      json_number_value(json_object_get(probabilities, labels->names[i])));
}

/* By the format that an answer's `image` names; a PNG's names none, and a model that sees no picture has none. */
static void count_decode(struct metrics *m, const json_t *reply)
{
    const json_t *image = json_object_get(reply, "image");
    const char *name = json_string_value(json_object_get(image, "format"));
    const double ms = json_number_value(json_object_get(json_object_get(reply, "timing_ms"), "decode"));

    for (size_t f = 0; json_is_object(image) && f < N_IMAGE_FORMATS; f++)
        if (strcmp(image_format_name((enum image_format)f), name ? name : "png") == 0)
            histogram_add(&m->decodes[f], SECONDS, N_BOUNDS, ms / 1e3);
}

static void count_phases(struct metrics *m, const json_t *timing)
{
    for (size_t i = 0; i < N_PHASES; i++) {
        const json_t *ms = json_object_get(timing, PHASES[i]);

        if (ms)
            histogram_add(&m->phases[i], SECONDS, N_BOUNDS, json_number_value(ms) / 1e3);
    }
}

/* The counts of a model: those that it has, or else of the one that has not answered for longest, from 0. */
static struct positives *positives_of(struct metrics *m, const struct loaded_model *by)
{
    struct positives *oldest = &m->positives[0];

    for (size_t i = 0; i < MAX_MODELS; i++) {
        struct positives *p = &m->positives[i];

        if (strcmp(p->model, by->id) == 0)
            return p;
        if (p->last < oldest->last)
            oldest = p;
    }
    memset(oldest, 0, sizeof *oldest);
    snprintf(oldest->model, sizeof oldest->model, "%s", by->id);
    oldest->labels = *model_labels(by->model);
    return oldest;
}

static void count_positives(struct metrics *m, const struct loaded_model *by, const json_t *findings)
{
    struct positives *p = positives_of(m, by);
    const json_t *entry;
    size_t i;

    p->last = m->predictions;
    json_array_foreach (findings, i, entry) {
        const char *label = json_string_value(json_object_get(entry, "label"));
        const int index = label ? labels_find(&p->labels, label, strlen(label)) : -1;

        if (index >= 0 && json_is_true(json_object_get(entry, "positive")))
            p->count[index]++;
    }
}

void metrics_prediction(struct metrics *m, const struct loaded_model *by, bool active, const json_t *reply,
                        const json_t *own)
{
    size_t i;
    json_t *entry;

    pthread_mutex_lock(&m->lock);
    m->predictions++;
    count_phases(m, json_object_get(reply, "timing_ms"));
    count_decode(m, reply);
    json_array_foreach (json_object_get(reply, "warnings"), i, entry)
        count_reason(m, json_string_value(json_object_get(entry, "code")));
    if (active) {
        count_scores(m, model_labels(by->model), json_object_get(reply, "probabilities"));
        count_positives(m, by, json_object_get(reply, "findings"));
        drift_add(&m->drift, by, own);
    }
    pthread_mutex_unlock(&m->lock);
}

/* ---- writing ---- */

void metrics_family(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* `labels` such as `route="/jobs"`. */
static void histogram_write(struct buf *out, const char *name, const char *labels, const struct histogram *h,
                            const double *bounds, size_t n_bounds)
{
    uint64_t below = 0;

    for (size_t i = 0; i < n_bounds; i++) {
        below += h->below[i];
        buf_printf(out, "%s_bucket{%s,le=\"%g\"} %llu\n", name, labels, bounds[i], (unsigned long long)below);
    }
    buf_printf(out, "%s_bucket{%s,le=\"+Inf\"} %llu\n", name, labels, (unsigned long long)h->count);
    buf_printf(out, "%s_sum{%s} %.9g\n%s_count{%s} %llu\n", name, labels, h->sum, name, labels,
               (unsigned long long)h->count);
}

/* Of a row of the counters; the last is of no route. */
static struct route row_route(const struct metrics *m, size_t row)
{
    return row < m->routes->n ? m->routes->routes[row] : (struct route){ .path = "none", .method = "other" };
}

static void write_requests(const struct metrics *m, struct buf *out)
{
    char labels[160];

    metrics_family(out, "cxrd_http_requests_total", "counter",
                   "Requests by route, method and status; code 0: the connection ended without a reply.");
    for (size_t row = 0; row <= MAX_ROUTES; row++)
        for (size_t i = 0; i < N_CODES; i++)
            if (m->requests[row][i])
                buf_printf(out, "cxrd_http_requests_total{route=\"%s\",method=\"%s\",code=\"%d\"} %llu\n",
                           row_route(m, row).path, row_route(m, row).method, CODES[i],
                           (unsigned long long)m->requests[row][i]);
    metrics_family(out, "cxrd_http_request_duration_seconds", "histogram",
                   "From a request's first line to the end of its reply.");
    for (size_t row = 0; row <= MAX_ROUTES; row++)
        if (m->durations[row].count) {
            snprintf(labels, sizeof labels, "route=\"%s\",method=\"%s\"", row_route(m, row).path,
                     row_route(m, row).method);
            histogram_write(out, "cxrd_http_request_duration_seconds", labels, &m->durations[row], SECONDS,
                            N_BOUNDS);
        }
}

static void write_inferences(const struct metrics *m, struct buf *out)
{
    char labels[160];

    metrics_family(out, "cxrd_inferences_total", "counter", "Requests for a prediction by how they ended.");
    for (size_t i = 0; i < N_OUTCOMES; i++)
        buf_printf(out, "cxrd_inferences_total{outcome=\"%s\"} %llu\n", OUTCOMES[i],
                   (unsigned long long)m->outcomes[i]);
    metrics_family(out, "cxrd_inference_duration_seconds", "histogram", "Predictions by phase.");
    for (size_t i = 0; i < N_PHASES; i++) {
        snprintf(labels, sizeof labels, "phase=\"%s\"", PHASES[i]);
        histogram_write(out, "cxrd_inference_duration_seconds", labels, &m->phases[i], SECONDS, N_BOUNDS);
    }
    metrics_family(out, "cxrd_decode_duration_seconds", "histogram", "Pictures decoded, by format.");
    for (size_t f = 0; f < N_IMAGE_FORMATS; f++) {
        snprintf(labels, sizeof labels, "format=\"%s\"", image_format_name((enum image_format)f));
        histogram_write(out, "cxrd_decode_duration_seconds", labels, &m->decodes[f], SECONDS, N_BOUNDS);
    }
    metrics_family(out, "cxrd_inputs_flagged_total", "counter", "Pictures with a warning, by its code.");
    for (size_t i = 0; i < MAX_REASONS && m->reasons[i].count; i++)
        buf_printf(out, "cxrd_inputs_flagged_total{reason=\"%s\"} %llu\n", m->reasons[i].code,
                   (unsigned long long)m->reasons[i].count);
}

static void write_findings(const struct metrics *m, struct buf *out)
{
    char labels[LABEL_SIZE + 16];

    metrics_family(out, "cxrd_prediction_score", "histogram",
                   "Probabilities that were answered, by finding.");
    for (const struct scores *s = m->scores; s < m->scores + MAX_FINDINGS && s->label[0]; s++) {
        snprintf(labels, sizeof labels, "label=\"%.*s\"", LABEL_SIZE - 1, s->label);
        histogram_write(out, "cxrd_prediction_score", labels, &s->histogram, SCORES, N_SCORE_BOUNDS);
    }
    metrics_family(out, "cxrd_predicted_positive_total", "counter",
                   "Findings at or above their threshold, where the model has one; of the models that "
                   "answered last.");
    for (const struct positives *p = m->positives; p < m->positives + MAX_MODELS && p->model[0]; p++)
        for (size_t i = 0; i < p->labels.n; i++)
            buf_printf(out, "cxrd_predicted_positive_total{label=\"%s\",model_version=\"%s\"} %llu\n",
                       p->labels.names[i], p->model, (unsigned long long)p->count[i]);
}

static void write_drift(const struct metrics *m, const struct loaded_model *active, struct buf *out)
{
    double psi[MAX_LABELS], latest;

    if (!active || strcmp(m->drift.model, active->id) != 0 || !drift_psi(&m->drift, psi, &latest))
        return;
    metrics_family(out, "cxrd_drift_psi", "gauge",
                   "Population stability index of the latest scores against the model's validation scores, "
                   "less what chance alone makes it.");
    for (size_t i = 0; i < m->drift.labels.n; i++)
        buf_printf(out, "cxrd_drift_psi{label=\"%s\"} %.6g\n", m->drift.labels.names[i], psi[i]);
    metrics_family(out, "cxrd_drift_reference_rows", "gauge",
                   "Validation rows that drift is measured against.");
    buf_printf(out, "cxrd_drift_reference_rows %.6g\n", m->drift.reference);
    metrics_family(out, "cxrd_drift_scores", "gauge",
                   "The weight of the latest scores that drift is measured by, in scores.");
    buf_printf(out, "cxrd_drift_scores %.6g\n", latest);
}

void metrics_write(struct metrics *m, const struct loaded_model *active, struct buf *out)
{
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; active && i < model_labels(active->model)->n; i++)
        scores_of(m, model_labels(active->model)->names[i]);
    write_requests(m, out);
    write_inferences(m, out);
    write_findings(m, out);
    write_drift(m, active, out);
    pthread_mutex_unlock(&m->lock);
}
