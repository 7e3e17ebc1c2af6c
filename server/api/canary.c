/* server/api/canary.c - see canary.h. */
#include "canary.h"

#include "drift.h"
#include "metrics.h"

#include "cxrd/clock.h"
#include "cxrd/json.h"
#include "cxrd/log.h"
#include "cxrd/trainer.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { REASON_SIZE = 160, LOOK_EVERY = 100 /* answers, at its scores' drift */ };

enum { OF_ACTIVE, OF_CANARY, N_OF };

struct canary {
    struct canary_options options;
    atomic_bool on; /* so that requests take no lock where there is none */

    pthread_mutex_t changing; /* held while what is in the store changes, for the disk; taken before `lock` */
    pthread_mutex_t lock;     /* guards everything below; never held for a disk */
    struct loaded_model *model; /* that answers; NULL: none does */
    char id[ID_SIZE];           /* of it, or of the one that was taken back; "": none */
    char active[ID_SIZE], since[CLOCK_TEXT_SIZE];
    char reason[REASON_SIZE]; /* why it was taken back */
    double share;
    uint64_t answers[N_OF], warned[N_OF], failed;
    uint64_t look_at; /* answers of each model at which their warnings are compared next */
    struct drift drift;
};

/* ---- what outlives the server; with `changing` held ---- */

/* A canary's settings, beside its counts. */
struct saved {
    const char *id, *active, *since, *reason;
    double share;
};

static json_t *saved_json(const struct saved *s)
{
    return json_pack("{s:s,s:s,s:s,s:f,s:s}", "model", s->id, "active", s->active, "since", s->since, "share",
                     s->share, "reason", s->reason);
}

static bool saved_read(const json_t *kept, struct saved *ret)
{
    return json_unpack((json_t *)kept, "{s:s,s:s,s:s,s:F,s:s}", "model", &ret->id, "active", &ret->active,
                       "since", &ret->since, "share", &ret->share, "reason", &ret->reason) == 0;
}

/* A canary is one of its model and its beginning. */
static bool is_same(const struct saved *a, const struct saved *b)
{
    return strcmp(a->id, b->id) == 0 && strcmp(a->since, b->since) == 0;
}

static void forget(struct canary *c)
{
    atomic_store(&c->on, false);
    loaded_model_release(c->model);
    c->model = NULL;
}

static void begin_counts(struct canary *c)
{
    memset(c->answers, 0, sizeof c->answers);
    memset(c->warned, 0, sizeof c->warned);
    c->failed = 0;
    c->look_at = CANARY_LEAST;
    c->drift = (struct drift){ .known = false };
    c->reason[0] = '\0';
}

/* The model of one that is to answer, unless it is here. NULL: it cannot be loaded. Errors: ST_IO, ST_NOMEM, ST_BUSY: not now. */
static enum status load(struct canary *c, const struct saved *kept, struct loaded_model **ret,
                        struct error *err)
{
    const enum status st = registry_named(c->options.registry, kept->id, ret, err);

    const bool passing = st == ST_IO || st == ST_NOMEM || st == ST_BUSY;

    if (st == ST_OK || (passing && store_is_shared(c->options.store)))
        return st;
    log_error(LOG_ERROR, "the canary cannot be loaded, and answers nobody", err);
    *ret = NULL;
    return ST_OK;
}

/* With both locks held: `m` is taken over. */
static void begin_anew(struct canary *c, const struct saved *kept, struct loaded_model *m)
{
    begin_counts(c);
    snprintf(c->id, sizeof c->id, "%s", kept->id);
    snprintf(c->active, sizeof c->active, "%s", kept->active);
    snprintf(c->since, sizeof c->since, "%s", kept->since);
    loaded_model_release(c->model);
    c->model = m;
    if (!m && !kept->reason[0])
        snprintf(c->reason, sizeof c->reason, "it cannot be loaded");
}

