/* server/http/sse.c - see sse.h. */
#include "sse.h"

#include "cxrd/clock.h"
#include "cxrd/log.h"
#include "cxrd/thread.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    TICK_MS = 200,          /* how often sources are asked */
    MAX_HELPING = 256 << 10 /* bytes that wait for a reader */
};

struct sse_reader {
    struct sse *sse;
    struct sse_reader *next;
    struct http_stream stream; /* the thread's alone */
    const struct sse_calls *calls;
    void *connection;

    /* guarded by the lock of `sse` */
    struct buf waiting;
    size_t taken; /* bytes of it that are gone */
    double said;  /* when something was last put there */
    bool asleep;  /* its connection is */
    bool ended;   /* nothing follows what waits */
    bool closed;  /* nobody reads any more: to be freed */
};

struct sse {
    size_t max_readers;
    double ping_s;
    struct budget *replies;
    pthread_t thread;
    bool started;

    pthread_mutex_t lock; /* guards everything below, and of every reader what it says */
    pthread_cond_t poke;  /* there is something to do before the next tick */
    bool poked, stopping, over;
    struct sse_reader *readers; /* only the thread takes one out, until it is over */
    size_t n;                   /* of them that are not closed */
};

static void reader_free(struct sse_reader *r)
{
    r->stream.close(r->stream.arg);
    budget_give(r->sse->replies, r->waiting.capacity);
    buf_release(&r->waiting);
    free(r);
}

/* With the lock held. */
static void poke(struct sse *s)
{
    s->poked = true;
    pthread_cond_signal(&s->poke);
}

/* With the lock held. */
static void wake_up(struct sse_reader *r)
{
    if (!r->asleep || (r->taken == r->waiting.len && !r->ended))
        return;
    r->asleep = false;
    r->calls->wake(r->connection);
}

/* ---- the thread ---- */

/* Ask a reader's source for more. Called with the lock held, which is given up meanwhile. */
static void serve(struct sse *s, struct sse_reader *r)
{
    struct buf fresh = BUF_INIT(MAX_HELPING);
    const double silence = clock_seconds() - r->said;
    bool ended = false;
    enum status st;

    pthread_mutex_unlock(&s->lock);
    st = r->stream.more(r->stream.arg, &fresh, &ended);
    if (st == ST_OK && !ended && fresh.len == 0 && silence >= s->ping_s)
        buf_puts(&fresh, ": ping\n\n");
    if (st == ST_OK)
        st = buf_status(&fresh);
    if (st != ST_OK)
        log_text(LOG_WARN, "event stream cut", "%s", status_text(st));
    pthread_mutex_lock(&s->lock);
    if (fresh.len > 0) {
        budget_give(s->replies, r->waiting.capacity);
        buf_release(&r->waiting);
        r->waiting = fresh;
        budget_force(s->replies, fresh.capacity);
        r->taken = 0;
        r->said = clock_seconds();
    }
    r->ended |= ended || st != ST_OK;
    wake_up(r);
}

/* A reader that may not hear more is told nothing, not even what already waits. With the lock held. */
static void turn_away(struct sse_reader *r)
{
    r->taken = r->waiting.len;
    r->ended = true;
    wake_up(r);
}

/* Let go of the closed ones, turn away who may not stay, serve those that have taken what they were given. With the lock held. */
static void serve_all(struct sse *s)
{
    for (struct sse_reader **link = &s->readers, *r; (r = *link) && !s->stopping;) {
        if (!r->closed && !r->ended && !r->calls->allowed(r->connection))
            turn_away(r);
        if (!r->closed && !r->ended && r->taken == r->waiting.len && !budget_is_spent(s->replies))
            serve(s, r);
        while (*link != r) /* others may have come before it meanwhile */
            link = &(*link)->next;
        if (r->closed) {
            *link = r->next;
            reader_free(r);
        } else {
            link = &r->next;
        }
    }
}

static void wait_tick(struct sse *s)
{
    const double tick = clock_seconds() + TICK_MS / 1e3;

    while (!s->poked && !s->stopping && condition_wait(&s->poke, &s->lock, s->readers ? tick : INFINITY))
        ;
    s->poked = false;
}

