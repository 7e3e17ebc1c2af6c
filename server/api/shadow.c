/* server/api/shadow.c - see shadow.h. */
#include "shadow_parts.h"

#include "answer.h"
#include "kept_row.h"
#include "metrics.h"
#include "prediction_pool.h"

#include "cxrd/clock.h"
#include "cxrd/feedback_paired.h"
#include "cxrd/interim.h"
#include "cxrd/json.h"
#include "cxrd/log.h"
#include "cxrd/pool.h"
#include "cxrd/score_writer.h"
#include "cxrd/session.h"
#include "cxrd/shadow_decision.h"
#include "cxrd/thread.h"

#include <errno.h>
#include <math.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    MOST_BYTES = 64 << 20, /* of the pictures in them */
    LOOK_MS = 2,           /* how often it looks whether somebody still predicts */
};
static const double SAVE_S = 30, LOST_S = 120;

/* ---- handing over ---- */

static uint64_t key_of(const char *event)
{
    uint64_t key = 0;

    for (; *event; event++)
        key = key * 31 + (unsigned char)*event;
    return key;
}

static struct slot *claim(struct shadow *s)
{
    for (size_t i = 0; i < SLOTS; i++) {
        int expected = FREE;

        if (atomic_compare_exchange_strong(&s->slots[i].state, &expected, FILLING))
            return &s->slots[i];
    }
    return NULL;
}

void shadow_offer(struct shadow *s, const char *event, struct answer *a, const struct kept_scores *row)
{
    const size_t bytes = a->image.width * a->image.height;
    struct slot *slot;

    if (!atomic_load(&s->on) || a->named || a->canary || !a->image.grey)
        return;
    if (atomic_fetch_add(&s->bytes, bytes) + bytes > MOST_BYTES) {
        atomic_fetch_sub(&s->bytes, bytes);
        atomic_fetch_add(&s->shed_memory, 1);
        return;
    }
    slot = claim(s);
    if (!slot) {
        atomic_fetch_sub(&s->bytes, bytes);
        atomic_fetch_add(&s->shed_queue, 1);
        return;
    }
    slot->bytes = bytes;
    slot->since = clock_seconds();
    slot->image = a->image;
    a->image = (struct image)IMAGE_INIT;
    slot->values = a->prediction.values;
    slot->operating = a->prediction.operating.name;
    slot->row = *row;
    slot->ms = a->prediction.timing.preprocess + a->prediction.timing.forward;
    atomic_store(&slot->event, key_of(event));
    atomic_store(&slot->state, WAITING);
}

void shadow_answered(struct shadow *s, const char *event)
{
    if (!s || !atomic_load(&s->on))
        return;
    for (size_t i = 0; i < SLOTS; i++) {
        int expected = WAITING;

        if (atomic_load(&s->slots[i].state) == WAITING && atomic_load(&s->slots[i].event) == key_of(event) &&
            atomic_compare_exchange_strong(&s->slots[i].state, &expected, READY))
            sem_post(&s->ready);
    }
}

/* ---- the thread ---- */

static void let_go(struct shadow *s, struct slot *slot)
{
    image_release(&slot->image);
    atomic_fetch_sub(&s->bytes, slot->bytes);
    atomic_store(&slot->state, FREE);
}

/* The picture that has waited longest, of those whose answers have left; NULL: none. */
static struct slot *oldest(struct shadow *s)
{
    struct slot *found = NULL;

    for (size_t i = 0; i < SLOTS; i++)
        if (atomic_load(&s->slots[i].state) == READY && (!found || s->slots[i].since < found->since))
            found = &s->slots[i];
    return found;
}

/* With the lock held: no model is its own shadow. Whether the candidate is the active model; where a training asked for it, the promoter ends its
 * trial, and says so. */
static bool end_of_itself(struct shadow *s, const char *active)
{
    const bool itself = s->candidate && strcmp(s->candidate->id, active) == 0;

    if (itself && !s->promotion.job[0]) {
        struct error err;
        enum status st;

        log_event(LOG_INFO, "the model in the shadow became active: its shadow ends",
                  json_pack("{s:s}", "model", active));
        shadow_drop(s);
        st = shadow_remove(s, active, &err);
        if (st != ST_OK && st != ST_NOTFOUND)
            log_error(LOG_ERROR, "the end of a shadow is not written", &err);
    }
    return itself;
}

