/* server/api/drift_monitor.c - see drift_monitor.h. */
#include "drift_monitor.h"

#include "cxrd/trainer.h"
#include "drift_counts.h"
#include "metrics.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_STRATA = 1 + 3 + 3 + 6 + DRIFT_CALLERS, SCORES = 0, MIX, N_KINDS };

static const char *const KINDS[N_KINDS] = { "scores", "mix" };

struct looked {
    struct drift_stratum stratum;
    struct drift_result result;
};

struct drift_monitor {
    pthread_mutex_t lock; /* guards all that follows */
    char model[ID_SIZE];  /* "": none has answered */
    bool known;           /* its weights say what is needed */
    struct drift_counts counts;
    size_t since, looks; /* pictures since the last look */
    size_t n_looked, n_tests;
    struct looked looked[MOST_STRATA]; /* at the last look */
    struct drift_mix mix[N_STRATA_BY];
    struct raised {
        json_t *alert; /* owned; NULL: it is not raised */
        size_t quiet;  /* looks without a change since */
        size_t seen;   /* looks with one in a row */
    } raised[N_KINDS];
};

static const struct drift_stratum ALL = { N_DRIFT_BY, 0 };

enum status drift_monitor_new(struct drift_monitor **ret, struct error *err)
{
    struct drift_monitor *w = calloc(1, sizeof *w);

    if (!w)
        return error_nomem(err);
    pthread_mutex_init(&w->lock, NULL);
    *ret = w;
    return ST_OK;
}

static void forget(struct drift_monitor *w)
{
    drift_counts_release(&w->counts);
    for (int kind = 0; kind < N_KINDS; kind++) {
        json_decref(w->raised[kind].alert);
        w->raised[kind] = (struct raised){ 0 };
    }
    w->since = w->looks = w->n_looked = w->n_tests = 0;
    w->known = false;
}

