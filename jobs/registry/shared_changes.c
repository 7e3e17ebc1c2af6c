/* jobs/registry/shared_changes.c - what other servers of a shared store change of models: thresholds that an operator set, and models that
 * were deleted; see cxrd/registry.h.
 *
 * All of it may be done again at any time: the state here becomes the store's. The file of a model that is being added may be taken
 * for one of a deleted model, as it is here before its row is; the next request for it fetches it from the store. */
#include "cxrd/log.h"
#include "follower.h"
#include "model_cache.h"
#include "parts.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- own thresholds ---- */

static enum status take_up_of(struct registry *r, struct loaded_model *m, struct error *err)
{
    enum status st;

    pthread_mutex_lock(&r->own);
    st = model_own_read(r, m, err);
    pthread_mutex_unlock(&r->own);
    return st == ST_NOTFOUND ? ST_OK : st; /* it was deleted, which is another change */
}

static enum status take_up_thresholds(void *arg, struct error *err)
{
    struct registry *r = arg;
    struct loaded_model **all = NULL, *active = NULL;
    size_t n = 0;
    enum status st;

    pthread_mutex_lock(
        &r->own); /* a model that is published meanwhile is in the list, or reads what was changed */
    st = model_cache_all(r->cache, &all, &n, err);
    pthread_mutex_lock(&r->lock);
    if (r->active)
        active = loaded_model_hold(r->active);
    pthread_mutex_unlock(&r->lock);
    pthread_mutex_unlock(&r->own);
    if (st == ST_OK && active)
        st = take_up_of(r, active, err);
    for (size_t i = 0; i < n; i++) {
        if (st == ST_OK)
            st = take_up_of(r, all[i], err);
        loaded_model_release(all[i]);
    }
    loaded_model_release(active);
    free(all);
    return st;
}

/* ---- models that were deleted ---- */

/* Errors: ST_IO, ST_NOMEM. */
static enum status is_there(struct registry *r, const char *id, bool *ret, struct error *err)
{
    json_t *card = NULL;
    const enum status st = store_model_get(r->store, id, &card, err);

    json_decref(card);
    *ret = st == ST_OK;
    return st == ST_NOTFOUND ? ST_OK : st;
}

static enum status drop_loaded(struct registry *r, struct error *err)
{
    struct loaded_model **all = NULL;
    size_t n = 0;
    enum status st = model_cache_all(r->cache, &all, &n, err);

    for (size_t i = 0; i < n; i++) {
        bool there = true;

        if (st == ST_OK)
            st = is_there(r, all[i]->id, &there, err);
        if (st == ST_OK && !there)
            model_cache_drop(r->cache, all[i]->id);
        loaded_model_release(all[i]);
    }
    free(all);
    return st;
}

/* "ID.safetensors" and "ID.onnx": a file that is being written has another name. */
static bool is_of_model(const char *name, char ret_id[ID_SIZE])
{
    const char *end = strchr(name, '.');
    const size_t n = end ? (size_t)(end - name) : 0;

    if (!end || (strcmp(end, ".safetensors") != 0 && strcmp(end, ".onnx") != 0) || !id_ok(name, n))
        return false;
    snprintf(ret_id, ID_SIZE, "%.*s", (int)n, name);
    return true;
}

static enum status drop_files(struct registry *r, struct error *err)
{
    DIR *folder = opendir(r->folder);
    enum status st = folder ? ST_OK : error_errno(err, ST_IO, "cannot read the models' folder");

    for (struct dirent *e; st == ST_OK && (e = readdir(folder));) {
        char id[ID_SIZE];
        bool there = true;

        if (!is_of_model(e->d_name, id))
            continue;
        st = is_there(r, id, &there, err);
        if (st == ST_OK && !there && unlinkat(dirfd(folder), e->d_name, 0) == 0)
            log_event(LOG_INFO, "model deleted",
                      json_pack("{s:s,s:s}", "model", id, "why", "it was deleted on another server"));
    }
    if (folder)
        closedir(folder);
    return st;
}

static enum status take_up_deleted(void *arg, struct error *err)
{
    struct registry *r = arg;
    enum status st;

    if (pthread_mutex_trylock(&r->loading) !=
        0) /* one that is loaded at this moment is put there before this */
        return error_set(err, ST_BUSY, "a model is being loaded");
    st = drop_loaded(r, err);
    pthread_mutex_unlock(&r->loading);
    return st == ST_OK ? drop_files(r, err) : st;
}

void registry_follow(struct registry *r, enum shared_kind kind, take_up_fn *take_up, void *arg)
{
    if (r->follower)
        follower_watch(r->follower, kind, take_up, arg);
}

void shared_changes_begin(struct registry *r)
{
    registry_follow(r, SHARED_THRESHOLDS, take_up_thresholds, r);
    registry_follow(r, SHARED_MODELS, take_up_deleted, r);
}