/* Become the canary that the store has, whichever server wrote it. */
static enum status take_up(struct canary *c, const struct saved *kept, struct error *err)
{
    struct loaded_model *m = NULL;
    const bool same = is_same(&(struct saved){ .id = c->id, .since = c->since }, kept);
    const enum status st = same || kept->reason[0] ? ST_OK : load(c, kept, &m, err);

    if (st != ST_OK)
        return st;
    pthread_mutex_lock(&c->lock);
    if (!same)
        begin_anew(c, kept, m);
    c->share = kept->share;
    if (kept->reason[0]) {
        snprintf(c->reason, sizeof c->reason, "%s", kept->reason);
        forget(c);
    }
    atomic_store(&c->on, c->model != NULL);
    pthread_mutex_unlock(&c->lock);
    return ST_OK;
}

static void end_here(struct canary *c)
{
    pthread_mutex_lock(&c->lock);
    forget(c);
    c->id[0] = '\0';
    pthread_mutex_unlock(&c->lock);
}

static enum status look(struct canary *c, struct error *err)
{
    json_t *kept = NULL;
    struct saved saved;
    enum status st = store_setting_get(c->options.store, "canary", &kept, err);

    if (st == ST_OK && !kept)
        end_here(c);
    else if (st == ST_OK && saved_read(kept, &saved))
        st = take_up(c, &saved, err);
    json_decref(kept);
    return st;
}

static enum status look_again(void *arg, struct error *err)
{
    struct canary *c = arg;
    enum status st;

    pthread_mutex_lock(&c->changing);
    st = look(c, err);
    pthread_mutex_unlock(&c->changing);
    return st;
}

/* ---- taken back ---- */

/* Unless another has begun or it has ended meanwhile, here or on another server, or it was taken back there. */
static enum status change_back(void *arg, json_t *now, json_t **ret, struct error *err)
{
    const struct saved *s = arg;
    struct saved kept;
    const bool same = now && saved_read(now, &kept) && is_same(&kept, s) && !kept.reason[0];

    *ret = same ? saved_json(s) : json_incref(now);
    return same && !*ret ? error_nomem(err) : ST_OK;
}

/* Write that it was taken back. */
static enum status save_as_it_is(struct canary *c, const char *id, struct error *err)
{
    char active[ID_SIZE], since[CLOCK_TEXT_SIZE], reason[REASON_SIZE];
    struct saved s = { id, active, since, reason, 0 };
    enum status st = ST_OK;
    bool same;

    pthread_mutex_lock(&c->changing);
    pthread_mutex_lock(&c->lock);
    same = strcmp(c->id, id) == 0;
    s.share = c->share;
    memcpy(active, c->active, sizeof active);
    memcpy(since, c->since, sizeof since);
    memcpy(reason, c->reason, sizeof reason);
    pthread_mutex_unlock(&c->lock);
    if (same)
        st = store_setting_change(c->options.store, "canary", true, change_back, &s, err);
    pthread_mutex_unlock(&c->changing);
    return st;
}

/* With the lock held, which is given back. It answers nobody from now on; the disk comes after. */
static void take_back(struct canary *c, const char *reason)
{
    char id[ID_SIZE];
    struct error err;
    enum status st;

    snprintf(c->reason, sizeof c->reason, "%s", reason);
    memcpy(id, c->id, sizeof id);
    forget(c);
    pthread_mutex_unlock(&c->lock);
    st = save_as_it_is(c, id, &err);
    log_event(LOG_WARN, "canary taken back", json_pack("{s:s,s:s}", "model", id, "reason", reason));
    if (st != ST_OK)
        log_error(LOG_ERROR, "that a canary was taken back is not written", &err);
    if (c->options.taken_back)
        c->options.taken_back(c->options.arg, id, reason);
}

