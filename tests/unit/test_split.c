/* tests/unit/test_split.c - rows are shared out as the contract says: in scikit-learn's proportions, by whole
 * patients; completely, without overlap, and the same way for the same seed.
 *
 * The right shares are worked out here once more, from their definition rather than from jobs/dataset/split.c:
 * every stratum gets the whole part of its share, and no stratum gets one more row before another with a larger
 * remainder does. */
#include "leaks.h"
#include "split_case.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(split, .fini = check_no_leaks);

/* ---- by image ---- */

Test(split, whole_table_is_shared_out_as_in_the_seed_notebook)
{
    struct data d = nih();
    struct result r = split_by(&d, SPLIT_IMAGE, 1);

    check_sizes(&r, 37260, 9315, 5176);
    check_split(&d, &r, 0);
    cr_assert_gt(r.report.patients_in_both, 1000, "an image split tears patients apart");
    split_release(&r.split);
    data_release(&d);
}

Test(split, small_real_sets_are_shared_out_as_the_design_says)
{
    struct data small = found_in("nih256"), smaller = found_in("nih");
    struct result a = split_by(&small, SPLIT_IMAGE, 1), b = split_by(&smaller, SPLIT_IMAGE, 1);

    cr_assert_eq(small.rows.n, 351);
    check_sizes(&a, 252, 63, 36);
    check_split(&small, &a, 0);
    cr_assert_eq(smaller.rows.n, 80);
    check_sizes(&b, 57, 15, 8);
    check_split(&smaller, &b, 0);
    split_release(&a.split);
    split_release(&b.split);
    data_release(&small);
    data_release(&smaller);
}

/* A stratum's rows in a draw: how many it has, and how many of them stay. */
struct stratum {
    char name[4];
    size_t n, kept;
};

static struct stratum *stratum_find(struct stratum *all, size_t *n, const char *name)
{
    for (size_t i = 0; i < *n; i++)
        if (strcmp(all[i].name, name) == 0)
            return &all[i];
    snprintf(all[*n].name, sizeof all[*n].name, "%.3s", name);
    return &all[(*n)++];
}

/* Each stratum keeps floor(n * kept / total) rows or one more; one more where the remainder is larger. */
static void check_largest_remainders(const struct stratum *all, size_t n, size_t total, size_t kept)
{
    size_t least_raised = SIZE_MAX, most_not_raised = 0, sum = 0;

    for (size_t i = 0; i < n; i++) {
        const size_t whole = all[i].n * kept / total, remainder = all[i].n * kept % total;

        cr_assert(all[i].kept == whole || all[i].kept == whole + 1, "stratum '%s' keeps %zu of %zu, not %zu",
                  all[i].name, all[i].kept, all[i].n, whole);
        if (all[i].kept > whole)
            least_raised = remainder < least_raised ? remainder : least_raised;
        else
            most_not_raised = remainder > most_not_raised ? remainder : most_not_raised;
        sum += all[i].kept;
    }
    cr_assert_eq(sum, kept);
    cr_assert(least_raised >= most_not_raised, "a remainder of %zu went before one of %zu", least_raised,
              most_not_raised);
}

/* One draw: of the rows that are in one of `from` (bits), those in `taken` were drawn. */
static void check_draw(const struct data *d, const uint8_t *part, unsigned from, uint8_t taken)
{
    struct stratum *all = calloc(d->rows.n, sizeof *all);
    size_t n = 0, total = 0, kept = 0;

    cr_assert_not_null(all);
    for (size_t i = 0; i < d->rows.n; i++) {
        const uint32_t row = d->rows.index[i];
        struct stratum *s;

        if (!(from >> part[row] & 1))
            continue;
        s = stratum_find(all, &n, d->t.rows[row].stratum);
        s->n++;
        s->kept += part[row] != taken;
        total++;
        kept += part[row] != taken;
    }
    check_largest_remainders(all, n, total, kept);
    free(all);
}

static void check_shares(const struct data *d, const struct result *r)
{
    uint8_t *part = parts_of(d, &r->split);

    check_draw(d, part, 1u << TRAIN | 1u << VALIDATION | 1u << TEST, TEST);
    check_draw(d, part, 1u << TRAIN | 1u << VALIDATION, VALIDATION);
    free(part);
}

