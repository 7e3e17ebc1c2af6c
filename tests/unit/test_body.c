/* tests/unit/test_body.c - a request's body is what came, wherever it is kept. */
#include "http/body.h"
#include "http/http.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LARGE = 1 << 20, PIECE = 32749 /* a prime, so that pieces end anywhere */ };

static struct body_budget budget_of(size_t bytes)
{
    return (struct body_budget){ .bytes = { .limit = bytes }, .shared = { .limit = MAX_SHARED_BODIES } };
}

static char byte_at(size_t i) { return (char)(i * 2654435761u >> 13); }

/* Give a body its next [n] bytes, in pieces. */
static void come(struct body *b, size_t n)
{
    char piece[PIECE];

    while (n > 0) {
        const size_t k = n < PIECE ? n : PIECE;

        for (size_t i = 0; i < k; i++)
            piece[i] = byte_at(b->received + i);
        cr_assert(body_take(b, piece, k));
        n -= k;
    }
}

static void check_whole(struct body *b, size_t n, bool is_shared)
{
    const char *bytes;

    cr_assert_eq(b->status, ST_OK);
    cr_assert(body_complete(b));
    bytes = body_bytes(b);
    cr_assert_eq(b->received, n);
    cr_assert_eq(b->shared.fd >= 0, is_shared, "%zu bytes", n);
    for (size_t i = 0; i < n; i++)
        if (bytes[i] != byte_at(i))
            cr_assert_fail("byte %zu of %zu", i, n);
}

Test(body, is_what_came)
{
    static const size_t SIZES[] = { 1,         4096,      LARGE - 1,        LARGE,
                                    LARGE + 1, 4 * LARGE, 3 * LARGE + 4095, 3 * LARGE + 1 };

    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        struct body_budget budget = budget_of(SIZES[i]);
        struct body b;

        body_init(&b, &budget);
        b.max = SIZES[i];
        come(&b, SIZES[i]);
        check_whole(&b, SIZES[i], SIZES[i] >= LARGE);
        body_release(&b);
        body_release(&b);
        cr_assert(budget.bytes.held == 0 && budget.shared.held == 0);
    }
}

Test(body, a_large_one_cannot_change_when_it_is_complete)
{
    struct body_budget budget = budget_of(2 * LARGE);
    struct body b;

    body_init(&b, &budget);
    b.max = 2 * LARGE;
    come(&b, 2 * LARGE);
    check_whole(&b, 2 * LARGE, true);
    cr_assert_lt(pwrite(b.shared.fd, "x", 1, 0), 0);
    cr_assert_lt(pwrite(b.shared.fd, "x", 1, 2 * LARGE), 0);
    cr_assert_neq(ftruncate(b.shared.fd, 1), 0);
    cr_assert_eq(mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, b.shared.fd, 0), MAP_FAILED);
    body_release(&b);
}

Test(body, more_large_ones_than_descriptors_are_kept_all_the_same)
{
    struct body_budget budget = budget_of(SIZE_MAX / 2);
    struct body bodies[MAX_SHARED_BODIES + 2];
    const size_t n = sizeof bodies / sizeof bodies[0];

    for (size_t i = 0; i < n; i++) {
        body_init(&bodies[i], &budget);
        bodies[i].max = LARGE + i;
        come(&bodies[i], LARGE + i);
        check_whole(&bodies[i], LARGE + i, i < MAX_SHARED_BODIES);
    }
    for (size_t i = 0; i < n; i++)
        body_release(&bodies[i]);
    cr_assert(budget.bytes.held == 0 && budget.shared.held == 0);
}

Test(body, is_refused_beyond_a_limit)
{
    struct body_budget budget = budget_of(3 * LARGE);
    struct body a, b, c;

    body_init(&a, &budget);
    a.max = 2 * LARGE;
    come(&a, 2 * LARGE);
    come(&a, 1);
    cr_assert_eq(a.status, ST_LIMIT);
    cr_assert_eq(budget.bytes.held, 0);
    body_init(&b, &budget);
    body_init(&c, &budget);
    b.max = c.max = 2 * LARGE;
    come(&b, 2 * LARGE);
    come(&c, 2 * LARGE);
    cr_assert_eq(b.status, ST_OK);
    cr_assert_eq(c.status, ST_BUSY);
    body_release(&b);
    cr_assert(budget.bytes.held == 0 && budget.shared.held == 0);
}
