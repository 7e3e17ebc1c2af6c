/* tests/unit/test_split_refused.c - rows and lists that cannot be split are refused with a sentence, and no part is handed out. */
#include "sentence.h"
#include "split_case.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void check_unusable(const struct data *d, const struct split_options *options, const char *word)
{
    struct result r = { SPLIT_INIT, { 0 } };
    struct error err = { 0 };

    check_refusal(word, split_make(&d->t, &d->rows, options, &r.split, &r.report, &err), ST_UNUSABLE, &err,
                  word);
    for (int part = 0; part < N_SPLITS; part++)
        cr_assert_null(r.split.part[part].index, "part %d was handed out", part);
}

Test(split, rows_of_a_single_patient_cannot_be_split_by_patient)
{
    struct data d = made_up(50, always_mass, all_the_same);
    const struct split_options options = options_of(SPLIT_PATIENT, 1);

    check_unusable(&d, &options, "no row for validation: 50 usable rows");
    data_release(&d);
}

Test(split, one_row_leaves_nothing_to_train_on)
{
    struct data d = made_up(1, always_mass, one_each);
    const struct split_options options = options_of(SPLIT_IMAGE, 1);

    check_unusable(&d, &options, "no row for training: 1 usable rows");
    data_release(&d);
}

Test(split, two_rows_leave_nothing_to_train_on_by_image)
{
    struct data d = made_up(2, always_mass, one_each);
    const struct split_options options = options_of(SPLIT_IMAGE, 1);

    check_unusable(&d, &options, "no row for training");
    data_release(&d);
}

Test(split, lists_that_name_no_row_of_the_table_are_unusable)
{
    struct data d = made_up(10, always_mass, one_each);
    struct split_options options = options_of(SPLIT_LIST, 1);

    check_unusable(&d, &options, "no row for training");
    options.test_list = options.train_val_list = "other.png\n";
    options.test_list_size = options.train_val_list_size = 10;
    check_unusable(&d, &options, "no row for training");
    data_release(&d);
}

/* A list of so many lines, of which the first names the first row. */
static char *long_list(size_t lines, size_t *ret_size)
{
    static const char FIRST[] = "000000.png\n";
    const size_t first = sizeof FIRST - 1;
    char *text = malloc(first + lines);

    memcpy(text, FIRST, first);
    memset(text + first, '\n', lines - 1);
    *ret_size = first + lines - 1;
    return text;
}

Test(split, lists_of_more_lines_than_a_table_may_have_are_refused)
{
    struct data d = made_up(10, always_mass, one_each);
    struct split_options options = options_of(SPLIT_LIST, 1);
    struct result r = { SPLIT_INIT, { 0 } };
    struct error err = { 0 };
    size_t most, more;
    char *as_many = long_list(TABLE_MAX_ROWS, &most), *too_many = long_list(TABLE_MAX_ROWS + 1, &more);

    options.test_list = too_many;
    options.test_list_size = more;
    check_refusal("test", split_make(&d.t, &d.rows, &options, &r.split, &r.report, &err), ST_LIMIT, &err,
                  "'test_list.txt' has 2000001 lines");
    options.test_list = NULL;
    options.test_list_size = 0;
    options.train_val_list = too_many;
    options.train_val_list_size = more;
    check_refusal("train", split_make(&d.t, &d.rows, &options, &r.split, &r.report, &err), ST_LIMIT, &err,
                  "'train_val_list.txt' has 2000001 lines");
    options.train_val_list = as_many;
    options.train_val_list_size = most;
    check_unusable(&d, &options, "no row for");
    free(as_many);
    free(too_many);
    data_release(&d);
}

Test(split, no_rows_at_all_are_unusable)
{
    struct data d = made_up(3, always_mass, one_each);

    d.rows.n = 0;
    for (int by = SPLIT_IMAGE; by <= SPLIT_LIST; by++) {
        const struct split_options options = options_of((enum split_by)by, 1);

        check_unusable(&d, &options, "no row for training: 0 usable rows");
    }
    data_release(&d);
}
