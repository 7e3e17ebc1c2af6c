/* tests/unit/test_core.c - buffers, the generator, digests, whole files, threads and their pool. */
#include "cxrd/buf.h"
#include "cxrd/clock.h"
#include "cxrd/decimal.h"
#include "cxrd/digest.h"
#include "cxrd/file.h"
#include "cxrd/pool.h"
#include "cxrd/rng.h"
#include "cxrd/thread.h"
#include "support.h"

#include <criterion/criterion.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

Test(buf, grows_and_keeps_a_terminating_nul)
{
    struct buf b = BUF_INIT(1 << 20);

    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "%04d", i);
    cr_assert_eq(buf_status(&b), ST_OK);
    cr_assert_eq(b.len, 4000);
    cr_assert_eq(strlen(b.data), 4000);
    cr_assert(strncmp(b.data + 3996, "0999", 4) == 0);
    buf_release(&b);
}

Test(buf, refuses_what_exceeds_its_cap_and_remembers)
{
    struct buf b = BUF_INIT(10);

    buf_puts(&b, "12345");
    buf_puts(&b, "678901");
    buf_puts(&b, "x");
    cr_assert_eq(buf_status(&b), ST_LIMIT);
    cr_assert_str_eq(b.data, "12345");
    buf_clear(&b);
    buf_puts(&b, "1234567890");
    cr_assert_eq(buf_status(&b), ST_OK);
    buf_release(&b);
}

/* The first outputs for a state of 1, 2, 3, 4, computed by hand from the definition of xoshiro256**. */
Test(rng, is_xoshiro256_starstar)
{
    struct rng r = { { 1, 2, 3, 4 } };

    cr_assert_eq(rng_next(&r), 11520);
    cr_assert_eq(rng_next(&r), 0);
    cr_assert_eq(rng_next(&r), 1509978240);
}

Test(rng, repeats_by_seed_and_differs_by_stream)
{
    struct rng a, b, c;

    rng_seed(&a, 42, 1);
    rng_seed(&b, 42, 1);
    rng_seed(&c, 42, 2);
    for (int i = 0; i < 100; i++) {
        const uint64_t x = rng_next(&a);

        cr_assert_eq(x, rng_next(&b));
        cr_assert_neq(x, rng_next(&c));
    }
}

Test(rng, below_is_uniform_and_shuffle_keeps_every_item)
{
    enum { N = 10, DRAWS = 100000 };
    uint32_t items[N] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 };
    int counts[N] = { 0 }, seen = 0;
    struct rng r;

    rng_seed(&r, 1, 1);
    for (int i = 0; i < DRAWS; i++)
        counts[rng_below(&r, N)]++;
    for (int i = 0; i < N; i++)
        cr_assert(abs(counts[i] - DRAWS / N) < 500, "%d was drawn %d times", i, counts[i]); /* 5 sigma: 474 */
    rng_shuffle(&r, items, N);
    for (int i = 0; i < N; i++)
        seen |= 1 << items[i];
    cr_assert_eq(seen, 1023);
}

