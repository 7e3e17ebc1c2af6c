/* tests/unit/test_split_list.c - the official lists decide which rows are tested, however they are written; a row on neither is in no
 * part. */
#include "cxrd/buf.h"
#include "files.h"
#include "split_case.h"
#include "support.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The lines of a list, sorted; owned by the caller, like `text`, which is cut up. */
static char **lines_of(char *text, size_t *ret_n)
{
    char **lines = malloc((strlen(text) + 1) * sizeof *lines), *rest = NULL;

    cr_assert_not_null(lines);
    *ret_n = 0;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        lines[(*ret_n)++] = line;
    qsort(lines, *ret_n, sizeof *lines, by_text);
    return lines;
}

static struct result split_by_lists(const struct data *d, const char *test, size_t n_test,
                                    const char *train_val, size_t n_train_val)
{
    struct split_options options = options_of(SPLIT_LIST, 1);

    options.test_list = test;
    options.test_list_size = n_test;
    options.train_val_list = train_val;
    options.train_val_list_size = n_train_val;
    return split_with(d, &options);
}

Test(split, official_lists_decide_which_rows_are_tested)
{
    struct file_bytes test = read_bytes(test_data("nih/test_list.txt")),
                      train_val = read_bytes(test_data("nih/train_val_list.txt"));
    struct data d = nih();
    struct result r = split_by_lists(&d, test.data, test.size, train_val.data, train_val.size);
    uint8_t *part = parts_of(&d, &r.split);
    size_t n;
    char **names = lines_of(test.data, &n);

    cr_assert_eq(n, 25596);
    check_split(&d, &r, 0);
    cr_assert_eq(r.split.part[TEST].n, 15731);
    cr_assert_eq(r.report.patients_in_both, 0, "the official split is by patient");
    for (size_t i = 0; i < d.rows.n; i++) {
        const uint32_t row = d.rows.index[i];
        const char *name = table_image(&d.t, row);
        const bool listed = bsearch(&name, names, n, sizeof *names, by_text) != NULL;

        cr_assert_eq(part[row] == TEST, listed, "'%s' is in part %d", name, part[row]);
    }
    check_filled(&d, part, VALIDATION, 1u << TRAIN, share(0.2, 51751 - 15731));
    free(names);
    free(part);
    file_bytes_release(&test);
    file_bytes_release(&train_val);
    split_release(&r.split);
    data_release(&d);
}

static struct result split_by_texts(const struct data *d, const char *test, const char *train_val)
{
    return split_by_lists(d, test, strlen(test), train_val, strlen(train_val));
}

Test(split, lists_may_have_any_line_ending_blank_lines_and_no_final_newline)
{
    static const char *const TESTS[] = { "000000.png\n000001.png", "000000.png\r\n000001.png\r\n",
                                         "\n\r\n000001.png  \n000000.png\r\n\n", "000001.png\r\n000000.png" };
    static const char REST[] = "000002.png\n000003.png\r\n000004.png\n000005.png\n000006.png\n000007.png";
    struct data d = made_up(8, always_mass, one_each);

    for (size_t i = 0; i < sizeof TESTS / sizeof TESTS[0]; i++) {
        struct result r = split_by_texts(&d, TESTS[i], REST);

        check_sizes(&r, 4, 2, 2);
        check_split(&d, &r, 0);
        cr_assert(is_in(&r.split.part[TEST], 0) && is_in(&r.split.part[TEST], 1), "list %zu", i);
        split_release(&r.split);
    }
    data_release(&d);
}

Test(split, rows_on_neither_list_are_left_out_and_counted)
{
    struct data d = made_up(10, always_mass, one_each);
    struct result r =
        split_by_texts(&d, "000009.png\n", "000000.png\n000001.png\n000002.png\n000003.png\n000004.png\n");

    check_sizes(&r, 4, 1, 1);
    check_split(&d, &r, 4);
    for (uint32_t row = 5; row < 9; row++)
        for (int part = 0; part < N_SPLITS; part++)
            cr_assert_not(is_in(&r.split.part[part], row), "row %u is in part %d", row, part);
    split_release(&r.split);
    data_release(&d);
}

Test(split, row_on_both_lists_is_tested_and_never_trained_on)
{
    struct data d = made_up(5, always_mass, one_each);
    struct result r =
        split_by_texts(&d, "000002.png\n", "000000.png\n000001.png\n000002.png\n000003.png\n000004.png\n");

    check_sizes(&r, 3, 1, 1);
    cr_assert(is_in(&r.split.part[TEST], 2));
    split_release(&r.split);
    data_release(&d);
}

/* As other programs and editors leave lists. */
Test(split, lists_are_read_however_they_are_written)
{
    static const char *const TESTS[] = {
        ("\xef\xbb\xbf"
         "000000.png\n000001.png\n"),
        "images/000000.png\nimages_001/images/000001.png\n",
        "000000.png 0 1 0 0\n000001.png 1 0 0 1\n",
        "000000.png,1,0\n000001.png,0,0\n",
        "\"000000.png\"\n\"000001.png\"\n",
        "000000\n000001\n",
        "000000.PNG\n000001.PNG\n",
        "./000000.png\r000001.png\r",
        "images\\000000.png\n  000001.png  \n",
    };
    struct data d = made_up(8, always_mass, one_each);

    for (size_t i = 0; i < sizeof TESTS / sizeof TESTS[0]; i++) {
        struct result r = split_by_texts(&d, TESTS[i],
                                         "\xef\xbb\xbf"
                                         "000002.png\n000003.png\n000004.png\n000005.png\n"
                                         "000006.png\n000007.png");

        check_sizes(&r, 4, 2, 2);
        check_split(&d, &r, 0);
        cr_assert(is_in(&r.split.part[TEST], 0) && is_in(&r.split.part[TEST], 1), "list %zu", i);
        split_release(&r.split);
    }
    data_release(&d);
}

Test(split, listed_names_are_compared_whole)
{
    struct data d = made_up(6, always_mass, one_each);
    struct result r = split_by_texts(&d, "000000.pn\n000001.png2\nx000002.png\n000003.png\n",
                                     "000004.png\n000005.png\n000005.png\n");

    check_sizes(&r, 1, 1, 1);
    check_split(&d, &r, 3);
    cr_assert(is_in(&r.split.part[TEST], 3));
    split_release(&r.split);
    data_release(&d);
}

Test(split, patient_of_listed_rows_is_not_torn_by_the_validation_draw)
{
    struct data d = made_up(30, always_mass, three_each);
    struct buf rest = BUF_INIT(1 << 12);
    struct result r;

    for (size_t i = 3; i < 30; i++)
        buf_printf(&rest, "%06zu.png\n", i);
    r = split_by_texts(&d, "000000.png\n000001.png\n000002.png\n", rest.data);
    check_sizes(&r, 21, 6, 3);
    check_split(&d, &r, 0);
    cr_assert_eq(r.report.patients_in_both, 0);
    split_release(&r.split);
    buf_release(&rest);
    data_release(&d);
}

Test(split, patient_that_the_lists_tear_apart_is_counted)
{
    struct data d = made_up(9, always_mass, three_each);
    struct result r = split_by_texts(&d, "000000.png\n",
                                     "000001.png\n000003.png\n000004.png\n000005.png\n"
                                     "000006.png\n000007.png\n000008.png\n");

    cr_assert_eq(r.report.not_listed, 1);
    cr_assert_eq(r.report.patients_in_both, 1);
    check_split(&d, &r, 1);
    split_release(&r.split);
    data_release(&d);
}
