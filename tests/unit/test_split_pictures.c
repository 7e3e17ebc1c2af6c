/* tests/unit/test_split_pictures.c - rows that show the same picture are on one side, and rows beside the split are those of strangers. */
#include "split_case.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* ---- equal pictures ---- */

/* Rows 3 and 40 of 60 show one picture, and so do 7, 20 and 58. */
static struct result split_equals(const struct data *d, struct split_options options)
{
    uint64_t pixels[60];

    for (size_t i = 0; i < 60; i++)
        pixels[i] = i == 40 ? 103 : i == 20 || i == 58 ? 107 : i < 5 && i != 3 ? 0 : 100 + i;
    options.pixels = pixels;
    return split_with(d, &options);
}

static void check_together(const struct data *d, const struct result *r)
{
    uint8_t *part = parts_of(d, &r->split);

    cr_assert_eq(part[3], part[40]);
    cr_assert(part[7] == part[20] && part[20] == part[58]);
    cr_assert_eq(r->report.equal_pictures, 5);
    free(part);
}

Test(split, equal_pictures_are_on_one_side)
{
    struct data d = made_up(60, always_mass, three_each);

    for (uint64_t seed = 0; seed < 40; seed++)
        for (int by = SPLIT_IMAGE; by <= SPLIT_PATIENT; by++) {
            struct result r = split_equals(&d, options_of((enum split_by)by, seed));

            check_together(&d, &r);
            cr_assert_eq(r.report.equal_patients, 5); /* 2 and 14; 3, 7 and 20 */
            if (by == SPLIT_PATIENT)
                cr_assert_eq(r.report.patients_in_both, 0);
            split_release(&r.split);
        }
    data_release(&d);
}

Test(split, pictures_that_all_differ_change_no_split)
{
    struct data d = made_up(60, always_mass, three_each);
    uint64_t pixels[60];

    for (size_t i = 0; i < 60; i++)
        pixels[i] = i < 10 ? 0 : 1000 - i; /* 0: not known */
    for (int by = SPLIT_IMAGE; by <= SPLIT_PATIENT; by++) {
        struct split_options options = options_of((enum split_by)by, 7);
        struct result plain = split_with(&d, &options), looked;

        options.pixels = pixels;
        looked = split_with(&d, &options);
        cr_assert_str_eq(plain.report.split_sha256, looked.report.split_sha256);
        cr_assert_eq(looked.report.equal_pictures, 0);
        split_release(&plain.split);
        split_release(&looked.split);
    }
    data_release(&d);
}

Test(split, row_whose_picture_is_tested_by_a_list_is_left_out)
{
    struct data d = made_up(8, always_mass, one_each);
    const uint64_t pixels[8] = { 1, 2, 3, 1, 5, 6, 7, 8 };
    static const char
        TESTED[] = "000000.png\n",
        REST[] = "000001.png\n000002.png\n000003.png\n000004.png\n000005.png\n000006.png\n000007.png\n";
    struct split_options options = options_of(SPLIT_LIST, 1);
    struct result r;

    options.pixels = pixels;
    options.test_list = TESTED;
    options.test_list_size = strlen(TESTED);
    options.train_val_list = REST;
    options.train_val_list_size = strlen(REST);
    r = split_with(&d, &options);
    check_sizes(&r, 4, 2, 1);
    cr_assert(r.report.equal_left_out == 1 && r.report.not_listed == 0 && r.report.usable == 7);
    for (int part = 0; part < N_SPLITS; part++)
        cr_assert_not(is_in(&r.split.part[part], 3));
    split_release(&r.split);
    data_release(&d);
}

/* ---- rows beside the split ---- */

Test(split, rows_of_patients_that_are_learned_from_are_no_strangers)
{
    static const char CSV[] = "Image Index,Finding Labels,Patient ID,Patient Age\n"
                              "a.png,Mass,7,50\nb.png,Mass,3,50\nc.png,Mass,9,50\nd.png,Mass,3,50\n"
                              "e.png,No Finding,9,50\nf.png,No Finding,3,50\ng.png,No Finding,8,50\n"
                              "h.png,No Finding,7,50\ni.png,No Finding,9,50\n";
    struct data d = data_of(CSV, sizeof CSV - 1);
    const struct split s = {
        { { 2, (uint32_t[]){ 1, 3 } }, { 1, (uint32_t[]){ 0 } }, { 1, (uint32_t[]){ 2 } } }
    };
    uint32_t index[] = { 4, 5, 6, 7, 8 };
    struct rows rows = { 5, index };

    cr_assert_eq(rows_keep_unseen(&d.t, &s, SPLIT_PATIENT, NULL, &rows), ST_OK);
    cr_assert_eq(rows.n, 3, "%zu rows", rows.n);
    cr_assert(index[0] == 4 && index[1] == 6 && index[2] == 8);
    data_release(&d);
}

/* Row 0 trains, row 1 validates and row 2 tests. Row 3, of another patient, has row 0's picture; row 4 is of row 3's patient.
 * Rows 5 and 6 share a picture with each other and with row 2. Row 7's picture is not known. */
static void check_kept(enum split_by by, const uint64_t *pixels, const uint32_t *kept, size_t n)
{
    static const char CSV[] =
        "Image Index,Finding Labels,Patient ID,Patient Age\n"
        "a.png,Mass,1,50\nb.png,Mass,2,50\nc.png,Mass,3,50\nd.png,No Finding,4,50\n"
        "e.png,No Finding,4,50\nf.png,No Finding,5,50\ng.png,No Finding,6,50\nh.png,No Finding,7,50\n";
    struct data d = data_of(CSV, sizeof CSV - 1);
    const struct split s = {
        { { 1, (uint32_t[]){ 0 } }, { 1, (uint32_t[]){ 1 } }, { 1, (uint32_t[]){ 2 } } }
    };
    uint32_t index[] = { 3, 4, 5, 6, 7 };
    struct rows rows = { 5, index };

    cr_assert_eq(rows_keep_unseen(&d.t, &s, by, pixels, &rows), ST_OK);
    cr_assert_eq(rows.n, n, "by %d: %zu rows", (int)by, rows.n);
    cr_assert_arr_eq(index, kept, n * sizeof *kept);
    data_release(&d);
}

Test(split, rows_with_a_picture_that_is_learned_from_are_no_strangers)
{
    static const uint64_t PIXELS[] = { 11, 12, 13, 11, 14, 13, 13, 0 }, OTHER[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    static const uint32_t BY_PATIENT[] = { 5, 6, 7 }, BY_IMAGE[] = { 4, 5, 6, 7 }, ALL[] = { 3, 4, 5, 6, 7 };

    check_kept(SPLIT_PATIENT, PIXELS, BY_PATIENT, 3);
    check_kept(SPLIT_LIST, PIXELS, BY_PATIENT, 3);
    check_kept(SPLIT_IMAGE, PIXELS, BY_IMAGE, 4);
    check_kept(SPLIT_PATIENT, OTHER, ALL, 5);
}
