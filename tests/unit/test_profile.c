/* tests/unit/test_profile.c - a table as pandas shows it: names, types and figures computed here in other ways, whatever the
 * table holds; and nothing quoted of columns that are not ChestX-ray14's. The curve through the proportions beside it. */
#include "cxrd/buf.h"
#include "cxrd/dataset.h"
#include "jobs/report/spline.h"
#include "leaks.h"
#include "support.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(profile, .fini = check_no_leaks);

/* Of a table that is read; in a block of exactly its size, so that a sanitizer sees a read beyond it. */
static struct table_profile *profile_of(const char *text)
{
    static struct table_profile p;
    const size_t n = strlen(text);
    char *copy = malloc(n);
    struct table t = TABLE_INIT;
    struct error err = { 0 };

    cr_assert_not_null(copy);
    memcpy(copy, text, n);
    cr_assert_eq(table_read(copy, n, "t.csv", &NIH_LABELS, &t, &err), ST_OK, "%s", err.text);
    cr_assert_eq(table_profile(copy, n, &t, 120, &p), ST_OK);
    table_release(&t);
    free(copy);
    return &p;
}

#define HEADER "Image Index,Finding Labels,Patient ID,Patient Age,Follow-up #,y],Name of the patient,\n"
#define ROWS                                    \
    "a.png,Mass,0007,58,0,0.5,\"Doe, Jane\",\n" \
    "b.png,Mass,8,414,1,,\"Doe, John\",\n"      \
    "c.png,No Finding,0007,121,2,0.25,Anon,\n"  \
    "d.png,Hernia,9,20,3,NaN,Anon,\n"           \
    "e.png,Hernia,10,35.5,7,1e-1,,\n"           \
    "f.png,Hernia,11,120,9,-2,SMITH^ANNA,\n"

static void check_column(const struct table_profile *p, size_t i, const char *name, enum column_type type,
                         size_t non_null)
{
    cr_assert_str_eq(p->column[i].name, name);
    cr_assert_eq(p->column[i].type, type, "%s: %s", name, COLUMN_TYPE_NAMES[p->column[i].type]);
    cr_assert_eq(p->column[i].non_null, non_null, "%s: %zu", name, p->column[i].non_null);
}

Test(profile, has_names_types_and_counts_as_info_has_them)
{
    const struct table_profile *p = profile_of(HEADER ROWS);

    cr_assert(p->rows == 6 && p->columns == 8 && p->n == 8);
    check_column(p, 0, "Image Index", COLUMN_OBJECT, 6);
    check_column(p, 2, "Patient ID", COLUMN_INT64, 6);
    check_column(p, 3, "Patient Age", COLUMN_FLOAT64, 6); /* one has a half */
    check_column(p, 4, "Follow-up #", COLUMN_INT64, 6);
    check_column(p, 5, "y]", COLUMN_FLOAT64, 4);
    check_column(p, 6, "Name of the patient", COLUMN_OBJECT, 5);
    check_column(p, 7, "Unnamed: 7", COLUMN_FLOAT64, 0);
}

/* By the formulas: the mean; the root of the squares over n - 1; of n sorted values the one at q (n - 1), in proportion. */
Test(profile, has_the_figures_that_describe_has)
{
    const struct table_profile *p = profile_of(HEADER ROWS);
    const struct column_profile *c = &p->column[4]; /* 0 1 2 3 7 9 */

    cr_assert(c->described && c->count == 6);
    cr_assert_float_eq(c->mean, 22 / 6.0, 1e-12);
    cr_assert_float_eq(c->std, sqrt((0 + 1 + 4 + 9 + 49 + 81 - 22 * 22 / 6.0) / 5), 1e-12);
    cr_assert(c->min == 0 && c->max == 9);
    cr_assert(c->quartile[0] == 1.25 && c->quartile[1] == 2.5 && c->quartile[2] == 6, "%g %g %g",
              c->quartile[0], c->quartile[1], c->quartile[2]);
    c = &p->column[5]; /* -2 0.1 0.25 0.5, and two gaps */
    cr_assert_eq(c->count, 4);
    cr_assert_float_eq(c->mean, -0.2875, 1e-12);
    cr_assert_float_eq(c->quartile[1], 0.175, 1e-12);
    cr_assert(!p->column[0].described && !p->column[7].described);
}

Test(profile, of_one_row_has_no_spread_and_of_none_no_figures)
{
    const struct table_profile *p = profile_of(HEADER "a.png,Mass,7,58,0,,x,\n");

    cr_assert(p->column[3].count == 1 && p->column[3].quartile[0] == 58 && isnan(p->column[3].std));
    cr_assert(p->column[5].described && p->column[5].count == 0 && isnan(p->column[5].mean) &&
              isnan(p->column[5].max));
}

Test(profile, ages_that_are_no_plain_numbers_are_described_as_they_are_read)
{
    const struct table_profile *p = profile_of(
        "Image Index,Finding Labels,Patient ID,Patient Age\na.png,Mass,1,058Y\nb.png,Mass,2,060Y\n");

    check_column(p, 3, "Patient Age", COLUMN_OBJECT, 2);
    cr_assert(p->column[3].described && p->column[3].mean == 59 && p->column[3].max == 60);
}

Test(profile, lists_the_ages_above_the_limit_the_greatest_first)
{
    const struct table_profile *p = profile_of(HEADER ROWS);

    cr_assert(p->old_rows == 2 && p->n_old == 2, "%zu", p->old_rows);
    cr_assert(p->old[0].age == 414 && p->old[1].age == 121, "120 is not above 120");
    cr_assert_str_eq(p->old[0].image, "b.png");
}