/* By how many standard errors more of the canary's pictures were warned of. */
static double excess(const struct canary *c)
{
    const double n = (double)c->answers[OF_CANARY], m = (double)c->answers[OF_ACTIVE];
    const double p = (double)c->warned[OF_CANARY] / n, q = (double)c->warned[OF_ACTIVE] / m;
    const double both = (double)(c->warned[OF_CANARY] + c->warned[OF_ACTIVE]) / (n + m);
    const double error = sqrt(both * (1 - both) * (1 / n + 1 / m));

    return error > 0 ? (p - q) / error : 0;
}

/* Whenever there are twice as many as at the look before: who looks at every answer sees something beyond chance sooner or later. */
static bool too_many_warnings(struct canary *c, char ret[REASON_SIZE])
{
    static const double BEYOND_CHANCE = 3.0902; /* p = 0.001, one-sided */
    const uint64_t n =
        c->answers[OF_CANARY] < c->answers[OF_ACTIVE] ? c->answers[OF_CANARY] : c->answers[OF_ACTIVE];

    if (n < c->look_at)
        return false;
    c->look_at *= 2;
    if (excess(c) <= BEYOND_CHANCE)
        return false;
    snprintf(ret, REASON_SIZE,
             "warnings: its input gate warned of %llu of %llu pictures, the active model's of %llu of %llu",
             (unsigned long long)c->warned[OF_CANARY], (unsigned long long)c->answers[OF_CANARY],
             (unsigned long long)c->warned[OF_ACTIVE], (unsigned long long)c->answers[OF_ACTIVE]);
    return true;
}

static bool drifted(const struct canary *c, char ret[REASON_SIZE])
{
    double psi[MAX_LABELS], latest;

    if (c->answers[OF_CANARY] % LOOK_EVERY != 0 || !drift_psi(&c->drift, psi, &latest))
        return false;
    for (size_t k = 0; k < c->drift.labels.n; k++)
        if (psi[k] > CANARY_DRIFT) {
            snprintf(ret, REASON_SIZE, "drift: the stability index of its scores of %s is %.3f, above %.2f",
                     c->drift.labels.names[k], psi[k], CANARY_DRIFT);
            return true;
        }
    return false;
}

/* ---- requests ---- */

/* Uniform in 0..1 (SplitMix64). */
static double uniform(uint64_t x)
{
    x += 0x9e3779b97f4a7c15U;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    x ^= x >> 31;
    return (double)(x >> 11) * 0x1p-53;
}

struct loaded_model *canary_choose(struct canary *c, const struct loaded_model *active, uint64_t key)
{
    struct loaded_model *m = NULL;

    if (!atomic_load(&c->on))
        return NULL;
    pthread_mutex_lock(&c->lock);
    if (c->model && strcmp(active->id, c->active) != 0) {
        take_back(c, "another model became active");
        return NULL;
    }
    if (c->model && uniform(key) < c->share)
        m = loaded_model_hold(c->model);
    pthread_mutex_unlock(&c->lock);
    return m;
}

/* It ends as soon as somebody looks at it after another model became active: a request to be answered, or one for what is told of it. */
static void settle(struct canary *c)
{
    struct loaded_model *active = atomic_load(&c->on) ? registry_active(c->options.registry) : NULL;

    if (active)
        loaded_model_release(canary_choose(c, active, 0));
    loaded_model_release(active);
}

void canary_answered(struct canary *c, const struct loaded_model *by, bool warned,
                     const json_t *probabilities)
{
    char reason[REASON_SIZE];
    int of;

    if (!atomic_load(&c->on))
        return;
    pthread_mutex_lock(&c->lock);
    of = c->model && strcmp(by->id, c->id) == 0 ? OF_CANARY : OF_ACTIVE;
    if (c->model && (of == OF_CANARY || strcmp(by->id, c->active) == 0)) {
        c->answers[of]++;
        c->warned[of] += warned;
        if (of == OF_CANARY)
            drift_add(&c->drift, by, probabilities);
        if (too_many_warnings(c, reason) || (of == OF_CANARY && drifted(c, reason))) {
            take_back(c, reason);
            return;
        }
    }
    pthread_mutex_unlock(&c->lock);
}

