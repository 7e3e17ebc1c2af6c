/* tests/unit/test_ranks.c - ranks that are threads of this process: what they sum, gather and agree on, and how they fail. */
#include "cxrd/ranks.h"
#include "cxrd/rng.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 9, LENGTH = 1003 };

/* Bytes go from one thread to another while both stand at the same place. */
struct room {
    size_t n;
    pthread_barrier_t both;
    const struct iovec *out[MOST];
};

struct rank {
    struct room *room;
    size_t me,
        gone; /* gone: exchanges until it comes no more, for whoever else is in the room; 0: it stays */
    struct ranks *ranks;
    void (*work)(struct rank *rank);
    size_t n_parts;
    float *sum; /* [LENGTH] */
    struct error err;
    enum status st;
};

static enum status swap(void *arg, const struct iovec *out, const struct iovec *in, double seconds,
                        bool *missing)
{
    struct rank *k = arg;

    (void)seconds;
    k->room->out[k->me] = out;
    pthread_barrier_wait(&k->room->both);
    for (size_t q = 0; q < k->room->n; q++)
        if (q != k->me && in[q].iov_len) {
            cr_assert_eq(k->room->out[q][k->me].iov_len, in[q].iov_len);
            memcpy(in[q].iov_base, k->room->out[q][k->me].iov_base, in[q].iov_len);
        }
    pthread_barrier_wait(&k->room->both);
    if (k->gone && --k->gone == 0) {
        missing[1] = true;
        return ST_IO;
    }
    return ST_OK;
}

static const struct ranks_form THREADS = { swap, NULL };

static void *rank_main(void *arg)
{
    struct rank *k = arg;
    char name[16];

    snprintf(name, sizeof name, "thread %zu", k->me);
    cr_assert_eq(ranks_new(&THREADS, k, k->room->n, k->me, name, 30, &k->ranks, &k->err), ST_OK);
    k->work(k);
    ranks_free(k->ranks);
    return NULL;
}

static void run(size_t n, struct rank *ranks, void (*work)(struct rank *rank))
{
    struct room room = { .n = n };
    pthread_t threads[MOST];

    pthread_barrier_init(&room.both, NULL, (unsigned)n);
    for (size_t q = 0; q < n; q++) {
        ranks[q].room = &room;
        ranks[q].me = q;
        ranks[q].work = work;
        cr_assert_eq(pthread_create(&threads[q], NULL, rank_main, &ranks[q]), 0);
    }
    for (size_t q = 0; q < n; q++)
        pthread_join(threads[q], NULL);
    pthread_barrier_destroy(&room.both);
}

/* Numbers of very different sizes, whose sum depends on the order. */
static void part_fill(size_t part, float *v)
{
    struct rng rng;

    rng_seed(&rng, 7, part);
    for (size_t i = 0; i < LENGTH; i++)
        v[i] = (float)((rng_unit(&rng) - 0.5) * (double)(1u << rng_next(&rng) % 24));
}

static void sum_work(struct rank *k)
{
    const size_t first = ranks_share(k->ranks, k->me, k->n_parts),
                 share = ranks_share(k->ranks, k->me + 1, k->n_parts) - first;
    const size_t room = ranks_sum_room(k->ranks, k->n_parts, LENGTH);
    float **parts = calloc(share + 1, sizeof *parts), *memory = malloc((room + 1) * sizeof *memory);

    for (size_t i = 0; i < share || i == 0; i++) {
        parts[i] = calloc(LENGTH, sizeof **parts);
        if (i < share)
            part_fill(first + i, parts[i]);
    }
    for (int again = 0; again < 2; again++) { /* what it is left with does no harm to the next */
        for (size_t i = 0; i < share; i++)
            part_fill(first + i, parts[i]);
        k->st = ranks_sum(k->ranks, k->n_parts, 1, parts, LENGTH, memory, &k->err);
        cr_assert_eq(k->st, ST_OK);
    }
    memcpy(k->sum, parts[0], LENGTH * sizeof *k->sum);
    for (size_t i = 0; i < share || i == 0; i++)
        free(parts[i]);
    free(parts);
    free(memory);
}

