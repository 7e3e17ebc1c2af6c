/* server/http/reaper.c - see reaper.h. */
#include "reaper.h"

#include "connection_limit.h"
#include "cxrd/clock.h"
#include "cxrd/thread.h"

#include <malloc.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
    LOOK_MS = 250,   /* between two looks at all deadlines */
    LEAST_SPARE = 2, /* places that are free when newcomers begin to displace others */
    MOST_SPARE = 64,
    LOST_S = 300,               /* after which one that is expected will not come */
    GO_S = 5,                   /* for one that was told to go, until it is made to */
    CROWD = 64,                 /* connections; when half of so many have gone their memory is given back */
    CALM_LOOKS = 5000 / LOOK_MS /* without a request, and it is as well */
};

struct peer {
    struct counted counted;      /* first */
    struct peer *next, **before; /* what points to this one */
    int fd;
    double deadline; /* clock_seconds() */
    bool expected;   /* the library does not have it yet: its descriptor may be closed, and another's */
    bool told;       /* to go */
    bool begun;      /* a request has; until then a head is waited for */
};

struct reaper {
    pthread_t thread;
    size_t most, spare, of_a_source;
    size_t room; /* for requests at work */

    pthread_mutex_t lock; /* guards everything below, and all peers */
    pthread_cond_t wake;
    struct peer *peers;
    struct connection_limit *limit;
    struct reaper_counts counts;
    bool stopping;
    size_t most_since; /* connections, since memory was given back */
    bool served_since; /* a request was */
    unsigned calm;     /* looks since the last request */
};

/* With the lock held. */
static void unlink_peer(struct reaper *r, struct peer *p)
{
    connection_limit_leave(r->limit, &p->counted);
    *p->before = p->next;
    if (p->next)
        p->next->before = p->before;
    r->counts.connections--;
    free(p);
}

/* Whether it is us who are late. */
static bool has_asked(const struct peer *p)
{
    struct pollfd look = { .fd = p->fd, .events = POLLIN };

    return !p->begun && !p->told && poll(&look, 1, 0) == 1 && look.revents == POLLIN;
}

static void shut_down_late(struct reaper *r)
{
    const double now = clock_seconds();

    for (struct peer *p = r->peers, *next; p; p = next) {
        next = p->next;
        if (p->deadline > now)
            continue;
        if (p->expected) { /* the library had no memory for it, and did not say so */
            unlink_peer(r, p);
            continue;
        }
        if (has_asked(p))
            continue;
        shutdown(p->fd, SHUT_RDWR);
        p->deadline = INFINITY;
        r->counts.cut += !p->told;
    }
}

/* Whether it is time to give memory back: the allocator keeps what a crowd or a picture took, and for long. */
static bool has_calmed_down(struct reaper *r)
{
    const size_t now = r->counts.connections;
    const bool gone = r->most_since >= CROWD && now <= r->most_since / 2;

    r->calm += r->served_since;
    if (!gone && r->calm < CALM_LOOKS)
        return false;
    r->most_since = now;
    r->served_since = false;
    r->calm = 0;
    return true;
}

