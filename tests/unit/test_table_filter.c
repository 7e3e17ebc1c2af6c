/* tests/unit/test_table_filter.c - the filters of age and of "No Finding": which rows are left, and what is said where no row is. */
#include "leaks.h"
#include "sentence.h"
#include "table_case.h"

#include <criterion/criterion.h>

TestSuite(filter, .fini = check_no_leaks);

#define FILTERED                                                                             \
    HEADER "a.png,Mass,1,120,M,PA\n"       /* kept: not above the limit */                   \
           "b.png,Mass,1,121,M,PA\n"       /* too old */                                     \
           "c.png,No Finding,2,30,M,PA\n"  /* normal */                                      \
           "d.png,No Finding,2,414,M,PA\n" /* too old, before it is normal */                \
           "e.png,Mass|Edema,3,?,M,PA\n"   /* kept: an unknown age is not above the limit */ \
           "f.png,Hernia,4,1,M,PA\n"       /* kept: it does not say No Finding */

static void check_rows(const struct rows *rows, const uint32_t *expected, size_t n)
{
    cr_assert_eq(rows->n, n, "%zu rows", rows->n);
    for (size_t i = 0; i < n; i++)
        cr_assert_eq(rows->index[i], expected[i], "row %u at place %zu", rows->index[i], i);
}

Test(filter, drops_by_age_first_and_then_by_finding)
{
    struct table t = table_of(FILTERED);
    struct rows used = ROWS_INIT, normal = ROWS_INIT;
    const struct dataset_report r = filtered(&t, &used, &normal);

    check_rows(&used, (uint32_t[]){ 0, 4, 5 }, 3);
    check_rows(&normal, (uint32_t[]){ 2 }, 1);
    cr_assert(r.rows == 6 && r.dropped_age == 2 && r.dropped_no_finding == 1);
    cr_assert_eq(r.label_counts[labels_find(&NIH_LABELS, "Mass", 4)], 2);
    cr_assert_eq(r.cooccurrence[labels_find(&NIH_LABELS, "Mass", 4)][labels_find(&NIH_LABELS, "Edema", 5)],
                 1);
    cr_assert_str_eq(r.csv_sha256, t.sha256);
    rows_release(&used);
    rows_release(&normal);
    table_release(&t);
}

Test(filter, keeps_normal_chests_when_asked_to)
{
    struct table t = table_of(FILTERED);
    struct rows used = ROWS_INIT, normal = ROWS_INIT;
    struct dataset_report r = { 0 };
    struct error err = { 0 };

    cr_assert_eq(table_filter(&t, 1000, false, false, &used, &normal, &r, &err), ST_OK, "%s", err.text);
    cr_assert(used.n == 6 && normal.n == 0 && r.dropped_age == 0 && r.dropped_no_finding == 0);
    rows_release(&used);
    rows_release(&normal);
    table_release(&t);
}

static void check_unusable(const char *what, const char *text, const char *word)
{
    struct table t = table_of(text);
    struct rows used = ROWS_INIT, normal = ROWS_INIT;
    struct dataset_report r = { 0 };
    struct error err = { 0 };

    check_refusal(what, table_filter(&t, 120, true, false, &used, &normal, &r, &err), ST_UNUSABLE, &err,
                  word);
    cr_assert(!used.index && !normal.index, "%s: rows were handed out", what);
    table_release(&t);
}

Test(filter, table_without_a_usable_row_is_unusable_and_says_why)
{
    check_unusable("a header only", HEADER, "of 0 rows");
    check_unusable("all too old", HEADER "a.png,Mass,1,130,M,PA\nb.png,Mass,1,140,M,PA\n",
                   "2 are above age 120");
    check_unusable("all normal", HEADER "a.png,No Finding,1,30,M,PA\n", "1 have no finding");
}