Test(digest, is_sha256)
{
    char text[DIGEST_TEXT_SIZE];

    cr_assert_eq(digest_bytes("abc", 3, text), ST_OK);
    cr_assert_str_eq(text,
                     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"); /* FIPS 180-4 */
}

Test(file, replace_leaves_the_new_content_and_nothing_beside_it)
{
    char *folder = scratch_folder(), path[512], beside[520];
    struct file_bytes f = FILE_BYTES_INIT;
    const struct iovec first = { "old", 3 }, second[] = { { "new ", 4 }, { "content", 7 } };
    struct error err = { 0 };

    snprintf(path, sizeof path, "%s/a", folder);
    snprintf(beside, sizeof beside, "%s.part", path);
    cr_assert_eq(file_replace(path, &first, 1, &err), ST_OK, "%s", err.text);
    cr_assert_eq(file_replace(path, second, 2, &err), ST_OK, "%s", err.text);
    cr_assert_eq(file_read(path, 100, &f, &err), ST_OK, "%s", err.text);
    cr_assert_str_eq(f.data, "new content");
    cr_assert_neq(access(beside, F_OK), 0);
    file_bytes_release(&f);
    scratch_remove(folder);
}

/* Until it is committed nothing is there, and what is abandoned was never there. */
Test(file, a_stream_is_there_when_it_is_committed)
{
    char *folder = scratch_folder(), path[512], beside[520];
    struct file_stream *s = NULL;
    struct file_bytes f = FILE_BYTES_INIT;
    struct error err = { 0 };

    snprintf(path, sizeof path, "%s/a", folder);
    snprintf(beside, sizeof beside, "%s.part", path);
    for (int commit = 0; commit < 2; commit++) {
        cr_assert_eq(file_stream_open(path, &s, &err), ST_OK, "%s", err.text);
        cr_assert_eq(file_stream_put(s, "one ", 4, &err), ST_OK);
        cr_assert_eq(file_stream_put(s, "two", 3, &err), ST_OK);
        cr_assert_eq(access(beside, F_OK), 0);
        cr_assert_neq(access(path, F_OK), 0);
        if (commit)
            cr_assert_eq(file_stream_commit(s, &err), ST_OK, "%s", err.text);
        else
            file_stream_abandon(s);
        cr_assert_neq(access(beside, F_OK), 0);
    }
    cr_assert_eq(file_read(path, 100, &f, &err), ST_OK);
    cr_assert_str_eq(f.data, "one two");
    file_bytes_release(&f);
    snprintf(path, sizeof path, "%s/no/a", folder);
    cr_assert_eq(file_stream_open(path, &s, &err), ST_IO);
    file_stream_abandon(NULL);
    scratch_remove(folder);
}

Test(file, read_refuses_what_is_missing_too_large_or_no_file)
{
    char *folder = scratch_folder(), path[512];
    struct file_bytes f = FILE_BYTES_INIT;
    const struct iovec part = { "12345", 5 };
    struct error err = { 0 };

    snprintf(path, sizeof path, "%s/x", folder);
    cr_assert_eq(file_read(path, 10, &f, &err), ST_NOTFOUND);
    cr_assert_eq(file_replace(path, &part, 1, &err), ST_OK);
    cr_assert_eq(file_read(path, 4, &f, &err), ST_LIMIT);
    cr_assert_eq(file_read(folder, 10, &f, &err), ST_IO);
    snprintf(path, sizeof path, "%s/fifo", folder);
    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_assert_eq(file_read(path, 10, &f, &err), ST_IO); /* and does not hang */
    cr_assert_null(f.data);
    scratch_remove(folder);
}

struct tally {
    atomic_int calls[100], in_thread[4], clashes;
};

static void count_call(void *arg, size_t task, size_t thread)
{
    struct tally *t = arg;

    if (atomic_fetch_add(&t->in_thread[thread], 1) != 0)
        atomic_fetch_add(&t->clashes, 1);
    atomic_fetch_add(&t->calls[task], 1);
    atomic_fetch_sub(&t->in_thread[thread], 1);
}

Test(pool, does_every_task_once_and_never_two_in_one_lane)
{
    struct tally t = { 0 };
    struct pool *p = NULL;
    struct error err = { 0 };

    cr_assert_eq(pool_new(4, POOL_BACKGROUND, &p, &err), ST_OK, "%s", err.text);
    for (int round = 0; round < 200; round++)
        pool_run(p, 100, count_call, &t);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(atomic_load(&t.calls[i]), 200);
    cr_assert_eq(atomic_load(&t.clashes), 0);
    pool_free(p);
}

/* ---- a thread in the background ---- */

struct standing {
    enum pool_class class;
    int policy, nice;
};

static void *stand(void *arg)
{
    struct standing *s = arg;

    thread_set_class(s->class);
    s->policy = sched_getscheduler(0);
    s->nice = getpriority(PRIO_PROCESS, (id_t)gettid());
    return NULL;
}

/* It may hold a lock, and whoever waits for that waits until it has had its turn: by their weights it gets a 69th of what a
 * normal one gets, whatever else runs. With SCHED_IDLE it would be a 250th and less. */
Test(pool, background_is_less_than_normal_and_not_nothing)
{
    struct standing s[2] = { { .class = POOL_NORMAL }, { .class = POOL_BACKGROUND } };

    for (int i = 0; i < 2; i++) {
        pthread_t thread;

        cr_assert_eq(thread_start(&thread, stand, &s[i], "a thread", NULL), ST_OK);
        pthread_join(thread, NULL);
    }
    cr_assert_eq(s[0].policy, SCHED_OTHER);
    cr_assert_eq(s[1].policy, SCHED_BATCH);
    cr_assert_eq(s[0].nice, getpriority(PRIO_PROCESS, 0));
    cr_assert_eq(s[1].nice, 19);
}

Test(pool, refuses_no_threads)
{
    cr_assert_eq(pool_new(0, POOL_NORMAL, &(struct pool *){ NULL }, NULL), ST_INVALID);
}

/* ---- threads and conditions ---- */

static void *blocked_signals(void *arg)
{
    pthread_sigmask(SIG_BLOCK, NULL, arg);
    return NULL;
}

/* A fault's own signal must reach its handler, a sanitizer's or the log's: where it is blocked the kernel ends the process. */
static bool is_fault(int n)
{
    return n == SIGSEGV || n == SIGBUS || n == SIGFPE || n == SIGILL || n == SIGABRT || n == SIGTRAP ||
           n == SIGSYS;
}

Test(thread, blocks_all_signals_but_faults_and_its_starter_none)
{
    sigset_t before, after, inside;
    pthread_t thread;
    struct error err = { 0 };

    pthread_sigmask(SIG_BLOCK, NULL, &before);
    cr_assert_eq(thread_start(&thread, blocked_signals, &inside, "a thread", &err), ST_OK, "%s", err.text);
    pthread_join(thread, NULL);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    for (int n = 1; n < 32; n++) {
        cr_assert_eq(sigismember(&inside, n), n != SIGKILL && n != SIGSTOP && !is_fault(n), "signal %d", n);
        cr_assert_eq(sigismember(&after, n), sigismember(&before, n), "signal %d", n);
    }
}

Test(clock, reads_what_it_writes_and_no_other_moment)
{
    static const char *const NONE[] = { "2026-02-29T00:00:00.000Z",
                                        "2026-13-01T00:00:00.000Z",
                                        "2026-01-32T00:00:00.000Z",
                                        "9999-99-99T99:99:99.999Z",
                                        "2026-01-01T24:00:00.000Z",
                                        "2026-01-01T00:00:60.000Z",
                                        "2026-01-01T00:00:00Z",
                                        "2026-01-01T00:00:00.000Z ",
                                        "2026-00-01T00:00:00.000Z",
                                        "2026-01-01 00:00:00.000Z",
                                        "" };
    char now[CLOCK_TEXT_SIZE];
    double at;

    cr_assert(clock_parse(clock_utc(now), &at));
    cr_assert_leq(fabs(at - (double)time(NULL)), 2);
    cr_assert(clock_parse("2024-02-29T12:34:56.789Z", &at));
    cr_assert_float_eq(at, 1709210096.789, 1e-3);
    cr_assert(clock_parse("1970-01-01T00:00:00.000Z", &at));
    cr_assert_eq(at, 0);
    cr_assert_not(clock_parse(NULL, &at));
    for (size_t i = 0; i < sizeof NONE / sizeof NONE[0]; i++)
        cr_assert_not(clock_parse(NONE[i], &at), "'%s'", NONE[i]);
}

Test(condition, keeps_to_a_deadline_of_the_clock_that_never_steps)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    const double past = clock_seconds() - 1, soon = clock_seconds() + 0.02;
    pthread_cond_t c;

    condition_init(&c);
    pthread_mutex_lock(&lock);
    cr_assert_not(condition_wait(&c, &lock, past));
    while (condition_wait(&c, &lock, soon))
        ;
    cr_assert_geq(clock_seconds(), soon, "it went by another clock, or gave up early");
    pthread_mutex_unlock(&lock);
    pthread_cond_destroy(&c);
}

