/* tests/unit/test_connection_limit.c - which connection gives way when too many come: against a plain model of the rule, and
 * never one that is at work. */
#include "cxrd/rng.h"
#include "http/connection_limit.h"
#include "leaks.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct sockaddr_storage from(const char *text)
{
    struct sockaddr_storage a = { .ss_family = strchr(text, ':') ? AF_INET6 : AF_INET };
    void *at = a.ss_family == AF_INET ? (void *)&((struct sockaddr_in *)(void *)&a)->sin_addr
                                      : (void *)&((struct sockaddr_in6 *)(void *)&a)->sin6_addr;

    cr_assert_eq(inet_pton(a.ss_family, text, at), 1);
    return a;
}

static void enter(struct connection_limit *l, struct counted *c, const char *text)
{
    const struct sockaddr_storage a = from(text);

    cr_assert(connection_limit_enter(l, c, (const struct sockaddr *)&a));
}

Test(connection_limit, the_source_with_most_gives_way_and_of_it_the_one_that_has_waited_longest)
{
    struct connection_limit *l = connection_limit_new(10);
    struct counted crowd[4], other, at_work;

    enter(l, &other, "192.0.2.1");
    enter(l, &at_work, "192.0.2.2");
    connection_limit_work(l, &at_work);
    for (int i = 0; i < 4; i++)
        enter(l, &crowd[i], "192.0.2.2");
    connection_limit_work(l, &crowd[0]);
    connection_limit_wait(l, &crowd[0]); /* was served a moment ago */
    cr_assert_eq(connection_limit_give_way(l), &crowd[1]);
    cr_assert_eq(connection_limit_give_way(l), &crowd[2]);
    cr_assert_eq(connection_limit_give_way(l), &crowd[3]);
    cr_assert_eq(connection_limit_taken(l), 3);
    cr_assert_eq(connection_limit_give_way(l), &crowd[0]); /* with the one at work it has two */
    cr_assert_eq(connection_limit_give_way(l), &other);
    cr_assert_null(connection_limit_give_way(l)); /* what is at work never goes */
    cr_assert_eq(connection_limit_working(l), 1);
    connection_limit_wait(l, &other); /* goes already */
    cr_assert_null(connection_limit_give_way(l));
    connection_limit_leave(l, &other);
    for (int i = 0; i < 4; i++)
        connection_limit_leave(l, &crowd[i]);
    connection_limit_leave(l, &at_work);
    cr_assert_eq(connection_limit_taken(l), 0);
    cr_assert_eq(connection_limit_working(l), 0);
    connection_limit_free(l);
    check_no_leaks();
}

Test(connection_limit, one_that_goes_and_has_asked_before_counts_until_it_has_its_reply)
{
    struct connection_limit *l = connection_limit_new(4);
    struct counted one, other;

    enter(l, &one, "192.0.2.1");
    enter(l, &other, "192.0.2.1");
    cr_assert_eq(connection_limit_give_way(l), &one);
    connection_limit_work(l, &one);
    cr_assert_eq(connection_limit_taken(l), 2);
    cr_assert_eq(connection_limit_working_of(&one), 1);
    cr_assert_eq(connection_limit_give_way(l), &other);
    cr_assert_null(connection_limit_give_way(l));
    connection_limit_wait(l, &one);
    cr_assert_eq(connection_limit_taken(l), 1);
    cr_assert_eq(connection_limit_working(l), 0);
    connection_limit_leave(l, &one);
    connection_limit_leave(l, &other);
    cr_assert_eq(connection_limit_taken(l), 0);
    connection_limit_free(l);
    check_no_leaks();
}

Test(connection_limit, a_source_is_an_address_or_half_of_a_long_one)
{
    static const char *const TEXTS[] = { "192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1", "2001:db8::2:3",
                                         "2001:db8:0:1::1" };
    static const size_t TOGETHER[] = { 2, 2, 2, 2, 1 };
    struct connection_limit *l = connection_limit_new(5);
    struct counted all[5];

    for (int i = 0; i < 5; i++)
        enter(l, &all[i], TEXTS[i]);
    for (int i = 0; i < 5; i++)
        cr_assert_eq(connection_limit_taken_of(&all[i]), TOGETHER[i], "%s", TEXTS[i]);
    for (int i = 0; i < 5; i++)
        connection_limit_leave(l, &all[i]);
    connection_limit_free(l);
    check_no_leaks();
}

/* ---- against a model ---- */

enum { N = 60, SOURCES = 7, STEPS = 200000 };

/* Each connection by the rule: when it began to wait, 0: it does not; -1: it is not there; -2: it goes. */
struct told {
    int source;
    long waits;
};

static size_t taken_of(const struct told *all, int source)
{
    size_t n = 0;

    for (int i = 0; i < N; i++)
        n += all[i].source == source && all[i].waits >= 0;
    return n;
}

/* Whether i may be whose turn it is. */
static bool may_go(const struct told *all, int i)
{
    for (int k = 0; k < N; k++)
        if (all[k].waits > 0 && (taken_of(all, all[k].source) > taken_of(all, all[i].source) ||
                                 (all[k].source == all[i].source && all[k].waits < all[i].waits)))
            return false;
    return all[i].waits > 0;
}

Test(connection_limit, follow_the_rule_whatever_comes_and_goes)
{
    struct connection_limit *l = connection_limit_new(N);
    struct counted all[N];
    struct told told[N];
    struct rng rng;

    rng_seed(&rng, 1, 1);
    for (int i = 0; i < N; i++)
        told[i].waits = -1;
    for (long step = 1; step < STEPS; step++) {
        const int i = (int)rng_below(&rng, N), what = (int)rng_below(&rng, 5);
        char text[32];

        if (told[i].waits == -1) {
            told[i] =
                (struct told){ (int)(rng_below(&rng, SOURCES) * rng_below(&rng, SOURCES) / SOURCES), step };
            snprintf(text, sizeof text, "192.0.2.%d", told[i].source);
            enter(l, &all[i], text);
        } else if (what == 0) {
            connection_limit_leave(l, &all[i]);
            told[i].waits = -1;
        } else if (what == 1 || what == 2) {
            connection_limit_work(l, &all[i]);
            told[i].waits = 0;
        } else if (what == 3) {
            connection_limit_wait(l, &all[i]);
            told[i].waits = told[i].waits >= 0 ? step : told[i].waits;
        } else {
            const struct counted *goes = connection_limit_give_way(l);

            for (int k = 0; k < N && !goes; k++)
                cr_assert_leq(told[k].waits, 0);
            if (goes) {
                cr_assert(may_go(told, (int)(goes - all)), "step %ld", step);
                told[goes - all].waits = -2;
            }
        }
    }
    for (int i = 0; i < N; i++)
        if (told[i].waits != -1)
            connection_limit_leave(l, &all[i]);
    cr_assert_eq(connection_limit_taken(l), 0);
    cr_assert_eq(connection_limit_working(l), 0);
    connection_limit_free(l);
    check_no_leaks();
}
