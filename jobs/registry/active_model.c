/* jobs/registry/active_model.c - the model that answers, see cxrd/registry.h and follower.h.
 *
 * Invariants: `active` and `epoch` change together, and `epoch` only grows. Where the store is shared nothing answers after
 * `trusted_until`: by then the others may have stopped waiting for this server, and answer by a later epoch. A crash between the choice
 * in the store and the swap leaves the choice, which the next start, and every other server, follows. */
#include "cxrd/clock.h"
#include "cxrd/log.h"
#include "model_cache.h"
#include "parts.h"

#include <stdio.h>
#include <string.h>

enum { KEY_SIZE = 300 }; /* of an idempotency key as the store has it */

/* ---- what answers now ---- */

bool registry_fault(struct registry *r, struct registry_fault *ret)
{
    pthread_mutex_lock(&r->lock);
    *ret = r->fault;
    pthread_mutex_unlock(&r->lock);
    return ret->model[0];
}

enum status registry_serving(struct registry *r, struct loaded_model **ret, struct error *err)
{
    struct registry_fault fault;
    bool trusted;

    *ret = registry_active(r);
    if (*ret)
        return ST_OK;
    pthread_mutex_lock(&r->lock);
    trusted = registry_is_trusted(r);
    pthread_mutex_unlock(&r->lock);
    if (!trusted)
        return error_set(
            err, ST_BUSY,
            "this server has lost touch with the job database, so it cannot know which model is active");
    return registry_fault(r, &fault)
               ? error_set(err, ST_BUSY, "the active model cannot be loaded: %s", fault.why)
               : error_set(err, ST_BUSY, "no model is active yet: train one, or import one and activate it");
}

/* ---- another one ---- */

/* With `change` held, and `own` where there is a model. */
static void swap(struct registry *r, struct loaded_model *next, int64_t epoch,
                 const struct registry_fault *fault)
{
    struct loaded_model *before;

    pthread_mutex_lock(&r->lock);
    before = r->active;
    r->active = next;
    r->epoch = epoch;
    r->fault = *fault;
    pthread_mutex_unlock(&r->lock);
    loaded_model_release(before);
}

/* With `change` held: from now on it answers those who ask for no model, or for this one; `m` is taken over. One of an earlier epoch comes
 * too late. */
static void publish(struct registry *r, struct loaded_model *m, int64_t epoch)
{
    if (epoch < r->epoch) {
        loaded_model_release(m);
        return;
    }
    m->epoch = epoch;
    pthread_mutex_lock(&r->own);
    (void)model_own_read(r, m, NULL); /* else that of its card, which was read when it was loaded, holds */
    swap(r, m, epoch, &(struct registry_fault){ "" });
    pthread_mutex_unlock(&r->own);
}

/* With `change` held: go on without it, since only a running server can be given a remedy. No other model answers in its stead. */
static void fault_keep(struct registry *r, const struct epoch *e, const struct error *why)
{
    struct registry_fault fault;

    if (e->number < r->epoch)
        return;
    snprintf(fault.model, sizeof fault.model, "%s", e->model);
    snprintf(fault.why, sizeof fault.why, "%s", why->text);
    swap(r, NULL, e->number, &fault);
    log_event(LOG_ERROR, "the active model cannot be loaded: nothing is predicted until another is active",
              json_pack("{s:s,s:s,s:s*}", "model", e->model, "detail", why->text, "inner",
                        why->inner[0] ? why->inner : NULL));
}

/* Whether it may be otherwise in a moment, though nothing is changed: the next turn tries again. */
static bool is_passing(const struct registry *r, enum status st)
{
    return st == ST_NOMEM || (store_is_shared(r->store) && (st == ST_IO || st == ST_BUSY));
}

static enum status follow(void *arg, const struct epoch *e, struct error *err)
{
    struct registry *r = arg;
    struct loaded_model *m = NULL;
    struct error why = { 0 };
    enum status st = loaded_model_read(r, e->model, NULL, &m, &why);

