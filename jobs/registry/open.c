/* jobs/registry/open.c - a registry begins and ends; see cxrd/registry.h. */
#include "cxrd/file.h"
#include "model_cache.h"
#include "parts.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum status registry_open(struct store *store, const char *state, const struct registry_options *options,
                          struct registry **ret_registry, struct error *err)
{
    struct registry *r = calloc(1, sizeof *r);
    enum status st;

    if (!r)
        return error_nomem(err);
    r->store = store;
    r->precision = options->precision;
    r->signers = options->signers;
    r->deleted = options->deleted;
    r->arg = options->arg;
    pthread_mutex_init(&r->lock, NULL);
    pthread_mutex_init(&r->change, NULL);
    pthread_mutex_init(&r->loading, NULL);
    pthread_mutex_init(&r->own, NULL);
    pthread_mutex_init(&r->fetching, NULL);
    pthread_mutex_init(&r->exporting, NULL);
    if (snprintf(r->folder, sizeof r->folder, "%s/models", state) >= (int)sizeof r->folder)
        st = error_set(err, ST_IO, "the path of the state folder is too long");
    else
        st = folder_make(r->folder, err);
    if (st == ST_OK)
        st = model_cache_new(options->beside, &r->cache, err);
    if (st == ST_OK)
        st = active_model_begin(r, err);
    if (st != ST_OK) {
        registry_close(r);
        return st;
    }
    *ret_registry = r;
    return ST_OK;
}

void registry_close(struct registry *r)
{
    if (!r)
        return;
    active_model_end(r);
    model_cache_free(r->cache);
    pthread_mutex_destroy(&r->exporting);
    pthread_mutex_destroy(&r->fetching);
    pthread_mutex_destroy(&r->own);
    pthread_mutex_destroy(&r->loading);
    pthread_mutex_destroy(&r->change);
    pthread_mutex_destroy(&r->lock);
    free(r);
}