/* Before anything is told of it. */
static void settle(struct shadow *s)
{
    struct loaded_model *active = atomic_load(&s->on) ? registry_active(s->options.registry) : NULL;

    if (!active)
        return;
    pthread_mutex_lock(&s->lock);
    end_of_itself(s, active->id);
    pthread_mutex_unlock(&s->lock);
    loaded_model_release(active);
}

/* The candidate, held, if it is to look at what this model answered; NULL: it is not. */
static struct loaded_model *candidate_for(struct shadow *s, const char *active)
{
    struct loaded_model *m = NULL;
    bool itself;

    pthread_mutex_lock(&s->lock);
    itself = end_of_itself(s, active);
    if (s->candidate && !itself && strcmp(s->active, active) != 0)
        shadow_count_anew(s, active); /* another model answers: the counts are of the pair before */
    if (s->candidate && !itself)
        m = loaded_model_hold(s->candidate);
    pthread_mutex_unlock(&s->lock);
    return m;
}

static void count(struct shadow *s, const struct slot *slot, const struct loaded_model *m, enum status st,
                  const struct prediction *p, const struct kept_scores *other)
{
    const struct shadow_pair pair = { .probability = { slot->row.probability, other->probability },
                                      .known = { slot->row.known, other->known },
                                      .positive = { slot->row.positive, other->positive },
                                      .ms = { slot->ms, p->timing.preprocess + p->timing.forward } };

    pthread_mutex_lock(&s->lock);
    if (s->candidate == m && strcmp(s->active, slot->row.model) == 0) {
        if (st == ST_OK && slot->row.n == s->counts.labels.n) {
            shadow_count(&s->counts, &pair);
            shadow_count(&s->fresh, &pair);
        } else {
            s->counts.failed++;
            s->fresh.failed++;
        }
    }
    pthread_mutex_unlock(&s->lock);
}

/* The candidate's thresholds of the kind that the answer was held against; where it has none it has no verdict. */
static enum status hold_against(const char *name, struct loaded_model *m, struct operating *ret)
{
    const struct own_thresholds own = loaded_model_own(m);
    struct error err;
    const enum status st = operate_at(name, m->model, &own, ret, &err);

    if (st != ST_UNUSABLE)
        return st;
    *ret = (struct operating){ .name = name };
    for (size_t k = 0; k < MAX_LABELS; k++)
        ret->threshold[k] = NAN;
    return ST_OK;
}

static void look_at(struct shadow *s, struct slot *slot, struct loaded_model *m)
{
    struct question question = { .explain = EXPLAIN_NONE, .values = slot->values, .policy = POLICY_WARN };
    struct prediction p = { .looked = false };
    struct kept_scores other = { .n = 0 };
    struct profile *profile = NULL;
    struct error err;
    enum status st = hold_against(slot->operating, m, &question.operating);

    if (st == ST_OK)
        st = profiles_of(s->options.profiles, m->id, &profile, &err);
    question.profile = profile;
    if (st == ST_OK)
        st = predict_image(m->model, s->session, NULL, &slot->image, &question, &p, &err);
    if (st == ST_OK) {
        kept_row(m, profile, &p, &other);
        other.shadow = true;
        memcpy(other.id, slot->row.id, sizeof other.id);
        other.at = slot->row.at;
    }
    count(s, slot, m, st, &p, &other);
    if (st == ST_OK && other.id[0])
        score_writer_add(s->options.score_writer, m, &other);
    profile_release(profile);
}

static void work_off(struct shadow *s, struct slot *slot)
{
    struct loaded_model *m = candidate_for(s, slot->row.model);

    if (m)
        look_at(s, slot, m);
    loaded_model_release(m);
    let_go(s, slot);
}

/* Those of whose answers nobody said that they had left; it does not happen. */
static void drop_lost(struct shadow *s)
{
    for (size_t i = 0; i < SLOTS; i++) {
        int expected = WAITING;

        if (atomic_load(&s->slots[i].state) == WAITING && clock_seconds() - s->slots[i].since > LOST_S &&
            atomic_compare_exchange_strong(&s->slots[i].state, &expected, FILLING))
            let_go(s, &s->slots[i]);
    }
}