void drift_monitor_free(struct drift_monitor *w)
{
    if (!w)
        return;
    forget(w);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

/* Of all tests that were looked at, and of those that are still to come. */
static double adjusted(const struct drift_monitor *w, double p)
{
    return fmin(p * (double)w->n_tests * DRIFT_LOOKS, 1);
}

/* ---- who explains it ---- */

struct explanation_set {
    size_t n;
    struct drift_stratum strata[DRIFT_NAMED];
    bool everywhere;
};

static bool is_explained(const struct drift_result *rest) { return rest->p > DRIFT_LEVEL; }

/* The next stratum to be taken out: of those that leave no change behind the one with the strongest change of its own, else that of
 * all. False: there is none without which enough is left. */
static bool next_stratum(const struct drift_monitor *w, const struct drift_selection *now,
                         struct drift_stratum *ret)
{
    struct drift_result best = { .p = 2 };
    bool best_explains = false, found = false;

    for (size_t i = 1; i < w->n_looked; i++) {
        struct drift_selection own = *now, rest = *now;
        struct drift_result inside, left;
        bool explains;

        own.only = w->looked[i].stratum;
        rest.without[rest.n_without++] = w->looked[i].stratum;
        inside = drift_test(&w->counts, &own);
        left = drift_test(&w->counts, &rest);
        if (!inside.enough || !left.enough)
            continue;
        explains = is_explained(&left);
        if (found && (explains < best_explains ||
                      (explains == best_explains &&
                       (inside.p > best.p || (inside.p == best.p && inside.statistic <= best.statistic)))))
            continue;
        best = inside;
        best_explains = explains;
        found = true;
        *ret = w->looked[i].stratum;
    }
    return found;
}

static struct explanation_set explain(const struct drift_monitor *w)
{
    struct drift_selection s = { .only = ALL };
    struct explanation_set set = { 0 };
    struct drift_stratum next;

    while (s.n_without < DRIFT_NAMED && next_stratum(w, &s, &next)) {
        struct drift_result rest;

        s.without[s.n_without++] = set.strata[set.n++] = next;
        rest = drift_test(&w->counts, &s);
        if (is_explained(&rest))
            return set;
    }
    return (struct explanation_set){ .n = 1, .strata = { ALL }, .everywhere = true };
}

/* ---- a look ---- */

static const struct looked *strongest(const struct drift_monitor *w)
{
    const struct looked *best = NULL;

    for (size_t i = 0; i < w->n_looked; i++) {
        const struct drift_result *r = &w->looked[i].result;

        if (r->enough && (!best || r->p < best->result.p ||
                          (r->p == best->result.p && r->statistic > best->result.statistic)))
            best = &w->looked[i];
    }
    return best;
}

static json_t *name_json(const char *name) { return name ? json_string(name) : json_string("unknown"); }

static const char *by_name(size_t by)
{
    return by == N_DRIFT_BY ? "all" : by == STRATA_KEY ? "key" : STRATA_BY_NAMES[by];
}

static json_t *stratum_json(const struct drift_monitor *w, struct drift_stratum s)
{
    const struct drift_selection only = { .only = s };
    const struct drift_result r = drift_test(&w->counts, &only);
    const bool shares = s.by < N_STRATA_BY && s.index + 1 < strata_count((enum strata_by)s.by);
    const struct drift_mix *m = shares ? &w->mix[s.by] : NULL;

    return json_pack("{s:s,s:o,s:f,s:o,s:o}", "by", by_name(s.by), "name",
                     name_json(drift_stratum_name(&w->counts, s)), "pictures", r.pictures, "share_then",
                     m ? json_real(m->then[s.index]) : json_null(), "share_now",
                     m ? json_real(m->now[s.index]) : json_null());
}

static json_t *column_json(const struct drift_monitor *w, size_t column)
{
    return json_string(column < w->counts.labels.n ? w->counts.labels.names[column] : "input");
}

static json_t *alert_json(const struct drift_monitor *w, const char *kind, json_t *column, double p,
                          const struct explanation_set *set)
{
    json_t *strata = json_array();

    for (size_t i = 0; i < set->n; i++)
        json_array_append_new(strata, stratum_json(w, set->strata[i]));
    return json_pack("{s:s,s:s,s:o,s:f,s:f,s:f,s:b,s:o}", "model", w->model, "kind", kind, "column", column,
                     "pictures", w->counts.seen * drift_weight(&w->counts), "p", p, "p_adjusted",
                     adjusted(w, p), "everywhere", (int)set->everywhere, "strata", strata);
}

/* The group whose share has grown most. */
static json_t *mix_alert(const struct drift_monitor *w, size_t by)
{
    const struct drift_mix *m = &w->mix[by];
    struct explanation_set set = { .n = 1, .strata = { { by, 0 } } };

    for (size_t i = 1; i < m->n; i++)
        if (m->now[i] - m->then[i] > m->now[set.strata[0].index] - m->then[set.strata[0].index])
            set.strata[0].index = i;
    return alert_json(w, KINDS[MIX], json_null(), m->p, &set);
}

static size_t strongest_mix(const struct drift_monitor *w)
{
    size_t best = 0;

    for (size_t by = 1; by < N_STRATA_BY; by++)
        if (w->mix[by].p < w->mix[best].p)
            best = by;
    return best;
}

static void look_at_strata(struct drift_monitor *w)
{
    w->n_looked = w->n_tests = 0;
    for (size_t k = 0; k <= N_DRIFT_BY; k++) {
        const size_t by = k == 0 ? N_DRIFT_BY : k - 1; /* all pictures first */

        for (size_t i = 0; i < drift_strata_count(&w->counts, by); i++) {
            const struct drift_selection s = { .only = { by, i } };
            const struct drift_result r = drift_test(&w->counts, &s);

            w->looked[w->n_looked++] = (struct looked){ s.only, r };
            w->n_tests += r.enough;
        }
    }
    for (int by = 0; by < N_STRATA_BY; by++) {
        w->mix[by] = drift_mix_test(&w->counts, (enum strata_by)by);
        w->n_tests += w->mix[by].enough;
    }
}

/* A change that was seen so often in a row is raised and told once, until it has been quiet for a while. */
static void raise(struct drift_monitor *w, int kind, bool changed, json_t *alert, json_t *told)
{
    struct raised *r = &w->raised[kind];
    bool raised;

    r->quiet = changed ? 0 : r->quiet + 1;
    r->seen = changed ? r->seen + 1 : 0;
    raised = changed && (r->alert || r->seen >= DRIFT_SEEN);
    if (raised && !r->alert)
        json_array_append(told, alert);
    if (raised || r->quiet >= DRIFT_QUIET) {
        json_decref(r->alert);
        r->alert = json_incref(alert);
    }
    json_decref(alert);
}

static json_t *look(struct drift_monitor *w)
{
    json_t *told = json_array(), *alert = NULL;
    const struct looked *most;
    size_t mix;
    bool changed;

    w->looks++;
    look_at_strata(w);
    most = strongest(w);
    changed = most && adjusted(w, most->result.p) <= DRIFT_LEVEL;
    if (changed) {
        const struct explanation_set set = explain(w);

        alert = alert_json(w, KINDS[SCORES], column_json(w, most->result.column), most->result.p, &set);
    }
    raise(w, SCORES, changed, alert, told);
    mix = strongest_mix(w);
    changed = adjusted(w, w->mix[mix].p) <= DRIFT_LEVEL;
    raise(w, MIX, changed, changed ? mix_alert(w, mix) : NULL, told);
    if (json_array_size(told) > 0)
        return told;
    json_decref(told);
    return NULL;
}

void drift_monitor_add(struct drift_monitor *w, const struct loaded_model *by, const struct drift_picture *p,
                       json_t **ret_alert)
{
    *ret_alert = NULL;
    pthread_mutex_lock(&w->lock);
    if (strcmp(w->model, by->id) != 0) {
        forget(w);
        snprintf(w->model, sizeof w->model, "%s", by->id);
        w->known = drift_counts_begin(by, &w->counts);
    }
    if (w->known) {
        drift_counts_add(&w->counts, p);
        if (++w->since >= DRIFT_LOOK) {
            w->since = 0;
            *ret_alert = look(w);
        }
    }
    pthread_mutex_unlock(&w->lock);
}

/* ---- what it tells ---- */

static json_t *looked_json(const struct drift_monitor *w, const struct looked *l)
{
    const struct drift_result *r = &l->result;

    return json_pack("{s:s,s:o,s:f,s:o,s:o,s:o}", "by", by_name(l->stratum.by), "name",
                     name_json(drift_stratum_name(&w->counts, l->stratum)), "pictures", r->pictures, "column",
                     r->enough ? column_json(w, r->column) : json_null(), "p",
                     r->enough ? json_real(r->p) : json_null(), "p_adjusted",
                     r->enough ? json_real(adjusted(w, r->p)) : json_null());
}

static json_t *mix_json(const struct drift_monitor *w, enum strata_by by)
{
    const struct drift_mix *m = &w->mix[by];
    json_t *shares = json_array();

    for (size_t i = 0; i < m->n; i++)
        json_array_append_new(shares, json_pack("{s:s,s:f,s:f}", "name", strata_name(by, i), "then",
                                                m->then[i], "now", m->now[i]));
    return json_pack("{s:s,s:o,s:o,s:o}", "by", STRATA_BY_NAMES[by], "p",
                     m->enough ? json_real(m->p) : json_null(), "p_adjusted",
                     m->enough ? json_real(adjusted(w, m->p)) : json_null(), "shares", shares);
}

json_t *drift_monitor_json(struct drift_monitor *w)
{
    json_t *strata = json_array(), *mix = json_array(), *raised = json_array(), *answer;

    pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < w->n_looked; i++)
        json_array_append_new(strata, looked_json(w, &w->looked[i]));
    for (int by = 0; w->looks > 0 && by < N_STRATA_BY; by++)
        json_array_append_new(mix, mix_json(w, (enum strata_by)by));
    for (int kind = 0; kind < N_KINDS; kind++)
        if (w->raised[kind].alert)
            json_array_append(raised, w->raised[kind].alert);
    answer =
        json_pack("{s:o,s:b,s:f,s:I,s:o,s:o,s:o}", "model", w->model[0] ? json_string(w->model) : json_null(),
                  "reference", (int)w->known, "pictures", w->counts.seen * drift_weight(&w->counts), "looks",
                  (json_int_t)w->looks, "raised", raised, "strata", strata, "mix", mix);
    pthread_mutex_unlock(&w->lock);
    return answer;
}

void drift_monitor_metrics(struct drift_monitor *w, struct buf *out)
{
    pthread_mutex_lock(&w->lock);
    metrics_family(out, "cxrd_drift_raised", "gauge",
                   "Whether the latest pictures' scores, or their mix, are not those of validation.");
    for (int kind = 0; w->known && kind < N_KINDS; kind++)
        buf_printf(out, "cxrd_drift_raised{kind=\"%s\"} %d\n", KINDS[kind], w->raised[kind].alert != NULL);
    metrics_family(
        out, "cxrd_drift_p", "gauge",
        "The chance of such scores without any change, corrected for all tests, by view, sex and age; of "
        "the latest look.");
    for (size_t i = 0; i < w->n_looked; i++) {
        const struct looked *l = &w->looked[i];
        const char *name = drift_stratum_name(&w->counts, l->stratum);

        if (l->result.enough && l->stratum.by != STRATA_KEY)
            buf_printf(out, "cxrd_drift_p{by=\"%s\",name=\"%s\"} %.6g\n", by_name(l->stratum.by),
                       name ? name : "unknown", adjusted(w, l->result.p));
    }
    pthread_mutex_unlock(&w->lock);
}
