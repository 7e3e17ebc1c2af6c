/* server/api/sessions.c - see sessions.h. */
#include "sessions.h"

#include "cxrd/thread.h"

#include <stdlib.h>

struct sessions {
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t given;
    size_t n, n_free;
    struct session **free; /* [n]: the first n_free are free */
};

enum status sessions_new(size_t n, struct sessions **ret_sessions, struct error *err)
{
    struct sessions *all = calloc(1, sizeof *all);

    if (!all)
        return error_nomem(err);
    pthread_mutex_init(&all->lock, NULL);
    condition_init(&all->given);
    all->n = n;
    all->free = calloc(n, sizeof(struct session *));
    while (all->free && all->n_free < n && session_new(&all->free[all->n_free]) == ST_OK)
        all->n_free++;
    if (all->n_free < n) {
        sessions_free(all);
        return error_nomem(err);
    }
    *ret_sessions = all;
    return ST_OK;
}

void sessions_free(struct sessions *all)
{
    if (!all)
        return;
    for (size_t i = 0; all->free && i < all->n_free; i++)
        session_free(all->free[i]);
    pthread_cond_destroy(&all->given);
    pthread_mutex_destroy(&all->lock);
    free(all->free);
    free(all);
}

struct session *sessions_take(struct sessions *all)
{
    struct session *s;

    pthread_mutex_lock(&all->lock);
    while (all->n_free == 0)
        pthread_cond_wait(&all->given, &all->lock);
    s = all->free[--all->n_free];
    pthread_mutex_unlock(&all->lock);
    return s;
}

void sessions_give(struct sessions *all, struct session *s)
{
    pthread_mutex_lock(&all->lock);
    all->free[all->n_free++] = s;
    pthread_cond_signal(&all->given);
    pthread_mutex_unlock(&all->lock);
}
