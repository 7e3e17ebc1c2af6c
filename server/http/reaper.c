/* server/http/reaper.c - see reaper.h. */
#include "reaper.h"

#include "cxrd/clock.h"
#include "cxrd/thread.h"

#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { LOOK_MS = 250 }; /* between two looks at all deadlines */

struct peer {
    struct peer *next, **before; /* what points to this one */
    int fd;
    double deadline; /* clock_seconds() */
};

struct reaper {
    pthread_t thread;

    pthread_mutex_t lock; /* guards everything below, and all peers */
    pthread_cond_t wake;
    struct peer *peers;
    struct reaper_counts counts;
    bool stopping;
};

static void shut_down_late(struct reaper *r)
{
    const double now = clock_seconds();

    for (struct peer *p = r->peers; p; p = p->next)
        if (p->deadline <= now) {
            shutdown(p->fd, SHUT_RDWR);
            p->deadline = INFINITY;
            r->counts.cut++;
        }
}

static void *reaper_main(void *arg)
{
    struct reaper *r = arg;

    pthread_mutex_lock(&r->lock);
    while (!r->stopping) {
        shut_down_late(r);
        condition_wait(&r->wake, &r->lock, clock_seconds() + LOOK_MS / 1e3);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

enum status reaper_start(struct reaper **ret_reaper, struct error *err)
{
    struct reaper *r = calloc(1, sizeof *r);
    enum status st;

    if (!r)
        return error_nomem(err);
    pthread_mutex_init(&r->lock, NULL);
    condition_init(&r->wake);
    st = thread_start(&r->thread, reaper_main, r, "the thread that watches deadlines", err);
    if (st != ST_OK) {
        pthread_cond_destroy(&r->wake);
        pthread_mutex_destroy(&r->lock);
        free(r);
        return st;
    }
    *ret_reaper = r;
    return ST_OK;
}

void reaper_stop(struct reaper *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->stopping = true;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    pthread_cond_destroy(&r->wake);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

struct peer *reaper_add(struct reaper *r, int fd, double seconds)
{
    struct peer *p = malloc(sizeof *p);

    if (!p)
        return NULL;
    p->fd = fd;
    p->deadline = clock_seconds() + seconds;
    pthread_mutex_lock(&r->lock);
    p->next = r->peers;
    p->before = &r->peers;
    if (p->next)
        p->next->before = &p->next;
    r->peers = p;
    r->counts.connections++;
    pthread_mutex_unlock(&r->lock);
    return p;
}

void reaper_set(struct reaper *r, struct peer *p, double seconds)
{
    if (!p)
        return;
    pthread_mutex_lock(&r->lock);
    p->deadline = clock_seconds() + seconds;
    pthread_mutex_unlock(&r->lock);
}

void reaper_remove(struct reaper *r, struct peer *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&r->lock);
    *p->before = p->next;
    if (p->next)
        p->next->before = p->before;
    r->counts.connections--;
    pthread_mutex_unlock(&r->lock);
    free(p);
}

bool peer_gone(const struct peer *p)
{
    struct pollfd look = { .fd = p ? p->fd : -1, .events = POLLRDHUP };

    return p && poll(&look, 1, 0) == 1 && (look.revents & (POLLRDHUP | POLLERR | POLLHUP)) != 0;
}

struct reaper_counts reaper_counts(struct reaper *r)
{
    struct reaper_counts counts;

    pthread_mutex_lock(&r->lock);
    counts = r->counts;
    pthread_mutex_unlock(&r->lock);
    return counts;
}
