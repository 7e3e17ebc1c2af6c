/* tests/unit/test_sse.c - readers of event streams: each gets what its source gives, in order and once; one who does
 * not take it costs one helping; sleeping and waking never miss each other; the end comes to all. */
#include "http/sse.h"
#include "leaks.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A source that counts up to `last`, `helping` lines at a time. */
struct source {
    atomic_int asked, closed;
    atomic_int told, last; /* it ends at `last`; -1: never */
    int helping;
    bool fails;
};

static enum status source_more(void *arg, struct buf *out, bool *ret_ended)
{
    struct source *s = arg;

    atomic_fetch_add(&s->asked, 1);
    if (s->fails)
        return ST_IO;
    for (int i = 0; i < s->helping && s->told != s->last; i++)
        buf_printf(out, "data: %d\n\n", ++s->told);
    *ret_ended = s->told == s->last;
    return ST_OK;
}

static void source_close(void *arg) { atomic_fetch_add(&((struct source *)arg)->closed, 1); }

/* A connection: sleeps until it is woken, as libmicrohttpd's do. */
struct connection {
    pthread_mutex_t lock; /* guards `asleep` */
    pthread_cond_t changed;
    bool asleep;
    int wakes; /* of one that slept; more would be an error of ours */
    atomic_bool unwelcome;
};

static void connection_sleep(void *arg)
{
    struct connection *c = arg;

    pthread_mutex_lock(&c->lock);
    cr_assert_not(c->asleep);
    c->asleep = true;
    pthread_mutex_unlock(&c->lock);
}