static void *sse_main(void *arg)
{
    struct sse *s = arg;

    pthread_mutex_lock(&s->lock);
    while (!s->stopping) {
        serve_all(s);
        wait_tick(s);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

enum status sse_start(size_t max_readers, double ping_s, struct budget *replies, struct sse **ret_sse,
                      struct error *err)
{
    struct sse *s = calloc(1, sizeof *s);
    enum status st;

    if (!s)
        return error_nomem(err);
    s->max_readers = max_readers;
    s->ping_s = ping_s;
    s->replies = replies;
    pthread_mutex_init(&s->lock, NULL);
    condition_init(&s->poke);
    st = thread_start(&s->thread, sse_main, s, "the thread that serves event streams", err);
    s->started = st == ST_OK;
    if (st != ST_OK) {
        sse_stop(s);
        sse_free(s);
        return st;
    }
    *ret_sse = s;
    return ST_OK;
}

void sse_stop(struct sse *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_signal(&s->poke);
    pthread_mutex_unlock(&s->lock);
    if (s->started)
        pthread_join(s->thread, NULL);
    pthread_mutex_lock(&s->lock);
    s->over = true;
    for (struct sse_reader **link = &s->readers, *r; (r = *link);) {
        if (r->closed) {
            *link = r->next;
            reader_free(r);
            continue;
        }
        r->ended = true;
        wake_up(r);
        link = &r->next;
    }
    pthread_mutex_unlock(&s->lock);
}

void sse_free(struct sse *s)
{
    if (!s)
        return;
    pthread_cond_destroy(&s->poke);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* ---- readers ---- */

enum status sse_open(struct sse *s, struct http_stream *stream, const struct sse_calls *calls,
                     void *connection, struct sse_reader **ret_reader, struct error *err)
{
    struct sse_reader *r = calloc(1, sizeof *r);
    bool room;

    if (!r) {
        stream->close(stream->arg);
        return error_nomem(err);
    }
    r->sse = s;
    r->stream = *stream;
    r->calls = calls;
    r->connection = connection;
    r->waiting = (struct buf)BUF_INIT(MAX_HELPING);
    buf_puts(&r->waiting,
             "retry: 2000\n\n"); /* how soon a client that was cut off comes back; milliseconds */
    budget_force(s->replies, r->waiting.capacity);
    r->said = clock_seconds();
    pthread_mutex_lock(&s->lock);
    room = s->n < s->max_readers && !s->stopping;
    if (room) {
        s->n++;
        r->next = s->readers;
        s->readers = r;
        poke(s);
    }
    pthread_mutex_unlock(&s->lock);
    if (!room) {
        reader_free(r);
        return error_set(err, ST_BUSY, "there are as many readers of events as there may be: %zu",
                         s->max_readers);
    }
    *ret_reader = r;
    return ST_OK;
}

ssize_t sse_read(struct sse_reader *r, char *ret, size_t max)
{
    struct sse *s = r->sse;
    ssize_t n = SSE_ASLEEP;

    pthread_mutex_lock(&s->lock);
    if (r->taken < r->waiting.len) {
        const size_t left = r->waiting.len - r->taken;

        n = (ssize_t)(left < max ? left : max);
        memcpy(ret, r->waiting.data + r->taken, (size_t)n);
        r->taken += (size_t)n;
        if (r->taken == r->waiting.len)
            poke(s); /* perhaps there was more than one helping */
    } else if (r->ended) {
        n = SSE_ENDED;
    } else {
        r->asleep = true;
        r->calls->sleep(r->connection); /* with the lock held: the thread must not wake it before it sleeps */
    }
    pthread_mutex_unlock(&s->lock);
    return n;
}

void sse_close(struct sse_reader *r)
{
    struct sse *s = r ? r->sse : NULL;

    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->n--;
    r->closed = true;
    poke(s);
    if (s->over) { /* no thread is left to let go of it */
        struct sse_reader **link = &s->readers;

        while (*link != r)
            link = &(*link)->next;
        *link = r->next;
        reader_free(r);
    }
    pthread_mutex_unlock(&s->lock);
}