static void pause_ms(long ms)
{
    const struct timespec t = { 0, ms * 1000000 };

    nanosleep(&t, NULL);
}

static void wait_a_second(struct shadow *s)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec++;
    sem_timedwait(&s->ready, &t);
}

/* With the lock held. Where others share the store they may have some. */
static bool has_news(const struct shadow *s)
{
    return s->anew || s->fresh.pictures + s->fresh.failed > 0 || store_is_shared(s->options.store);
}

static void save_now(struct shadow *s)
{
    struct error err;

    pthread_mutex_lock(&s->lock);
    if (s->candidate && has_news(s) && shadow_save(s, NULL, &err) != ST_OK)
        log_error(LOG_WARN, "what is counted of a shadow is not written", &err);
    pthread_mutex_unlock(&s->lock);
}

static void *shadow_main(void *arg)
{
    struct shadow *s = arg;
    double save_at = clock_seconds() + SAVE_S;

    thread_set_class(POOL_BACKGROUND);
    while (!atomic_load(&s->stop)) {
        struct slot *slot = oldest(s);

        if (!slot)
            wait_a_second(s);
        else if (prediction_pool_predicting(s->options.pool) > 0)
            pause_ms(LOOK_MS);
        else
            work_off(s, slot);
        if (clock_seconds() >= save_at) {
            drop_lost(s);
            save_now(s);
            save_at = clock_seconds() + SAVE_S;
        }
    }
    save_now(s);
    return NULL;
}

/* ---- begin and end ---- */

enum status shadow_start(const struct shadow_options *options, struct shadow **ret_shadow, struct error *err)
{
    struct shadow *s = calloc(1, sizeof *s);
    enum status st;

    if (!s)
        return error_nomem(err);
    s->options = *options;
    pthread_mutex_init(&s->lock, NULL);
    sem_init(&s->ready, 0, 0);
    st = session_new(&s->session) == ST_OK ? ST_OK : error_nomem(err);
    if (st == ST_OK)
        st = shadow_look_again(s, err);
    if (st == ST_OK)
        st = thread_start(&s->thread, shadow_main, s, "the thread of the shadow", err);
    s->started = st == ST_OK;
    if (st != ST_OK) {
        shadow_stop(s);
        return st;
    }
    registry_follow(options->registry, SHARED_SHADOW, shadow_look_again, s);
    *ret_shadow = s;
    return ST_OK;
}