static struct {
    pthread_mutex_t lock;
    pthread_cond_t rung;
    bool done;
} bell = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void *ring(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&bell.lock);
    bell.done = true;
    pthread_cond_signal(&bell.rung);
    pthread_mutex_unlock(&bell.lock);
    return NULL;
}

Test(condition, waits_for_ever_where_there_is_no_deadline)
{
    struct error err = { 0 };
    pthread_t thread;

    condition_init(&bell.rung);
    pthread_mutex_lock(&bell.lock);
    cr_assert_eq(thread_start(&thread, ring, NULL, "a thread", &err), ST_OK);
    while (!bell.done)
        cr_assert(condition_wait(&bell.rung, &bell.lock, INFINITY));
    pthread_mutex_unlock(&bell.lock);
    pthread_join(thread, NULL);
}

/* ---- decimals ---- */

Test(decimal, is_the_shortest_that_reads_back)
{
    static const struct {
        float v;
        const char *text;
    } CASES[] = { { 123.675f, "123.675" },  { 1e-5f, "1e-05" }, { 0.1f, "0.1" },
                  { -58.395f, "-58.395" },  { 0, "0" },         { 1.0f / 3, "0.33333334" },
                  { 16777216, "16777216" }, { 1e-45f, "1e-45" } };
    char text[DECIMAL_TEXT];

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        cr_expect_str_eq(decimal_text(CASES[i].v, text), CASES[i].text);
        cr_expect_eq((float)decimal_of(CASES[i].v), CASES[i].v);
    }
    cr_expect_eq(decimal_of(123.675f), 123.675);
    cr_expect(isnan(decimal_of(NAN)) && isinf(decimal_of(-INFINITY)));
}

Test(decimal, of_any_float_is_that_float)
{
    struct rng rng;

    rng_seed(&rng, 3, 1);
    for (int i = 0; i < 20000; i++) {
        const uint32_t bits = (uint32_t)rng_below(&rng, 1U << 31) * 2 + (uint32_t)i % 2;
        float v;

        memcpy(&v, &bits, sizeof v);
        if (isfinite(v))
            cr_assert_eq((float)decimal_of(v), v, "%a", (double)v);
    }
}

Test(decimal, is_what_json_writes)
{
    json_t *number = decimal_json(57.375f), *other = decimal_json(123.675f);
    char *one = json_dumps(number, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
    char *two = json_dumps(other, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));

    cr_expect_str_eq(one, "57.375");
    cr_expect_str_eq(two, "123.675");
    free(one);
    free(two);
    json_decref(number);
    json_decref(other);
}