void canary_failed(struct canary *c, const struct loaded_model *by)
{
    pthread_mutex_lock(&c->lock);
    if (c->model && strcmp(by->id, c->id) == 0) {
        c->failed++;
        take_back(c, "errors: its result for a picture was not a finite number");
        return;
    }
    pthread_mutex_unlock(&c->lock);
}

/* ---- begin and end ---- */

enum status canary_start(const struct canary_options *options, struct canary **ret_canary, struct error *err)
{
    struct canary *c = calloc(1, sizeof *c);
    enum status st;

    if (!c)
        return error_nomem(err);
    c->options = *options;
    pthread_mutex_init(&c->changing, NULL);
    pthread_mutex_init(&c->lock, NULL);
    st = look(c, err);
    if (st != ST_OK) {
        canary_stop(c);
        return st;
    }
    registry_follow(options->registry, SHARED_CANARY, look_again, c);
    *ret_canary = c;
    return ST_OK;
}

void canary_stop(struct canary *c)
{
    if (!c)
        return;
    registry_follow(c->options.registry, SHARED_CANARY, NULL, NULL);
    loaded_model_release(c->model);
    pthread_mutex_destroy(&c->lock);
    pthread_mutex_destroy(&c->changing);
    free(c);
}

/* Whether `m` may take requests of `active`; `id`: the canary that answers now, "" for none. */
static enum status check(const char *id, const struct loaded_model *active, const struct loaded_model *m,
                         struct error *err)
{
    if (id[0] && strcmp(id, m->id) != 0)
        return error_set(err, ST_CONFLICT, "the model '%s' is the canary: end that first", id);
    if (!active)
        return error_set(err, ST_CONFLICT, "no model is active that this one could take requests of");
    if (strcmp(active->id, m->id) == 0)
        return error_set(err, ST_CONFLICT, "the model is active: it answers all requests");
    if (!labels_equal(model_labels(active->model), model_labels(m->model)))
        return error_set(
            err, ST_CONFLICT,
            "the active model answers for other findings: callers would get now these, now those");
    return ST_OK;
}

struct beginning {
    const struct saved *now;
    char before[CLOCK_TEXT_SIZE]; /* when the old canary began; "": there was no canary */
};

/* A canary that another server began, and this one has not read yet, stays. */
static enum status change_begin(void *arg, json_t *now, json_t **ret, struct error *err)
{
    const struct beginning *b = arg;
    struct saved kept = { .reason = "", .since = "" };
    const bool is = now && saved_read(now, &kept);

    if (is && !kept.reason[0] && strcmp(kept.since, b->before) != 0)
        return error_set(err, ST_CONFLICT, "the model '%.36s' is the canary: end that first", kept.id);
    if (is && kept.reason[0] &&
        strcmp(kept.since, b->now->since) == 0) /* taken back a moment ago: it stays so */
        *ret = json_incref(now);
    else
        *ret = saved_json(b->now);
    return *ret ? ST_OK : error_nomem(err);
}

/* With `changing` held; the model is loaded. First to the store, then to memory; if the store fails, memory stays as it was. A canary whose
 * share alone changes may have been taken back meanwhile, and stays so. */
static enum status begin(struct canary *c, struct loaded_model *m, double share, struct error *err)
{
    struct loaded_model *active = registry_active(c->options.registry);
    char id[ID_SIZE], since[CLOCK_TEXT_SIZE];
    struct saved now = { m->id, "", since, "", share };
    struct beginning b = { .now = &now };
    bool anew;
    enum status st;