/* By itself: lower half + upper half. */
static void tree(size_t first, size_t n, float *sum)
{
    float upper[LENGTH];

    if (n == 1) {
        part_fill(first, sum);
        return;
    }
    tree(first, n / 2, sum);
    tree(first + n / 2, n / 2, upper);
    for (size_t i = 0; i < LENGTH; i++)
        sum[i] += upper[i];
}

Test(ranks, a_sum_has_the_same_bits_for_any_number_of_ranks)
{
    static float sums[MOST][LENGTH], expected[LENGTH];

    for (size_t n_parts = 1; n_parts <= 32; n_parts *= 2)
        for (size_t n = 1; n <= MOST; n++) {
            struct rank ranks[MOST] = { 0 };

            tree(0, n_parts, expected);
            for (size_t q = 0; q < n; q++) {
                ranks[q].n_parts = n_parts;
                ranks[q].sum = sums[q];
            }
            run(n, ranks, sum_work);
            for (size_t q = 0; q < n; q++)
                cr_assert_eq(memcmp(sums[q], expected, sizeof expected), 0, "%zu parts, rank %zu of %zu",
                             n_parts, q, n);
        }
}

Test(ranks, alone_is_a_form_of_it)
{
    static float sum[LENGTH], expected[LENGTH];
    struct rank alone = { .n_parts = 16, .sum = sum };
    bool flag = true;
    size_t n = 5;
    void *bytes = &n;

    tree(0, 16, expected);
    sum_work(&alone);
    cr_assert_eq(memcmp(sum, expected, sizeof expected), 0);
    cr_assert_eq(ranks_n(NULL), 1);
    cr_assert_eq(ranks_or(NULL, &flag, 1, NULL), ST_OK);
    cr_assert_eq(ranks_agree(NULL, "it", "a", NULL), ST_OK);
    cr_assert_eq(ranks_broadcast(NULL, &bytes, &n, NULL), ST_OK);
    cr_assert(flag && n == 5 && bytes == &n);
    cr_assert_eq(ranks_end(NULL, ST_IO, NULL), ST_IO);
}

static void talk_work(struct rank *k)
{
    const size_t n = ranks_n(k->ranks), bounds[] = { 0, 0, 5, 7 };
    bool flags[3] = { k->me == 1, false, k->me == 2 };
    int all[7] = { 0 };
    void *bytes = k->me == 0 ? (void *)"hello" : NULL;
    size_t size = k->me == 0 ? 6 : 0;

    cr_assert_eq(ranks_or(k->ranks, flags, 3, &k->err), ST_OK);
    cr_assert(flags[0] && !flags[1] && flags[2]);
    for (size_t i = bounds[k->me]; i < bounds[k->me + 1]; i++)
        all[i] = 10 + (int)i;
    cr_assert_eq(ranks_gather(k->ranks, all, sizeof *all, bounds, 7, &k->err), ST_OK);
    for (int i = 0; i < 7; i++)
        cr_assert_eq(all[i], 10 + i);
    cr_assert_eq(ranks_broadcast(k->ranks, &bytes, &size, &k->err), ST_OK);
    cr_assert(size == 6 && strcmp(bytes, "hello") == 0);
    if (k->me != 0)
        free(bytes);
    size = 0;
    bytes = NULL;
    cr_assert_eq(ranks_broadcast(k->ranks, &bytes, &size, &k->err), ST_OK);
    cr_assert(size == 0 && !bytes);
    cr_assert_eq(ranks_agree(k->ranks, "the table", "abc", &k->err), ST_OK);
    cr_assert_str_eq(ranks_name(k->ranks, n - 1), "thread 2");
    cr_assert_eq(ranks_end(k->ranks, ST_OK, &k->err), ST_OK);
}

Test(ranks, they_tell_one_another)
{
    struct rank ranks[3] = { 0 };

    run(3, ranks, talk_work);
}