    if (is_passing(r, st)) {
        *err = why;
        return st;
    }
    pthread_mutex_lock(&r->change);
    if (st == ST_OK)
        publish(r, m, e->number);
    else
        fault_keep(r, e, &why);
    pthread_mutex_unlock(&r->change);
    if (st == ST_OK)
        model_cache_drop(r->cache, e->model); /* it need not be there twice */
    return ST_OK;
}

/* ---- together with others ---- */

static int64_t answers_by(void *arg, char fault[sizeof((struct error *)0)->text])
{
    struct registry *r = arg;
    int64_t epoch;

    pthread_mutex_lock(&r->lock);
    epoch = r->epoch;
    snprintf(fault, sizeof((struct error *)0)->text, "%s", r->fault.model[0] ? r->fault.why : "");
    pthread_mutex_unlock(&r->lock);
    return epoch;
}

static void trust(void *arg, double until)
{
    struct registry *r = arg;

    pthread_mutex_lock(&r->lock);
    r->trusted_until = until;
    pthread_mutex_unlock(&r->lock);
}

enum status active_model_begin(struct registry *r, struct error *err)
{
    const struct follower_options options = { r->store, answers_by, follow, trust, r };
    struct epoch newest;
    enum status st;

    if (store_is_shared(r->store)) {
        st = follower_start(&options, &r->follower, err);
        if (st == ST_OK)
            shared_changes_begin(r);
        return st;
    }
    st = store_epoch(r->store, NULL, &newest, err);
    return st == ST_OK && newest.model[0] ? follow(r, &newest, err) : st;
}

void active_model_end(struct registry *r)
{
    follower_stop(r->follower);
    swap(r, NULL, r->epoch, &(struct registry_fault){ "" });
}

void registry_called(struct registry *r, const char *address)
{
    if (r->follower)
        follower_called(r->follower, address);
}

static enum status await(struct registry *r, int64_t epoch, struct error *err)
{
    return r->follower ? follower_await(r->follower, epoch, err) : ST_OK;
}

/* ---- a choice ---- */

static void count_activation(struct registry *r, bool swapped)
{
    pthread_mutex_lock(&r->lock);
    r->counts.swapped += swapped;
    r->counts.failed += !swapped;
    pthread_mutex_unlock(&r->lock);
}

struct registry_counts registry_counts(struct registry *r)
{
    struct registry_counts counts;

    pthread_mutex_lock(&r->lock);
    counts = r->counts;
    pthread_mutex_unlock(&r->lock);
    return counts;
}

/* Load first, then take the lock: a training's thread activates too, and it may be a long while before it has loaded. A
 * model that is deleted meanwhile is not found when the choice is recorded. */
static enum status activate(struct registry *r, const char *id, const struct activation *a,
                            struct registry_choice *ret, struct error *err)
{
    struct loaded_model *m = NULL;
    json_t *card = NULL;
    int64_t epoch = 0;
    enum status st = loaded_model_read(r, id, &card, &m, err);

    if (st == ST_OK) {
        pthread_mutex_lock(&r->change);
        st = store_activate(r->store, id, a, &epoch, err);
        if (st == ST_OK)
            publish(r, m, epoch);
        pthread_mutex_unlock(&r->change);
    }
    if (st == ST_OK)
        model_cache_drop(r->cache, id); /* it need not be there twice */
    else
        loaded_model_release(m);
    if (st != ST_CONFLICT) /* nobody wants it any more: no failure */
        count_activation(r, st == ST_OK);
    if (st == ST_OK)
        *ret = (struct registry_choice){ card, epoch };
    else
        json_decref(card);
    return st;
}

/* The choice that was made with this key before. Errors: ST_NOTFOUND (none was), ST_INVALID (of another model), ST_IO. */
static enum status repeated(struct registry *r, const char *id, const char *key, struct registry_choice *ret,
                            struct error *err)
{
    struct epoch before;
    json_t *card = NULL;
    enum status st = key ? store_epoch(r->store, key, &before, err) : ST_NOTFOUND;