static void *reaper_main(void *arg)
{
    struct reaper *r = arg;

    pthread_mutex_lock(&r->lock);
    while (!r->stopping) {
        shut_down_late(r);
        if (has_calmed_down(r)) {
            pthread_mutex_unlock(&r->lock);
            malloc_trim(0);
            pthread_mutex_lock(&r->lock);
        }
        if (!r->stopping)
            condition_wait(&r->wake, &r->lock, clock_seconds() + LOOK_MS / 1e3);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* ---- start, stop ---- */

static size_t clamp(size_t n, size_t least, size_t most) { return n < least ? least : n > most ? most : n; }

static void reaper_free(struct reaper *r)
{
    connection_limit_free(r->limit);
    pthread_cond_destroy(&r->wake);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

static size_t spare_of(size_t most) { return clamp(most / 16, LEAST_SPARE, MOST_SPARE); }

size_t reaper_room(size_t most) { return most - 2 * spare_of(most); }

enum status reaper_start(size_t most, size_t of_a_source, struct reaper **ret_reaper, struct error *err)
{
    struct reaper *r = calloc(1, sizeof *r);
    enum status st = ST_OK;

    if (!r)
        return error_nomem(err);
    r->most = most;
    r->spare = spare_of(most);
    r->room = reaper_room(most);
    r->of_a_source = of_a_source ? of_a_source : r->room - r->room / 8;
    pthread_mutex_init(&r->lock, NULL);
    condition_init(&r->wake);
    r->limit = connection_limit_new(most);
    if (!r->limit)
        st = error_nomem(err);
    if (st == ST_OK)
        st = thread_start(&r->thread, reaper_main, r, "the thread that watches deadlines", err);
    if (st != ST_OK) {
        reaper_free(r);
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
    for (struct peer *p = r->peers, *next; p; p = next) { /* that the library did not tell of again */
        next = p->next;
        unlink_peer(r, p);
    }
    reaper_free(r);
}

/* ---- peers ---- */

/* Its socket is ours to shut down. A reply for which there is no room will not leave, and nothing is read before it has. */
static void ask_to_go(struct peer *p)
{
    struct pollfd look = { .fd = p->fd, .events = POLLOUT };

    poll(&look, 1, 0);
    shutdown(p->fd, (look.revents & POLLOUT) != 0 ? SHUT_RD : SHUT_RDWR);
    p->deadline = clock_seconds() + GO_S;
}

/* Tell one that waits to go; NULL: none. */
static void displace(struct reaper *r, struct counted *c)
{
    struct peer *p = (struct peer *)c;

    if (!p)
        return;
    p->told = true;
    if (!p->expected)
        ask_to_go(p);
    r->counts.displaced++;
}

bool reaper_make_room(struct reaper *r)
{
    bool room;

    pthread_mutex_lock(&r->lock);
    if (connection_limit_taken(r->limit) + r->spare >= r->most)
        displace(r, connection_limit_give_way(r->limit));
    room = r->counts.connections < r->most;
    pthread_mutex_unlock(&r->lock);
    return room;
}

/* With the lock held. */
static void link_peer(struct reaper *r, struct peer *p)
{
    p->next = r->peers;
    p->before = &r->peers;
    if (p->next)
        p->next->before = &p->next;
    r->peers = p;
    r->counts.connections++;
    if (r->counts.connections > r->most_since)
        r->most_since = r->counts.connections;
}

bool reaper_expect(struct reaper *r, int fd, const struct sockaddr *from)
{
    struct peer *p = malloc(sizeof *p);
    bool entered;

    if (!p)
        return false;
    *p = (struct peer){ .fd = fd, .deadline = clock_seconds() + LOST_S, .expected = true };
    pthread_mutex_lock(&r->lock);
    entered = connection_limit_enter(r->limit, &p->counted, from);
    if (entered)
        link_peer(r, p);
    /* a few more may wait, so that one that asks at once is not displaced by the next */
    if (entered && connection_limit_taken_of(&p->counted) > r->of_a_source + r->spare)
        displace(r, connection_limit_give_way_of(r->limit, p->counted.source));
    pthread_mutex_unlock(&r->lock);
    if (!entered)
        free(p);
    return entered;
}

struct peer *reaper_add(struct reaper *r, int fd, double seconds)
{
    struct peer *p;

    pthread_mutex_lock(&r->lock);
    for (p = r->peers; p && !(p->expected && p->fd == fd);) /* the last that came is the first */
        p = p->next;
    if (p) {
        p->expected = false;
        p->deadline = clock_seconds() + seconds;
        if (p->told)
            ask_to_go(p);
    }
    pthread_mutex_unlock(&r->lock);
    return p;
}

/* With the lock held. A connection that goes is not given more time. */
static void set_deadline(struct peer *p, double seconds)
{
    if (p->counted.state != CONNECTION_GOES)
        p->deadline = clock_seconds() + seconds;
}

void reaper_begin(struct reaper *r, struct peer *p, double seconds)
{
    if (!p)
        return;
    pthread_mutex_lock(&r->lock);
    p->begun = true;
    set_deadline(p, seconds);
    pthread_mutex_unlock(&r->lock);
}

void reaper_set(struct reaper *r, struct peer *p, double seconds)
{
    if (!p)
        return;
    pthread_mutex_lock(&r->lock);
    set_deadline(p, seconds);
    pthread_mutex_unlock(&r->lock);
}

void reaper_remove(struct reaper *r, struct peer *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&r->lock);
    unlink_peer(r, p);
    pthread_mutex_unlock(&r->lock);
}

bool reaper_work(struct reaper *r, struct peer *p, const char **ret_why)
{
    const char *why = NULL;

    if (!p)
        return true;
    pthread_mutex_lock(&r->lock);
    if (connection_limit_working_of(&p->counted) >= r->of_a_source)
        why = "there are as many requests from this address as there may be at a time";
    else if (connection_limit_working(r->limit) >= r->room)
        why = "the server is busy: there are as many requests as there may be at a time";
    else
        connection_limit_work(r->limit, &p->counted);
    pthread_mutex_unlock(&r->lock);
    *ret_why = why;
    return !why;
}

void reaper_wait(struct reaper *r, struct peer *p, double seconds)
{
    if (!p)
        return;
    pthread_mutex_lock(&r->lock);
    connection_limit_wait(r->limit, &p->counted);
    p->begun = false;
    set_deadline(p, seconds);
    r->served_since = true;
    r->calm = 0;
    pthread_mutex_unlock(&r->lock);
}

bool reaper_lost(struct reaper *r, const struct peer *p)
{
    struct pollfd look = { .fd = p ? p->fd : -1, .events = POLLRDHUP };
    bool told;

    if (!p)
        return false;
    pthread_mutex_lock(&r->lock);
    told = p->told; /* then it is we who have closed that side */
    pthread_mutex_unlock(&r->lock);
    return poll(&look, 1, 0) == 1 && (look.revents & ((told ? 0 : POLLRDHUP) | POLLERR | POLLHUP)) != 0;
}

struct reaper_counts reaper_counts(struct reaper *r)
{
    struct reaper_counts counts;

    pthread_mutex_lock(&r->lock);
    counts = r->counts;
    pthread_mutex_unlock(&r->lock);
    return counts;
}