static void differ_work(struct rank *k)
{
    bool flag = false;

    k->st = ranks_agree(k->ranks, "the table", k->me == 1 ? "abd" : "abc", &k->err);
    cr_assert_eq(ranks_end(k->ranks, k->st, &k->err), ST_CONFLICT);
    cr_assert_eq(ranks_or(k->ranks, &flag, 1, &k->err), ST_CONFLICT);
}

Test(ranks, one_that_differs_is_named_everywhere)
{
    struct rank ranks[3] = { 0 };

    run(3, ranks, differ_work);
    for (int q = 0; q < 3; q++)
        cr_assert_str_eq(ranks[q].err.text,
                         "the table: not the same in rank 1 (thread 1) as in the others ('abd', not 'abc')");
}

static void half_work(struct rank *k)
{
    k->st = ranks_agree(k->ranks, "the build", k->me == 0 ? "1" : "2", &k->err);
}

Test(ranks, of_two_the_first_is_right)
{
    struct rank ranks[2] = { 0 };

    run(2, ranks, half_work);
    cr_assert_str_eq(ranks[1].err.text,
                     "the build: not the same in rank 1 (thread 1) as in the others ('2', not '1')");
}

/* One fails while the others wait for its share of a sum, and one is told to end at the same time. */
static void fail_work(struct rank *k)
{
    float part[LENGTH] = { 0 }, *parts[] = { part, part }, room[3 * LENGTH];

    if (k->me == 2)
        k->st = error_set(&k->err, ST_UNUSABLE, "the picture 'a.png' cannot be used");
    else if (k->me == 1)
        k->st = error_set(&k->err, ST_CANCELLED, "the training was cancelled");
    else
        k->st = ranks_sum(k->ranks, 4, 1, parts, LENGTH, room, &k->err);
    k->st = ranks_end(k->ranks, k->st, &k->err);
}

Test(ranks, the_failure_of_one_is_that_of_all)
{
    struct rank ranks[3] = { 0 };

    run(3, ranks, fail_work);
    cr_assert_eq(ranks[0].st, ST_UNUSABLE);
    cr_assert_str_eq(ranks[0].err.text, "rank 2 (thread 2): the picture 'a.png' cannot be used");
    cr_assert_eq(ranks[2].st, ST_UNUSABLE);
    cr_assert_str_eq(ranks[2].err.text, "the picture 'a.png' cannot be used");
    cr_assert_eq(ranks[1].st, ST_CANCELLED);
    cr_assert_str_eq(ranks[1].err.text, "the training was cancelled");
}

static void silent_work(struct rank *k)
{
    bool flag = false;

    k->gone = 1;
    k->st = ranks_or(k->ranks, &flag, 1, &k->err);
    cr_assert(ranks_lost(k->ranks));
    cr_assert_eq(ranks_end(k->ranks, k->st, &k->err), ST_IO);
}

Test(ranks, one_that_is_silent_is_named)
{
    struct rank ranks[2] = { 0 };

    run(2, ranks, silent_work);
    cr_assert_str_eq(ranks[0].err.text, "rank 1 (thread 1): not heard of for 30 s");
}

static void slow_work(struct rank *k)
{
    const struct timespec nap = { 0, k->me == 2 ? 8000000 : 1000000 };
    float part[LENGTH] = { 0 }, *parts[] = { part }, room[3 * LENGTH];
    size_t who = 0;
    double times = 0;
    bool over = false;

    for (size_t i = 0; !over; i++) { /* beside other programs a quick one may take its time, too */
        nanosleep(&nap, NULL);
        cr_assert_eq(ranks_sum(k->ranks, 4, 1, parts, LENGTH, room, &k->err), ST_OK);
        over = ranks_slow(k->ranks, &who, &times);
        cr_assert(!over || i >= 50);
        cr_assert_eq(ranks_or(k->ranks, &over, 1, &k->err), ST_OK);
    }
    cr_assert_eq(who, 2);
    cr_assert_gt(times, 1.5);
    cr_assert_not(ranks_slow(k->ranks, &who, &times));
}

Test(ranks, one_that_is_slow_is_named_once)
{
    struct rank ranks[4] = { 0 };

    run(4, ranks, slow_work);
}
