/* server/api/shadow_kept.c - what the store has of a model in the shadow, see shadow_parts.h: it outlives the server, and servers that share
 * the store have one candidate, and one sum of what each of them counts. */
#include "shadow_parts.h"

#include "cxrd/json.h"
#include "cxrd/log.h"

#include <stdlib.h>
#include <string.h>

json_t *shadow_promotion_json(const struct shadow_promotion *p)
{
    if (!p->job[0])
        return json_null();
    return json_pack("{s:s,s:s,s:I,s:s,s:f}", "job", p->job, "active", p->active, "pictures",
                     (json_int_t)p->pictures, "until", p->until, "max_discordance", p->discordance);
}

static void promotion_read(const json_t *kept, const char *model, struct shadow_promotion *ret)
{
    const char *job, *active, *until;
    json_int_t pictures;

    *ret = (struct shadow_promotion){ .job = "" };
    if (json_unpack((json_t *)kept, "{s:s,s:s,s:I,s:s,s:F}", "job", &job, "active", &active, "pictures",
                    &pictures, "until", &until, "max_discordance", &ret->discordance) != 0)
        return;
    snprintf(ret->job, sizeof ret->job, "%s", job);
    snprintf(ret->model, sizeof ret->model, "%s", model);
    snprintf(ret->active, sizeof ret->active, "%s", active);
    snprintf(ret->until, sizeof ret->until, "%s", until);
    ret->pictures = (uint64_t)pictures;
}

/* A candidate as the store is to have it. */
static json_t *saved_json(const struct shadow *s, const char *active, const char *since,
                          const struct shadow_counts *counts, const struct interim *interim)
{
    return json_pack("{s:s,s:s,s:s,s:o,s:o,s:o}", "model", s->candidate->id, "active", active, "since", since,
                     "counts", shadow_counts_state(counts), "promotion", shadow_promotion_json(&s->promotion),
                     "analyses", interim_json(interim));
}

static const char *text_of(const json_t *kept, const char *name)
{
    const char *text = json_string_value(json_object_get(kept, name));

    return text ? text : "";
}

/* The counts of servers that share a store are added up there. */
struct joining {
    const struct shadow *s;
    const struct feedback_paired *paired; /* make the planned analysis that is due of this; NULL: make none */
    bool gone;                            /* another server replaced or removed the candidate */
    char active[ID_SIZE], since[CLOCK_TEXT_SIZE];
    struct shadow_counts counts;
    struct interim interim;
};

/* Add the store's counts to ours, unless one of the two is of an older pair of models. */
static void join_kept(struct joining *j, const json_t *kept)
{
    const struct shadow *s = j->s;
    struct shadow_counts before = { .labels = s->counts.labels };

    if (s->anew && strcmp(text_of(kept, "active"), s->active) != 0)
        return; /* of the pair before */
    snprintf(j->since, sizeof j->since, "%s", text_of(kept, "since"));
    snprintf(j->active, sizeof j->active, "%s", text_of(kept, "active"));
    if (strcmp(j->active, s->active) != 0 || (!s->anew && strcmp(j->since, s->since) != 0))
        /* others have seen a newer pair, or the trial was begun anew: ours is of one that is over */
        j->counts = (struct shadow_counts){ .labels = s->counts.labels };
    if (shadow_counts_read(json_object_get(kept, "counts"), &before))
        shadow_counts_add(&j->counts, &before);
    if (!interim_read(json_object_get(kept, "analyses"), &j->interim))
        j->interim = (struct interim){ .n = 0 };
}

static enum status change_join(void *arg, json_t *now, json_t **ret, struct error *err)
{
    struct joining *j = arg;

    j->gone = strcmp(text_of(now, "model"), j->s->candidate->id) != 0;
    if (j->gone) {
        *ret = json_incref(now);
        return ST_OK;
    }
    join_kept(j, now);
    if (j->paired && strcmp(j->since, j->s->since) == 0)
        interim_analyse(&j->interim, j->paired);
    *ret = saved_json(j->s, j->active, j->since, &j->counts, &j->interim);
    return *ret ? ST_OK : error_nomem(err);
}

/* Write what was counted since the last time, and take what others have written. A write whose answer was lost for good is told as a failure,
 * and its pictures are counted once more. */
enum status shadow_save(struct shadow *s, const struct feedback_paired *paired, struct error *err)
{
    struct joining *j = calloc(1, sizeof *j);
    enum status st;

    if (!j)
        return error_nomem(err);
    *j = (struct joining){ .s = s, .paired = paired, .counts = s->fresh, .interim = s->interim };
    memcpy(j->active, s->active, sizeof j->active);
    memcpy(j->since, s->since, sizeof j->since);
    st = store_setting_change(s->options.store, "shadow", s->anew, change_join, j, err);
    if (st == ST_OK && j->gone) {
        shadow_drop(s); /* and the store's is taken up when that is told */
    } else if (st == ST_OK) {
        s->counts = j->counts;
        s->fresh = (struct shadow_counts){ .labels = s->counts.labels };
        s->interim = j->interim;
        memcpy(s->active, j->active, sizeof s->active);
        memcpy(s->since, j->since, sizeof s->since);
        s->anew = false;
    }
    free(j);
    return st;
}