void shadow_stop(struct shadow *s)
{
    if (!s)
        return;
    registry_follow(s->options.registry, SHARED_SHADOW, NULL, NULL);
    atomic_store(&s->stop, true);
    sem_post(&s->ready);
    if (s->started)
        pthread_join(s->thread, NULL);
    for (size_t i = 0; i < SLOTS; i++)
        image_release(&s->slots[i].image);
    loaded_model_release(s->candidate);
    session_free(s->session);
    sem_destroy(&s->ready);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* With the lock held; the model is loaded. A training that was resumed may ask again, with another model. */
static enum status begin(struct shadow *s, struct loaded_model *m, const struct shadow_promotion *promotion,
                         struct error *err)
{
    struct loaded_model *active = registry_active(s->options.registry);
    enum status st = ST_OK;

    if (s->candidate && promotion && strcmp(s->promotion.job, promotion->job) == 0)
        shadow_drop(s);
    if (s->candidate && strcmp(s->candidate->id, m->id) != 0)
        st = error_set(err, ST_CONFLICT, "the model '%s' is in the shadow: end that first", s->candidate->id);
    else if (!active)
        st = error_set(err, ST_CONFLICT, "no model is active, so there is none to be the shadow of");
    else if (strcmp(active->id, m->id) == 0)
        st = error_set(err, ST_CONFLICT, "the model is active: it cannot be its own shadow");
    else if (promotion && strcmp(active->id, promotion->active) != 0)
        st = error_set(err, ST_CONFLICT, "another model became active than it was compared with");
    else if (!labels_equal(model_labels(active->model), model_labels(m->model)))
        st = error_set(err, ST_CONFLICT,
                       "the active model answers for other findings: the two cannot be "
                       "compared");
    if (st == ST_OK && !s->candidate) {
        s->candidate = loaded_model_hold(m);
        if (promotion)
            s->promotion = *promotion;
        shadow_count_anew(s, active->id);
        st = shadow_keep(s, err);
        if (st != ST_OK)
            shadow_drop(s);
        atomic_store(&s->on, st == ST_OK);
    }
    loaded_model_release(active);
    return st;
}

/* Another server may have changed it a moment ago. */
static enum status follow_others(struct shadow *s, struct error *err)
{
    return store_is_shared(s->options.store) ? shadow_look_again(s, err) : ST_OK;
}

enum status shadow_begin(struct shadow *s, const char *id, const struct shadow_promotion *promotion,
                         struct error *err)
{
    struct loaded_model *m = NULL;
    enum status st = follow_others(s, err);

    if (st == ST_OK)
        st = registry_named(s->options.registry, id, &m, err);
    if (st != ST_OK)
        return st;
    pthread_mutex_lock(&s->lock);
    st = begin(s, m, promotion, err);
    pthread_mutex_unlock(&s->lock);
    loaded_model_release(m);
    return st;
}

/* With the lock held. */
static enum status end_write(struct shadow *s, const struct shadow_outcome *o, struct error *err)
{
    char now[CLOCK_TEXT_SIZE];
    json_t *outcome;
    enum status st;

    if (!s->promotion.job[0])
        return shadow_remove(s, s->candidate->id, err);
    outcome = json_pack("{s:s,s:s,s:I,s:s}", "state", o->state, "reason", o->reason, "seen",
                        (json_int_t)s->counts.pictures, "ended_at", clock_utc(now));
    st = store_shadow_end(s->options.store, s->promotion.job, s->candidate->id, outcome,
                          strcmp(o->state, "activated") == 0, err);
    json_decref(outcome);
    return st;
}

enum status shadow_end(struct shadow *s, const char *id, const struct shadow_outcome *outcome,
                       struct error *err)
{
    struct shadow_promotion promotion;
    enum status st = follow_others(s, err);

    if (st != ST_OK)
        return st;
    pthread_mutex_lock(&s->lock);
    promotion = s->promotion;
    if (!s->candidate) /* it could not be loaded here: the store alone has it, or nobody does */
        st = shadow_remove(s, id, err);
    else
        st = strcmp(s->candidate->id, id) == 0 ? end_write(s, outcome, err) : shadow_not_there(id, err);
    if (st == ST_OK)
        shadow_drop(s);
    pthread_mutex_unlock(&s->lock);
    if (st == ST_OK && promotion.job[0] && s->options.ended)
        s->options.ended(s->options.arg, &promotion, outcome);
    return st;
}

static int64_t seconds_of(const char *time)
{
    double seconds = 0;

    (void)clock_parse(time, &seconds);
    return (int64_t)seconds;
}

bool shadow_trial(struct shadow *s, struct shadow_trial *ret)
{
    bool is_one;

    pthread_mutex_lock(&s->lock);
    is_one = s->candidate && s->promotion.job[0];
    if (is_one)
        *ret = (struct shadow_trial){ s->promotion, s->counts, seconds_of(s->since) };
    pthread_mutex_unlock(&s->lock);
    return is_one;
}

/* ---- what is known ---- */

struct state {
    char active[ID_SIZE], since[CLOCK_TEXT_SIZE];
    struct shadow_promotion promotion;
    struct shadow_counts counts;
    struct interim interim;
};

static enum status look(struct shadow *s, const char *id, struct state *ret, struct error *err)
{
    enum status st = ST_OK;

    pthread_mutex_lock(&s->lock);
    if (!s->candidate || strcmp(s->candidate->id, id) != 0) {
        st = shadow_not_there(id, err);
    } else {
        memcpy(ret->active, s->active, sizeof ret->active);
        memcpy(ret->since, s->since, sizeof ret->since);
        ret->counts = s->counts;
        ret->promotion = s->promotion;
        ret->interim = s->interim;
    }
    pthread_mutex_unlock(&s->lock);
    return st;
}

/* The rows of the operating point that most are of; NULL: readers spoke of no prediction that both made. */
static const struct feedback_rows *most_rows(const struct feedback_groups *g)
{
    const struct feedback_rows *most = NULL;

    for (size_t i = 0; i < g->n; i++)
        if (g->groups[i].n > 0 && (!most || g->groups[i].n > most->n))
            most = &g->groups[i];
    return most;
}

/* Compare the two by the words of readers, in `paired`.
 *   since       of pictures that were answered from then on
 *   ret_groups  release it in any case
 *   ret_rows    of it: those that were compared; NULL: there are none */
static enum status pair(struct shadow *s, const char *active, const char *id, int64_t since,
                        struct feedback_groups *ret_groups, const struct feedback_rows **ret_rows,
                        struct feedback_paired *paired, struct error *err)
{
    const enum status st = feedback_collect(s->options.store, active, id, since, ret_groups, err);

    *ret_rows = st == ST_OK ? most_rows(ret_groups) : NULL;
    return *ret_rows && feedback_pair(*ret_rows, paired) != ST_OK ? error_nomem(err) : st;
}

enum status shadow_judge(struct shadow *s, const struct shadow_trial *t, bool *ret_allowed,
                         char ret_reason[REASON_TEXT], struct error *err)
{
    struct feedback_paired *paired = malloc(sizeof *paired);
    struct feedback_groups groups = { NULL, 0 };
    const struct feedback_rows *rows;
    enum status st =
        paired ? pair(s, t->promotion.active, t->promotion.model, t->since, &groups, &rows, paired, err)
               : error_nomem(err);

    if (st == ST_OK)
        *ret_allowed = shadow_decide(&t->counts, t->promotion.discordance, rows ? paired : NULL, ret_reason);
    feedback_groups_release(&groups);
    free(paired);
    return st;
}

/* Make the planned analysis that is due, which is on the disk before anybody is told of it.
 *   of           what `paired` is of; nothing is made where the candidate or the active model changed meanwhile
 *   ret_interim  those that were made, of the same two */
static enum status analyse(struct shadow *s, const char *id, const struct state *of,
                           const struct feedback_paired *paired, struct interim *ret_interim,
                           struct error *err)
{
    enum status st = ST_OK;

    pthread_mutex_lock(&s->lock);
    *ret_interim = of->interim;
    if (s->candidate && strcmp(s->candidate->id, id) == 0 && strcmp(s->since, of->since) == 0) {
        struct interim next = s->interim;

        if (interim_analyse(&next, paired)) /* one is due; another server may have made it */
            st = shadow_save(s, paired, err);
        *ret_interim = s->interim;
    }
    pthread_mutex_unlock(&s->lock);
    return st;
}

static json_t *feedback_of(const struct feedback_rows *rows, const struct feedback_paired *paired,
                           const struct interim *interim)
{
    static const char *const VERDICTS[] = { "worse", "not told apart", "better" };
    const size_t next = interim_next(interim);
    json_t *ret = feedback_paired_json(paired, &rows->labels);

    json_object_set_new(ret, "operating_point", json_string(rows->operating));
    json_object_set_new(ret, "candidate_is", json_string(VERDICTS[interim_verdict(interim) + 1]));
    json_object_set_new(ret, "analyses", interim_json(interim));
    json_object_set_new(ret, "next_analysis", next ? json_integer((json_int_t)next) : json_null());
    return ret;
}

/*   ret_told  as interim_verdict() says */
static enum status paired_json(struct shadow *s, const char *id, const struct state *state, json_t **ret,
                               int *ret_told, struct error *err)
{
    struct feedback_paired *paired = malloc(sizeof *paired);
    struct feedback_groups groups = { NULL, 0 };
    const struct feedback_rows *rows = NULL;
    struct interim interim = state->interim;
    enum status st = paired
                         ? pair(s, state->active, id, seconds_of(state->since), &groups, &rows, paired, err)
                         : error_nomem(err);

    if (st == ST_OK && rows)
        st = analyse(s, id, state, paired, &interim, err);
    if (st == ST_OK) {
        *ret = rows ? feedback_of(rows, paired, &interim) : json_null();
        *ret_told = interim_verdict(&interim);
    }
    feedback_groups_release(&groups);
    free(paired);
    return st;
}

enum status shadow_json(struct shadow *s, const char *id, json_t **ret, struct error *err)
{
    struct state *state = calloc(1, sizeof *state);
    json_t *paired = NULL, *counts;
    int told = 0;
    enum status st;

    settle(s);
    st = state ? look(s, id, state, err) : error_nomem(err);
    if (st == ST_OK)
        st = paired_json(s, id, state, &paired, &told, err);
    if (st == ST_OK) {
        counts = shadow_counts_json(&state->counts);
        *ret = json_pack("{s:s,s:s,s:s,s:{s:I,s:I}}", "model", id, "active", state->active, "since",
                         state->since, "shed", "queue", (json_int_t)atomic_load(&s->shed_queue), "memory",
                         (json_int_t)atomic_load(&s->shed_memory));
        json_object_update(*ret, counts);
        json_object_set_new(*ret, "promotion", shadow_promotion_json(&state->promotion));
        json_object_set_new(*ret, "feedback", paired);
        json_decref(counts);
    }
    free(state);
    return st;
}

enum status shadow_passed(struct shadow *s, const char *id, size_t pictures, struct error *err)
{
    struct state *state = calloc(1, sizeof *state);
    struct loaded_model *active = registry_active(s->options.registry);
    json_t *paired = NULL;
    int told = 0;
    enum status st = state ? look(s, id, state, err) : error_nomem(err);

    if (st == ST_NOTFOUND)
        st = ST_CONFLICT;
    if (st == ST_OK && (!active || strcmp(active->id, state->active) != 0))
        st = error_set(err, ST_CONFLICT, "another model became active since the model is in the shadow");
    if (st == ST_OK && state->counts.pictures < pictures)
        st = error_set(err, ST_CONFLICT, "the model was in the shadow of %llu pictures, not yet of %zu",
                       (unsigned long long)state->counts.pictures, pictures);
    if (st == ST_OK)
        st = paired_json(s, id, state, &paired, &told, err);
    if (st == ST_OK && told < 0)
        st = error_set(err, ST_CONFLICT,
                       "by what readers say the model is worse than the active one: the gain in macro AUROC "
                       "is below 0");
    json_decref(paired);
    loaded_model_release(active);
    free(state);
    return st;
}

json_t *shadow_model(struct shadow *s)
{
    json_t *id;

    settle(s);
    pthread_mutex_lock(&s->lock);
    id = s->candidate ? json_string(s->candidate->id) : json_null();
    pthread_mutex_unlock(&s->lock);
    return id;
}

void shadow_metrics(struct shadow *s, struct buf *out)
{
    struct shadow_counts *counts = calloc(1, sizeof *counts);
    char model[ID_SIZE] = "";

    if (!counts)
        return;
    settle(s);
    pthread_mutex_lock(&s->lock);
    if (s->candidate) {
        *counts = s->counts;
        snprintf(model, sizeof model, "%s", s->candidate->id);
    }
    pthread_mutex_unlock(&s->lock);
    metrics_family(out, "cxrd_shadow_shed_total", "counter",
                   "Pictures that the model in the shadow was not asked about, by the reason.");
    buf_printf(out, "cxrd_shadow_shed_total{reason=\"queue\"} %llu\n",
               (unsigned long long)atomic_load(&s->shed_queue));
    buf_printf(out, "cxrd_shadow_shed_total{reason=\"memory\"} %llu\n",
               (unsigned long long)atomic_load(&s->shed_memory));
    if (model[0]) {
        metrics_family(out, "cxrd_shadow_pictures", "gauge",
                       "Pictures that the model in the shadow was asked about.");
        buf_printf(out, "cxrd_shadow_pictures{model_version=\"%s\"} %llu\n", model,
                   (unsigned long long)counts->pictures);
        metrics_family(out, "cxrd_shadow_failed", "gauge", "Those that it could not answer.");
        buf_printf(out, "cxrd_shadow_failed{model_version=\"%s\"} %llu\n", model,
                   (unsigned long long)counts->failed);
        metrics_family(out, "cxrd_shadow_discordance", "gauge",
                       "The part of the pictures that it or the active model calls alone.");
        for (size_t k = 0; k < counts->labels.n; k++) {
            const double value = shadow_figures(counts, k).discordance.value;

            if (!isnan(value))
                buf_printf(out, "cxrd_shadow_discordance{label=\"%s\",model_version=\"%s\"} %.9g\n",
                           counts->labels.names[k], model, value);
        }
    }
    free(counts);
}