    pthread_mutex_lock(&c->lock);
    snprintf(id, sizeof id, "%s", c->model ? c->id : "");
    memcpy(since, c->since, sizeof since);
    snprintf(b.before, sizeof b.before, "%s", c->model || !store_is_shared(c->options.store) ? since : "");
    anew = !c->model || !active || strcmp(c->active, active->id) != 0;
    pthread_mutex_unlock(&c->lock);
    st = check(id, active, m, err);
    if (st == ST_OK) {
        now.active = active->id;
        if (anew)
            clock_utc(since);
        st = store_setting_change(c->options.store, "canary", true, change_begin, &b, err);
    }
    if (st == ST_OK) {
        pthread_mutex_lock(&c->lock);
        if (anew)
            begin_anew(c, &now, loaded_model_hold(m));
        c->share = share;
        atomic_store(&c->on, c->model != NULL);
        pthread_mutex_unlock(&c->lock);
    }
    loaded_model_release(active);
    return st;
}

enum status canary_begin(struct canary *c, const char *id, double share, struct error *err)
{
    struct loaded_model *m = NULL;
    enum status st = registry_named(c->options.registry, id, &m, err);

    if (st != ST_OK)
        return st;
    pthread_mutex_lock(&c->changing);
    st = look(c, err); /* another server may have changed it a moment ago */
    if (st == ST_OK)
        st = begin(c, m, share, err);
    pthread_mutex_unlock(&c->changing);
    loaded_model_release(m);
    return st;
}

static enum status not_there(const char *id, struct error *err)
{
    return error_set(err, ST_NOTFOUND, "the model '%s' is no canary", id);
}

static enum status change_end(void *arg, json_t *now, json_t **ret, struct error *err)
{
    const char *id = json_string_value(json_object_get(now, "model"));

    *ret = NULL;
    return id && strcmp(id, arg) == 0 ? ST_OK : not_there(arg, err);
}

enum status canary_end(struct canary *c, const char *id, struct error *err)
{
    enum status st;

    pthread_mutex_lock(&c->changing); /* under which alone c->id changes */
    st = store_setting_change(c->options.store, "canary", true, change_end, (void *)id, err);
    if (st == ST_OK)
        end_here(c);
    pthread_mutex_unlock(&c->changing);
    return st;
}

enum status canary_json(struct canary *c, const char *id, json_t **ret, struct error *err)
{
    enum status st = ST_OK;

    settle(c);
    pthread_mutex_lock(&c->lock);
    if (strcmp(c->id, id) != 0)
        st = not_there(id, err);
    else
        *ret = json_pack("{s:s,s:s,s:s,s:f,s:s,s:o,s:I,s:I,s:I,s:I,s:I}", "model", c->id, "active", c->active,
                         "since", c->since, "share", c->share, "state", c->model ? "answers" : "taken back",
                         "reason", c->reason[0] ? json_string(c->reason) : json_null(), "answers",
                         (json_int_t)c->answers[OF_CANARY], "warned", (json_int_t)c->warned[OF_CANARY],
                         "failed", (json_int_t)c->failed, "active_answers", (json_int_t)c->answers[OF_ACTIVE],
                         "active_warned", (json_int_t)c->warned[OF_ACTIVE]);
    pthread_mutex_unlock(&c->lock);
    return st;
}

json_t *canary_model(struct canary *c)
{
    json_t *id;

    settle(c);
    pthread_mutex_lock(&c->lock);
    id = c->id[0] ? json_string(c->id) : json_null();
    pthread_mutex_unlock(&c->lock);
    return id;
}

void canary_metrics(struct canary *c, struct buf *out)
{
    settle(c);
    pthread_mutex_lock(&c->lock);
    if (c->id[0]) {
        metrics_family(out, "cxrd_canary_share", "gauge",
                       "The part of the requests that the canary answers; 0: it was taken back.");
        buf_printf(out, "cxrd_canary_share{model_version=\"%s\"} %g\n", c->id, c->model ? c->share : 0);
        metrics_family(out, "cxrd_canary_answers", "gauge", "Answers of the canary since it began.");
        buf_printf(out, "cxrd_canary_answers{model_version=\"%s\"} %llu\n", c->id,
                   (unsigned long long)c->answers[OF_CANARY]);
    }
    pthread_mutex_unlock(&c->lock);
}
