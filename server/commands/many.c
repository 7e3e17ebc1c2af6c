/* server/commands/many.c - see many.h. */
#include "many.h"

#include "cxrd/clock.h"
#include "cxrd/session.h"
#include "cxrd/thread.h"

#include <assert.h>
#include <stdlib.h>

enum { AHEAD = 16 }; /* pictures a thread, so that one which takes long keeps few others from going on */
#define WAIT_SECONDS 0.2

/* The result for one picture. */
struct outcome {
    bool is_there;
    enum status st;
    json_t *reply; /* owned */
    struct error why;
};

struct many {
    const struct predictor *predictor;
    const struct path_list *pictures;
    size_t n;

    pthread_mutex_t
        lock; /* guards the rest; whoever is given picture i owns outcomes[i % n_outcomes] until is_there */
    pthread_cond_t moved; /* any of it did */
    size_t next, told;    /* pictures that were given to a thread; that were told of */
    bool ends;
    struct outcome *outcomes;
    size_t n_outcomes;
};

struct hand {
    struct many *all;
    struct session *session;
    pthread_t thread;
    bool runs;
};

static const char *path_of(const struct many *m, size_t i)
{
    return m->pictures->n ? m->pictures->of[i].path : NULL;
}

/* Give the next picture to this thread. False: there is no other. */
static bool take(struct many *m, size_t *ret)
{
    bool is_one;

    pthread_mutex_lock(&m->lock);
    while (!m->ends && m->next < m->n && m->next >= m->told + m->n_outcomes)
        pthread_cond_wait(&m->moved, &m->lock);
    is_one = !m->ends && m->next < m->n;
    if (is_one)
        *ret = m->next++;
    pthread_mutex_unlock(&m->lock);
    return is_one;
}

/* Ask about picture i, unless it is known that none is there. */
static void find_outcome(const struct hand *hand, size_t i, struct outcome *o)
{
    const struct many *m = hand->all;
    const char *fault = m->pictures->n ? m->pictures->of[i].fault : NULL;

    o->st = fault ? error_set(&o->why, ST_UNUSABLE, "%s", fault)
                  : ask(m->predictor, hand->session, path_of(m, i), &o->reply, &o->why);
}

static void *work(void *arg)
{
    struct hand *hand = arg;
    struct many *m = hand->all;
    size_t i;

    while (take(m, &i)) {
        struct outcome *o = &m->outcomes[i % m->n_outcomes];

        find_outcome(hand, i, o);
        pthread_mutex_lock(&m->lock);
        o->is_there = true;
        pthread_cond_broadcast(&m->moved);
        pthread_mutex_unlock(&m->lock);
    }
    return NULL;
}

/* Wait for the outcome of the picture that is to be told of next, and take it away. */
static struct outcome outcome_take(struct many *m, const struct listener *l)
{
    struct outcome *o = &m->outcomes[m->told % m->n_outcomes], taken;

    pthread_mutex_lock(&m->lock);
    while (!o->is_there)
        if (!condition_wait(&m->moved, &m->lock, clock_seconds() + WAIT_SECONDS)) {
            pthread_mutex_unlock(&m->lock);
            l->wait(l->arg);
            pthread_mutex_lock(&m->lock);
        }
    taken = *o;
    *o = (struct outcome){ .reply = NULL }; /* under the lock: is_there is looked at before it is true */
    m->told++;
    pthread_cond_broadcast(&m->moved);
    pthread_mutex_unlock(&m->lock);
    return taken;
}

/* Whether the fault is one picture's, so that others may be asked about. */
static bool is_of_picture(enum status st)
{
    return st == ST_FORMAT || st == ST_UNSUPPORTED || st == ST_LIMIT || st == ST_UNUSABLE || st == ST_NUMERIC;
}

static enum status tell_all(struct many *m, const struct listener *l, struct error *err)
{
    enum status st = ST_OK;

    for (size_t i = 0; i < m->n && st == ST_OK; i++) {
        struct outcome o = outcome_take(m, l);
        const struct told told = { path_of(m, i), o.reply, &o.why };

        if (o.st == ST_OK || is_of_picture(o.st)) {
            st = l->tell(l->arg, &told, err);
        } else {
            st = o.st;
            *err = o.why;
        }
        json_decref(o.reply);
    }
    return st;
}

static enum status hands_start(struct many *m, struct hand *hands, size_t n, struct error *err)
{
    enum status st = ST_OK;

    for (size_t i = 0; i < n && st == ST_OK; i++) {
        hands[i].all = m;
        st = session_new(&hands[i].session) == ST_OK ? ST_OK : error_nomem(err);
        if (st == ST_OK)
            st = thread_start(&hands[i].thread, work, &hands[i], "a thread that predicts", err);
        hands[i].runs = st == ST_OK;
    }
    return st;
}

static void hands_stop(struct many *m, struct hand *hands, size_t n)
{
    pthread_mutex_lock(&m->lock);
    m->ends = true;
    pthread_cond_broadcast(&m->moved);
    pthread_mutex_unlock(&m->lock);
    for (size_t i = 0; i < n; i++) {
        if (hands[i].runs)
            pthread_join(hands[i].thread, NULL);
        session_free(hands[i].session);
    }
    for (size_t i = 0; i < m->n_outcomes; i++)
        json_decref(m->outcomes[i].reply);
}

enum status ask_many(const struct predictor *a, const struct path_list *pictures, size_t threads,
                     const struct listener *listener, struct error *err)
{
    struct many m = { .predictor = a, .pictures = pictures, .n = pictures->n ? pictures->n : 1 };
    const size_t n_hands = threads < m.n ? threads : m.n;
    struct hand *hands;
    enum status st;

    assert(n_hands > 0);
    hands = calloc(n_hands, sizeof *hands);
    m.n_outcomes = AHEAD * n_hands;
    m.outcomes = calloc(m.n_outcomes, sizeof *m.outcomes);
    pthread_mutex_init(&m.lock, NULL);
    condition_init(&m.moved);
    st = hands && m.outcomes ? hands_start(&m, hands, n_hands, err) : error_nomem(err);
    if (st == ST_OK)
        st = tell_all(&m, listener, err);
    if (hands && m.outcomes)
        hands_stop(&m, hands, n_hands);
    pthread_cond_destroy(&m.moved);
    pthread_mutex_destroy(&m.lock);
    free(m.outcomes);
    free(hands);
    return st;
}