void shadow_count_anew(struct shadow *s, const char *active)
{
    s->counts = s->fresh = (struct shadow_counts){ .labels = *model_labels(s->candidate->model) };
    s->interim = (struct interim){ .n = 0 };
    snprintf(s->active, sizeof s->active, "%s", active);
    clock_utc(s->since);
    s->anew = true;
}

void shadow_drop(struct shadow *s)
{
    atomic_store(&s->on, false);
    loaded_model_release(s->candidate);
    s->candidate = NULL;
    s->promotion = (struct shadow_promotion){ .job = "" };
}

/* With the model of what the store has, which is held for it. */
static void take_up(struct shadow *s, const json_t *kept, struct loaded_model *m)
{
    const json_t *analyses = json_object_get(kept, "analyses"); /* a version before wrote none */

    shadow_drop(s);
    s->candidate = loaded_model_hold(m); /* whom the caller holds, too */
    promotion_read(json_object_get(kept, "promotion"), m->id, &s->promotion);
    shadow_count_anew(s, text_of(kept, "active"));
    if (shadow_counts_read(json_object_get(kept, "counts"), &s->counts) &&
        (!analyses || interim_read(analyses, &s->interim))) {
        snprintf(s->since, sizeof s->since, "%s", text_of(kept, "since"));
        s->anew = false;
    } else {
        shadow_count_anew(s, text_of(kept, "active"));
    }
    atomic_store(&s->on, true);
}

/* With the lock held: whether what the store has is what is here. */
static bool is_known(const struct shadow *s, const json_t *kept)
{
    return s->candidate && strcmp(text_of(kept, "model"), s->candidate->id) == 0 &&
           strcmp(text_of(json_object_get(kept, "promotion"), "job"), s->promotion.job) == 0 &&
           (s->anew || (strcmp(text_of(kept, "active"), s->active) == 0 &&
                        strcmp(text_of(kept, "since"), s->since) == 0));
}

/* With the lock held: be what the store has.
 *   id  the candidate that it had a moment ago, "" for none, and `m` that model; NULL: it cannot be used */
static enum status be_kept(struct shadow *s, const char *id, struct loaded_model *m, struct error *err)
{
    json_t *kept = NULL;
    enum status st = store_setting_get(s->options.store, "shadow", &kept, err);

    if (st == ST_OK && kept && strcmp(text_of(kept, "model"), id) != 0)
        st = error_set(err, ST_BUSY, "the model in the shadow was changed meanwhile");
    if (st == ST_OK && !(kept && is_known(s, kept))) {
        if (kept && m)
            take_up(s, kept, m);
        else
            shadow_drop(s);
    }
    json_decref(kept);
    return st;
}

/* A failure of a shared store may pass: it is tried again later. */
static bool is_passing(const struct shadow *s, enum status st)
{
    return store_is_shared(s->options.store) && (st == ST_IO || st == ST_NOMEM || st == ST_BUSY);
}

/* Without the lock: read the candidate, whichever server wrote it. The model is loaded before the lock is taken. */
enum status shadow_look_again(void *arg, struct error *err)
{
    struct shadow *s = arg;
    struct loaded_model *m = NULL;
    char id[ID_SIZE] = "";
    json_t *kept = NULL;
    enum status st = store_setting_get(s->options.store, "shadow", &kept, err);

    if (st == ST_OK && kept) {
        snprintf(id, sizeof id, "%s", text_of(kept, "model"));
        st = registry_named(s->options.registry, id, &m, err);
        if (st != ST_OK && !is_passing(s, st)) {
            log_error(LOG_ERROR, "the model in the shadow cannot be loaded, and is no longer there", err);
            st = ST_OK;
        }
    }
    json_decref(kept);
    if (st == ST_OK) {
        pthread_mutex_lock(&s->lock);
        st = be_kept(s, id, m, err);
        pthread_mutex_unlock(&s->lock);
    }
    loaded_model_release(m);
    return st;
}

enum status shadow_not_there(const char *id, struct error *err)
{
    return error_set(err, ST_NOTFOUND, "the model '%s' is not in the shadow", id);
}

static enum status change_end(void *arg, json_t *now, json_t **ret, struct error *err)
{
    *ret = NULL;
    return strcmp(text_of(now, "model"), arg) == 0 ? ST_OK : shadow_not_there(arg, err);
}

enum status shadow_remove(struct shadow *s, const char *id, struct error *err)
{
    return store_setting_change(s->options.store, "shadow", true, change_end, (void *)id, err);
}

/* A candidate that another server chose, and this one has not read yet, stays. */
static enum status change_begin(void *arg, json_t *now, json_t **ret, struct error *err)
{
    const struct shadow *s = arg;
    const char *id = text_of(now, "model"), *job = text_of(json_object_get(now, "promotion"), "job");

    if (id[0] && !(job[0] && strcmp(job, s->promotion.job) == 0))
        return error_set(err, ST_CONFLICT, "the model '%.36s' is in the shadow: end that first", id);
    *ret = saved_json(s, s->active, s->since, &s->counts, &s->interim);
    return *ret ? ST_OK : error_nomem(err);
}

enum status shadow_keep(struct shadow *s, struct error *err)
{
    const enum status st = store_setting_change(s->options.store, "shadow", true, change_begin, s, err);

    s->anew = false;
    return st;
}