/* A hospital's own columns may name people. */
Test(profile, quotes_nothing_of_columns_that_are_not_the_nihs_and_no_id)
{
    const struct table_profile *p = profile_of(HEADER ROWS);
    const char *bytes = (const char *)p;

    for (size_t i = 0; i + 4 < sizeof *p; i++)
        cr_assert(memcmp(bytes + i, "Doe,", 4) != 0 && memcmp(bytes + i, "Anon", 4) != 0 &&
                      memcmp(bytes + i, "0007", 4) != 0 && memcmp(bytes + i, "SMIT", 4) != 0,
                  "'%.20s'", bytes + i);
    cr_assert(!p->column[6].shown && !p->column[6].described && !p->column[2].described);
    cr_assert_eq(p->n_first, 5);
    cr_assert_str_eq(p->first[0][2], "patient 1");
    cr_assert_str_eq(p->first[1][2], "patient 2");
    cr_assert_str_eq(p->first[2][2], "patient 1");
    cr_assert_str_eq(p->first[3][2], "patient 3");
    cr_assert_str_eq(p->first[4][2], "patient 4");
    cr_assert_str_eq(p->first[1][3], "414");
}

enum { MANY = 1000, LONG_CELL = 1 << 20 };

/* A table as wide as is read, with a cell of a mebibyte, and bytes that are no text. */
Test(profile, has_one_size_whatever_the_table_holds)
{
    struct buf text = BUF_INIT(8 << 20);
    char *cell = malloc(LONG_CELL + 1);
    const struct table_profile *p;

    cr_assert_not_null(cell);
    memset(cell, 'x', LONG_CELL);
    cell[LONG_CELL] = '\0';
    buf_puts(&text, "Image Index,Finding Labels,Patient ID,Patient Age,View Position,\xff\xfe<b>\x01");
    for (int i = 6; i < MANY; i++)
        buf_printf(&text, ",column %d", i);
    buf_printf(&text, "\na.png,Mass,1,58,%s\n", cell);
    p = profile_of(text.data);
    cr_assert(p->columns == MANY && p->n == PROFILE_COLUMNS);
    cr_assert_str_eq(p->column[5].name, "?"
                                        "?<b>?");
    cr_assert_eq(strlen(p->first[0][4]), PROFILE_TEXT + strlen("\xe2\x80\xa6"));
    check_column(p, 31, "column 31", COLUMN_FLOAT64, 0); /* the row is shorter than the header */
    free(cell);
    buf_release(&text);
}

Test(profile, keeps_no_more_ages_than_it_has_room_for)
{
    struct buf text = BUF_INIT(1 << 20);
    const struct table_profile *p;

    buf_puts(&text, "Image Index,Finding Labels,Patient ID,Patient Age\n");
    for (int i = 0; i < 100; i++)
        buf_printf(&text, "%d.png,Mass,%d,%d\n", i, i, 130 + i * 37 % 100);
    p = profile_of(text.data);
    cr_assert(p->old_rows == 100 && p->n_old == PROFILE_OLD);
    for (int i = 0; i < PROFILE_OLD; i++)
        cr_assert_eq(p->old[i].age, 229 - i, "%d: %g", i, p->old[i].age);
    buf_release(&text);
}

/* ---- the curve ---- */

/* By another way: pieces a + b x + c x^2 between knots at 1.5, 2.5 … 11.5 that meet in value and slope, the 36 equations solved
 * with fractions. The values of scipy.interpolate.make_interp_spline(range(14), y, k=2) at 0, 0.5 … 13. */
Test(profile, curve_is_that_of_scipy)
{
    static const double Y[] = { 21, 5, 9, 4, 26, 5, 3, 0, 38, 11, 12, 7, 2, 10 };
    static const double EXPECTED[] = { 21, 9.69409898102057,  5,  6.9177030569383,  9,  4.79968267734963,
                                       4,  16.2842008789639,  26, 17.495112048867,  5,  2.74512682783434,
                                       3,  -1.96587301587302, 0,  21.0501112674038, 38, 27.6652054114505,
                                       11, 8.95865626389324,  12, 10.58285700519,   7,  3.54420170496646,
                                       2,  4.15193276501118,  10 };
    double curve[27];

    spline_quadratic(14, Y, 27, curve);
    for (int i = 0; i < 27; i++)
        cr_assert_float_eq(curve[i], EXPECTED[i], 1e-12, "at %g: %.15g", i / 2.0, curve[i]);
}

Test(profile, curve_through_a_parabola_is_the_parabola)
{
    for (size_t n = 3; n <= SPLINE_MAX; n++) {
        double y[SPLINE_MAX], curve[101];

        for (size_t i = 0; i < n; i++)
            y[i] = 3 - 2.5 * (double)i + 0.75 * (double)(i * i);
        spline_quadratic(n, y, 101, curve);
        for (int i = 0; i < 101; i++) {
            const double x = (double)(n - 1) * i / 100;

            cr_assert_float_eq(curve[i], 3 - 2.5 * x + 0.75 * x * x, 1e-11);
        }
    }
}

Test(profile, curve_through_two_points_is_a_line_and_through_one_a_constant)
{
    double curve[3];

    spline_quadratic(2, (const double[]){ 4, 1 }, 3, curve);
    cr_assert(curve[0] == 4 && curve[1] == 2.5 && curve[2] == 1, "%g %g %g", curve[0], curve[1], curve[2]);
    spline_quadratic(1, (const double[]){ 4 }, 1, curve);
    cr_assert_eq(curve[0], 4);
    spline_quadratic(1, (const double[]){ 4 }, 2, curve + 1);
    cr_assert(curve[1] == 4 && curve[2] == 4);
}