Test(split, strata_get_their_shares_by_largest_remainder)
{
    struct data d = nih(), small = found_in("nih256");
    struct result r = split_by(&d, SPLIT_IMAGE, 1), q = split_by(&small, SPLIT_IMAGE, 7);

    check_shares(&d, &r);
    check_shares(&small, &q);
    split_release(&r.split);
    split_release(&q.split);
    data_release(&d);
    data_release(&small);
}

Test(split, strata_of_one_row_and_more_strata_than_test_rows_are_shared_out_too)
{
    struct data d = all_different(30);
    struct result r = split_by(&d, SPLIT_IMAGE, 1);

    check_sizes(&r, 21, 6, 3);
    check_split(&d, &r, 0);
    check_shares(&d, &r);
    split_release(&r.split);
    data_release(&d);
}

/* Among strata with equal remainders a lot decides, so every one of them gets its turn over the seeds. */
Test(split, ties_between_strata_are_broken_by_lot)
{
    struct data d = all_different(10);
    size_t tested[10] = { 0 };

    for (uint64_t seed = 0; seed < 200; seed++) { /* a row is in no test part with chance 0.9^200 < 1e-9 */
        struct result r = split_by(&d, SPLIT_IMAGE, seed);

        check_sizes(&r, 7, 2, 1);
        tested[r.split.part[TEST].index[0]]++;
        split_release(&r.split);
    }
    for (size_t i = 0; i < 10; i++)
        cr_assert_gt(tested[i], 0, "row %zu is never tested", i);
    data_release(&d);
}

Test(split, number_of_test_rows_is_the_fraction_rounded_up)
{
    for (size_t n = 4; n < 60; n++) {
        struct data d = made_up(n, always_mass, one_each);
        struct result r = split_by(&d, SPLIT_IMAGE, n);
        const size_t test = (n + 9) / 10, validation = (n - test + 4) / 5;

        check_sizes(&r, n - test - validation, validation, test);
        split_release(&r.split);
        data_release(&d);
    }
}

Test(split, fractions_of_zero_leave_a_part_empty)
{
    struct data d = made_up(20, always_mass, three_each);

    for (int by = SPLIT_IMAGE; by <= SPLIT_PATIENT; by++) {
        const struct split_options none = { .by = (enum split_by)by, .seed = 1 };
        struct result r = split_with(&d, &none);

        check_sizes(&r, 20, 0, 0);
        check_split(&d, &r, 0);
        split_release(&r.split);
    }
    data_release(&d);
}

/* ---- seeds ---- */

Test(split, same_seed_gives_the_same_split_and_another_seed_another)
{
    struct data d = found_in("nih256");

    for (int by = SPLIT_IMAGE; by <= SPLIT_PATIENT; by++) {
        struct result a = split_by(&d, (enum split_by)by, 1), b = split_by(&d, (enum split_by)by, 1),
                      c = split_by(&d, (enum split_by)by, 2);

        cr_assert_str_eq(a.report.split_sha256, b.report.split_sha256);
        cr_assert_neq(strcmp(a.report.split_sha256, c.report.split_sha256), 0, "seeds 1 and 2 split alike");
        split_release(&a.split);
        split_release(&b.split);
        split_release(&c.split);
    }
    data_release(&d);
}

static const char *by_fives(size_t i)
{
    static const char *const NAMES[] = { "Mass", "Edema", "Hernia", "Nodule", "Effusion" };

    return NAMES[i % 5];
}

static const char *by_fives_renamed(size_t i) { return by_fives(i * 2 + 3); }
static size_t three_each_renamed(size_t i) { return 7919 * (100 - i / 3); }

static void check_same_parts(const struct result *a, const struct result *b)
{
    for (int part = 0; part < N_SPLITS; part++) {
        cr_assert_eq(a->split.part[part].n, b->split.part[part].n);
        cr_assert_arr_eq(a->split.part[part].index, b->split.part[part].index,
                         a->split.part[part].n * sizeof(uint32_t), "part %d has other rows", part);
    }
}

Test(split, depends_on_which_rows_belong_together_and_not_on_what_they_are_called)
{
    struct data d = made_up(90, by_fives, three_each),
                renamed = made_up(90, by_fives_renamed, three_each_renamed);

    for (int by = SPLIT_IMAGE; by <= SPLIT_PATIENT; by++) {
        struct result a = split_by(&d, (enum split_by)by, 1), b = split_by(&renamed, (enum split_by)by, 1);

        check_same_parts(&a, &b);
        split_release(&a.split);
        split_release(&b.split);
    }
    data_release(&d);
    data_release(&renamed);
}