static void connection_wake(void *arg)
{
    struct connection *c = arg;

    pthread_mutex_lock(&c->lock);
    cr_assert(c->asleep, "one that does not sleep is woken");
    c->asleep = false;
    c->wakes++;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

static bool connection_allowed(void *arg) { return !atomic_load(&((struct connection *)arg)->unwelcome); }

static const struct sse_calls CALLS = { connection_wake, connection_sleep, connection_allowed };

static void connection_wait(struct connection *c)
{
    pthread_mutex_lock(&c->lock);
    while (c->asleep)
        pthread_cond_wait(&c->changed, &c->lock);
    pthread_mutex_unlock(&c->lock);
}

#define CONNECTION_INIT                                               \
    {                                                                 \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0 \
    }

/* Sources and connections of a test are static: the thread may let go of a reader after the test has returned. */
static struct sse *sse;
static struct budget replies = { .limit = 1 << 20 };

static void begin_with(size_t max_readers, double ping_s)
{
    struct error err = { 0 };

    cr_assert_eq(sse_start(max_readers, ping_s, &replies, &sse, &err), ST_OK, "%s", err.text);
}

static void end(void)
{
    sse_stop(sse);
    sse_free(sse);
    cr_assert_eq(atomic_load(&replies.held), 0);
    check_no_leaks();
}

static enum status open_reader(struct source *s, struct connection *c, struct sse_reader **ret)
{
    struct http_stream stream = { source_more, source_close, s };
    struct error err = { 0 };

    return sse_open(sse, &stream, &CALLS, c, ret, &err);
}

/* Read to the end as a connection does; the data lines that came must be 1, 2, 3 …. Returns how many. */
static int read_all(struct sse_reader *r, struct connection *c, size_t piece)
{
    struct buf all = BUF_INIT(1 << 24);
    char bytes[512];
    int n = 0;

    for (ssize_t got; (got = sse_read(r, bytes, piece)) != SSE_ENDED;) {
        if (got == SSE_ASLEEP)
            connection_wait(c);
        else
            buf_put(&all, bytes, (size_t)got);
    }
    cr_assert_eq(buf_status(&all), ST_OK);
    for (const char *at = all.data; (at = strstr(at, "data: ")); at += 6)
        cr_assert_eq(strtol(at + 6, NULL, 10), ++n);
    buf_release(&all);
    return n;
}

TestSuite(readers, .fini = end);

Test(readers, get_everything_in_order_and_then_the_end)
{
    const int helpings[] = { 1, 7, 1000 };
    const size_t pieces[] = { 1, 13, 512 };

    begin_with(4, 100);
    for (size_t i = 0; i < 3; i++) {
        struct source s = { .last = 1000, .helping = helpings[i] };
        struct connection c = CONNECTION_INIT;
        struct sse_reader *r = NULL;

        if (helpings[i] == 1)
            s.last = 20; /* a poke each: quick, but not for ever */
        cr_assert_eq(open_reader(&s, &c, &r), ST_OK);
        cr_assert_eq(read_all(r, &c, pieces[i]), s.last);
        sse_close(r);
        for (int wait = 0; !s.closed && wait < 10000; wait++)
            usleep(1000);
        cr_assert_eq(s.closed, 1);
    }
}

Test(readers, who_take_nothing_cost_one_helping)
{
    static struct source s = { .last = -1, .helping = 3 }, other = { .last = 200, .helping = 10 };
    static struct connection deaf = CONNECTION_INIT, c = CONNECTION_INIT;
    struct sse_reader *r = NULL, *quick = NULL;
    char greeting[13];

    begin_with(4, 0.001);
    cr_assert_eq(open_reader(&s, &deaf, &r), ST_OK);
    cr_assert_eq(sse_read(r, greeting, sizeof greeting), sizeof greeting); /* and no more */
    cr_assert_eq(open_reader(&other, &c, &quick), ST_OK);
    cr_assert_eq(read_all(quick, &c, 64), 200); /* nobody waits for the deaf one */
    usleep(500000);
    cr_assert_eq(s.asked, 1);
    cr_assert_eq(s.told, 3);
    sse_close(quick);
    sse_close(r);
}

Test(readers, are_kept_by_comments_while_there_is_nothing)
{
    static struct source s = { .last = -1, .helping = 0 };
    static struct connection c = CONNECTION_INIT;
    struct sse_reader *r = NULL;
    struct buf all = BUF_INIT(4096);
    char bytes[64];

    begin_with(1, 0.05);
    cr_assert_eq(open_reader(&s, &c, &r), ST_OK);
    while (!all.data || !strstr(all.data, ": ping\n\n: ping\n\n")) {
        const ssize_t got = sse_read(r, bytes, sizeof bytes);

        if (got == SSE_ASLEEP)
            connection_wait(&c);
        else
            buf_put(&all, bytes, (size_t)got);
    }
    cr_assert_eq(strncmp(all.data, "retry: ", 7), 0);
    buf_release(&all);
    sse_close(r);
}

Test(readers, are_only_so_many)
{
    static struct source s = { .last = -1, .helping = 0 };
    static struct connection c = CONNECTION_INIT;
    struct sse_reader *r[3] = { NULL };

    begin_with(2, 100);
    cr_assert_eq(open_reader(&s, &c, &r[0]), ST_OK);
    cr_assert_eq(open_reader(&s, &c, &r[1]), ST_OK);
    cr_assert_eq(open_reader(&s, &c, &r[2]), ST_BUSY);
    cr_assert_null(r[2]);
    cr_assert_eq(s.closed, 1);
    sse_close(r[0]);
    cr_assert_eq(open_reader(&s, &c, &r[2]), ST_OK);
    sse_close(r[1]);
    sse_close(r[2]);
    sse_close(NULL);
}

Test(readers, of_a_source_that_fails_see_an_end)
{
    static struct source s = { .fails = true };
    static struct connection c = CONNECTION_INIT;
    struct sse_reader *r = NULL;

    begin_with(1, 100);
    cr_assert_eq(open_reader(&s, &c, &r), ST_OK);
    cr_assert_eq(read_all(r, &c, 512), 0);
    sse_close(r);
}

/* One of many that come, read, and go before the end or at it. */
static void *visit(void *arg)
{
    const int number = *(const int *)arg;

    for (int i = 0; i < 30; i++) {
        struct source s = { .last = (number + i) % 3 ? 50 : -1, .helping = 1 + i % 7 };
        struct connection c = CONNECTION_INIT;
        struct sse_reader *r = NULL;
        char bytes[32];

        if (open_reader(&s, &c, &r) != ST_OK)
            continue;
        if (s.last < 0) {
            for (int reads = 0; reads < i; reads++)
                if (sse_read(r, bytes, sizeof bytes) == SSE_ASLEEP)
                    connection_wait(&c);
        } else {
            read_all(r, &c, 32);
        }
        sse_close(r);
        while (!s.closed) /* the source is on this stack */
            usleep(100);
    }
    return NULL;
}

Test(readers, come_and_go_in_many_threads)
{
    enum { N = 8 };
    pthread_t threads[N];
    int numbers[N];

    begin_with(6, 0.01);
    for (int i = 0; i < N; i++) {
        numbers[i] = i;
        cr_assert_eq(pthread_create(&threads[i], NULL, visit, &numbers[i]), 0);
    }
    for (int i = 0; i < N; i++)
        pthread_join(threads[i], NULL);
}

static void *read_to_the_end(void *arg)
{
    void **pair = arg;

    read_all(pair[0], pair[1], 64);
    sse_close(pair[0]);
    return NULL;
}

Test(readers, are_all_let_go_when_it_stops)
{
    enum { N = 16 };
    static struct source sources[N];
    static struct connection connections[N];
    static void *pairs[N][2];
    pthread_t threads[N];
    struct sse_reader *late = NULL;

    begin_with(N + 1, 0.02);
    for (int i = 0; i < N; i++) {
        sources[i] = (struct source){ .last = -1, .helping = i % 2 };
        connections[i] = (struct connection)CONNECTION_INIT;
        cr_assert_eq(open_reader(&sources[i], &connections[i], (struct sse_reader **)&pairs[i][0]), ST_OK);
        pairs[i][1] = &connections[i];
        cr_assert_eq(pthread_create(&threads[i], NULL, read_to_the_end, pairs[i]), 0);
    }
    usleep(100000);
    sse_stop(sse);
    cr_assert_eq(open_reader(&sources[0], &connections[0], &late), ST_BUSY);
    for (int i = 0; i < N; i++)
        pthread_join(threads[i], NULL);
    sse_free(sse);
    for (int i = 1; i < N; i++)
        cr_assert_eq(sources[i].closed, 1);
    sse = NULL;
}

Test(readers, are_not_asked_while_replies_take_up_all_memory_that_they_may)
{
    static struct source source = { .last = 3, .helping = 1 };
    static struct connection c = CONNECTION_INIT;
    struct sse_reader *r;
    int asked;

    begin_with(1, 1000);
    budget_force(&replies, replies.limit);
    cr_assert_eq(open_reader(&source, &c, &r), ST_OK);
    usleep(500000); /* some ticks, in which a source that is asked has told all */
    asked = atomic_load(&source.asked);
    budget_give(&replies, replies.limit);
    cr_assert_eq(read_all(r, &c, 512), 3);
    sse_close(r);
    cr_assert_eq(asked, 0);
}

Test(readers, who_are_no_longer_welcome_hear_no_more)
{
    static struct source sources[] = { { .last = -1, .helping = 1 },
                                       { .last = -1, .helping = 0 },
                                       { .last = 3, .helping = 1 } };
    static struct connection connections[] = { CONNECTION_INIT, CONNECTION_INIT, CONNECTION_INIT };
    struct sse_reader *busy, *idle, *other;
    char bytes[512];

    begin_with(3, 1000);
    cr_assert_eq(open_reader(&sources[0], &connections[0], &busy), ST_OK);
    cr_assert_eq(open_reader(&sources[1], &connections[1], &idle), ST_OK);
    cr_assert_eq(open_reader(&sources[2], &connections[2], &other), ST_OK);
    while (sse_read(idle, bytes, sizeof bytes) != SSE_ASLEEP)
        ;
    atomic_store(&connections[0].unwelcome, true); /* it has not read what waits for it */
    atomic_store(&connections[1].unwelcome, true);
    connection_wait(&connections[1]);
    cr_assert_eq(sse_read(idle, bytes, sizeof bytes), SSE_ENDED);
    for (ssize_t n; (n = sse_read(busy, bytes, 1)) != SSE_ENDED;) /* its source has no end */
        if (n == SSE_ASLEEP)
            connection_wait(&connections[0]);
    cr_assert_eq(read_all(other, &connections[2], 512), 3);
    sse_close(busy);
    sse_close(idle);
    sse_close(other);
}
