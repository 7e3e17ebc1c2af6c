/* jobs/registry/model_cache.c - see model_cache.h. */
#include "model_cache.h"

#include "loaded_model.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct model_cache {
    pthread_mutex_t
        lock; /* guards everything below: held to look and to swap pointers, never while a model goes */
    size_t room, n;
    struct loaded_model **models; /* [room]: the first n, most recently used first */
};

enum status model_cache_new(size_t room, struct model_cache **ret_cache, struct error *err)
{
    struct model_cache *s = calloc(1, sizeof *s);

    if (!s)
        return error_nomem(err);
    s->room = room;
    pthread_mutex_init(&s->lock, NULL);
    s->models = calloc(room + 1, sizeof *s->models);
    if (!s->models) {
        model_cache_free(s);
        return error_nomem(err);
    }
    *ret_cache = s;
    return ST_OK;
}

void model_cache_free(struct model_cache *s)
{
    if (!s)
        return;
    for (size_t i = 0; s->models && i < s->n; i++)
        loaded_model_release(s->models[i]);
    free(s->models);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* With the lock held: where it is, n where it is not. */
static size_t place_of(const struct model_cache *s, const char *id)
{
    size_t i = 0;

    while (i < s->n && strcmp(s->models[i]->id, id) != 0)
        i++;
    return i;
}

/* With the lock held: to the front, and those before `from` go back by one. */
static void move_front(struct model_cache *s, size_t from, struct loaded_model *m)
{
    memmove(&s->models[1], &s->models[0], from * sizeof *s->models);
    s->models[0] = m;
}

struct loaded_model *model_cache_find(struct model_cache *s, const char *id)
{
    struct loaded_model *m = NULL;
    size_t i;

    pthread_mutex_lock(&s->lock);
    i = place_of(s, id);
    if (i < s->n) {
        m = loaded_model_hold(s->models[i]);
        move_front(s, i, m);
    }
    pthread_mutex_unlock(&s->lock);
    return m;
}

void model_cache_put(struct model_cache *s, struct loaded_model *m)
{
    struct loaded_model *last = NULL;

    if (s->room == 0)
        return;
    pthread_mutex_lock(&s->lock);
    if (s->n == s->room)
        last = s->models[--s->n];
    move_front(s, s->n++, loaded_model_hold(m));
    pthread_mutex_unlock(&s->lock);
    loaded_model_release(last);
}

void model_cache_drop(struct model_cache *s, const char *id)
{
    struct loaded_model *gone = NULL;
    size_t i;

    pthread_mutex_lock(&s->lock);
    i = place_of(s, id);
    if (i < s->n) {
        gone = s->models[i];
        memmove(&s->models[i], &s->models[i + 1], (--s->n - i) * sizeof *s->models);
    }
    pthread_mutex_unlock(&s->lock);
    loaded_model_release(gone);
}

size_t model_cache_count(struct model_cache *s)
{
    size_t n;

    pthread_mutex_lock(&s->lock);
    n = s->n;
    pthread_mutex_unlock(&s->lock);
    return n;
}

enum status model_cache_all(struct model_cache *s, struct loaded_model ***ret, size_t *ret_n,
                            struct error *err)
{
    struct loaded_model **all = calloc(s->room + 1, sizeof *all);

    if (!all)
        return error_nomem(err);
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->n; i++)
        all[i] = loaded_model_hold(s->models[i]);
    *ret_n = s->n;
    pthread_mutex_unlock(&s->lock);
    *ret = all;
    return ST_OK;
}