/* Records carry a split's digest so that a run can be repeated years later: a seed's split must never change. */
Test(split, of_a_seed_is_the_same_in_every_version_and_on_every_machine)
{
    struct data d = made_up(90, by_fives, three_each);
    struct result a = split_by(&d, SPLIT_IMAGE, 1), b = split_by(&d, SPLIT_PATIENT, 1);

    cr_assert_str_eq(a.report.split_sha256,
                     "b978652ae4b106cbc0a81c496e7d46292a4de2b9eedce0765016c4283a740735");
    cr_assert_str_eq(b.report.split_sha256,
                     "c48fb8bd789d62a016e011dc2fb4a168c549403a0c0bb4f053e60d4a105a4f48");
    split_release(&a.split);
    split_release(&b.split);
    data_release(&d);
}

/* ---- by patient ---- */

static void check_patient_split(const struct data *d, uint64_t seed)
{
    struct result r = split_by(d, SPLIT_PATIENT, seed);
    uint8_t *part = parts_of(d, &r.split);

    check_split(d, &r, 0);
    cr_assert_eq(r.report.patients_in_both, 0);
    check_filled(d, part, TEST, 1u << TRAIN | 1u << VALIDATION, share(0.1, d->rows.n));
    check_filled(d, part, VALIDATION, 1u << TRAIN, share(0.2, d->rows.n - r.split.part[TEST].n));
    free(part);
    split_release(&r.split);
}

Test(split, patients_stay_whole_and_parts_are_full_to_within_a_patient)
{
    struct data d = nih(), small = found_in("nih256"), made = made_up(100, always_mass, three_each);

    check_patient_split(&d, 1);
    for (uint64_t seed = 0; seed < 20; seed++) {
        check_patient_split(&small, seed);
        check_patient_split(&made, seed);
    }
    data_release(&d);
    data_release(&small);
    data_release(&made);
}

static size_t two_large_patients(size_t i) { return i < 40 ? 1 : i < 79 ? 2 : 3; }

Test(split, smallest_patient_is_taken_where_none_is_small_enough)
{
    struct data d = made_up(119, always_mass, two_large_patients); /* 40, 39 and 40 rows */
    struct result r = split_by(&d, SPLIT_PATIENT, 1);

    check_sizes(&r, 40, 40, 39);
    check_split(&d, &r, 0);
    split_release(&r.split);
    data_release(&d);
}

/* A patient is left out without moving anybody else, in each way to split. */
Test(split, rows_that_are_left_out_move_no_others)
{
    static const enum split_by WAYS[] = { SPLIT_IMAGE, SPLIT_PATIENT };
    struct data d = made_up(60, always_mass, three_each);

    for (size_t way = 0; way < 2; way++) {
        struct split_options options = options_of(WAYS[way], 1);
        struct result whole = split_with(&d, &options), less;
        bool left_out[60] = { false };
        size_t gone = 0;

        for (size_t i = 6; i < 9; i++)
            left_out[i] = true;
        options.left_out = left_out;
        less = split_with(&d, &options);
        for (int part = 0; part < N_SPLITS; part++) {
            const struct rows *all = &whole.split.part[part], *rest = &less.split.part[part];
            size_t kept = 0;

            for (size_t i = 0; i < all->n; i++) {
                if (left_out[all->index[i]])
                    gone++;
                else
                    cr_assert_eq(rest->index[kept++], all->index[i]);
            }
            cr_assert_eq(rest->n, kept);
        }
        cr_assert_eq(gone, 3);
        cr_assert_str_eq(whole.report.split_sha256, less.report.split_sha256);
        cr_assert_eq(less.report.forgotten_rows, 3);
        cr_assert_eq(less.report.forgotten_patients, 1);
        cr_assert_eq(less.report.usable + 3, whole.report.usable);
        cr_assert_eq(less.report.not_listed, 0);
        cr_assert_eq(whole.report.forgotten_rows, 0);
        split_release(&whole.split);
        split_release(&less.split);
    }
    data_release(&d);
}