    if (st == ST_OK && id && strcmp(id, before.model) != 0)
        st = error_set(err, ST_INVALID, "the Idempotency-Key was used before, to activate another model");
    if (st == ST_OK)
        st = store_model_get(r->store, before.model, &card, err);
    if (st == ST_OK)
        *ret = (struct registry_choice){ card, before.number };
    return st;
}

static enum status choose(struct registry *r, const char *id, const char *key, struct registry_choice *ret,
                          struct error *err)
{
    struct activation a = { .key = key };
    char previous[ID_SIZE];
    enum status st;

    if (id)
        return activate(r, id, &a, ret, err);
    st = store_previous(r->store, previous, err);
    if (st == ST_OK && !previous[0])
        return error_set(err, ST_CONFLICT, "there is no model before the active one");
    a.previous = previous;
    return st == ST_OK ? activate(r, previous, &a, ret, err) : st;
}

/* The same key of an activation and of a rollback are two keys, as the requests are. */
static enum status key_of_rollback(const char *key, char ret[KEY_SIZE], struct error *err)
{
    return snprintf(ret, KEY_SIZE, " rollback %s", key) < KEY_SIZE /* no header's value begins with a space */
               ? ST_OK
               : error_set(err, ST_INVALID, "the Idempotency-Key is too long");
}

enum status registry_choose(struct registry *r, const char *id, const char *key, struct registry_choice *ret,
                            struct error *err)
{
    char rollback[KEY_SIZE];
    enum status st = key && !id ? key_of_rollback(key, rollback, err) : ST_OK;

    if (st != ST_OK)
        return st;
    key = key && !id ? rollback : key;
    st = repeated(r, id, key, ret, err);
    if (st == ST_NOTFOUND)
        st = choose(r, id, key, ret, err);
    if (st == ST_INVALID && !id &&
        key) /* the same request was faster: the model before is another one since */
        st = repeated(r, id, key, ret, err);
    if (st == ST_OK)
        st = await(r, ret->epoch, err);
    else
        return st;
    if (st != ST_OK)
        json_decref(ret->card);
    return st;
}

enum status registry_activate(struct registry *r, const char *id, json_t **ret_card, struct error *err)
{
    struct registry_choice choice = { NULL };
    const enum status st = registry_choose(r, id, NULL, &choice, err);

    if (st == ST_OK && ret_card)
        *ret_card = choice.card;
    else if (st == ST_OK)
        json_decref(choice.card);
    return st;
}

static enum status activate_on(struct registry *r, const char *id, const struct activation *a,
                               struct error *err)
{
    struct registry_choice choice = { NULL };
    struct error why = { 0 };
    const enum status st = activate(r, id, a, &choice, err);

    if (st != ST_OK)
        return st;
    json_decref(choice.card);
    if (await(r, choice.epoch, &why) !=
        ST_OK) /* it is chosen: a server that does not know it yet will follow */
        log_error(LOG_WARN, "a model was activated", &why);
    return ST_OK;
}

enum status registry_activate_after(struct registry *r, const char *id, const char *active,
                                    const struct claim *by, struct error *err)
{
    return activate_on(r, id, &(struct activation){ .active = active, .by = by }, err);
}

enum status registry_activate_from_shadow(struct registry *r, const char *id, const char *active,
                                          struct error *err)
{
    return activate_on(r, id, &(struct activation){ .active = active, .in_shadow = true }, err);
}

enum status registry_rollback(struct registry *r, json_t **ret_card, struct error *err)
{
    struct registry_choice choice = { NULL };
    const enum status st = registry_choose(r, NULL, NULL, &choice, err);

    if (st == ST_OK && ret_card)
        *ret_card = choice.card;
    else if (st == ST_OK)
        json_decref(choice.card);
    return st;
}
