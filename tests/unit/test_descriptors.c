/* tests/unit/test_descriptors.c - the budget of descriptors adds up, whatever the limit. */
#include "descriptors.h"

#include <criterion/criterion.h>

static const struct descriptor_needs ALL = { 2, 2, 2, true, true, true, true, false };
enum { OPEN = 3 };

Test(descriptors, suffice_from_88_up_for_two_threads_with_everything_on)
{
    struct descriptor_plan plan;

    for (size_t limit = 88; limit <= 1 << 20; limit += 1 + limit / 7) {
        cr_assert(descriptors_divide(&ALL, limit, OPEN, &plan), "%zu", limit);
        cr_assert_geq(plan.connections, 8);
        cr_assert_geq(plan.files, 2);
        cr_assert_leq(plan.connections + plan.files + plan.needed - 10, limit); /* 10: the least of both */
        cr_assert_leq(plan.connections, 12000);
    }
}

Test(descriptors, of_an_archive_that_is_sent_results_come_on_top)
{
    struct descriptor_needs with = ALL;
    struct descriptor_plan plan, plan_with;

    with.archive = true;
    cr_assert(descriptors_divide(&ALL, 4096, OPEN, &plan));
    cr_assert(descriptors_divide(&with, 4096, OPEN, &plan_with));
    cr_assert_eq(plan_with.needed, plan.needed + 14);
}

Test(descriptors, are_refused_by_one_less_than_is_needed)
{
    for (size_t threads = 1; threads <= 256; threads += 15) {
        struct descriptor_needs needs = ALL;
        struct descriptor_plan plan;
        size_t needed;

        needs.threads = threads;
        cr_assert_not(descriptors_divide(&needs, 10, OPEN, &plan));
        needed = plan.needed;
        cr_assert_not(descriptors_divide(&needs, needed - 1, OPEN, &plan));
        cr_assert(descriptors_divide(&needs, needed, OPEN, &plan));
        cr_assert_eq(plan.connections, 8);
        cr_assert_eq(plan.files, 2);
        cr_assert_not(descriptors_divide(&needs, needed, OPEN + 1, &plan)); /* what was inherited counts */
    }
}
