/* tests/unit/test_split.c - rows are shared out as the contract says: in scikit-learn's proportions, by whole
 * patients, or by the official lists; completely, without overlap, and the same way for the same seed.
 *
 * The right shares are worked out here once more, from their definition rather than from jobs/dataset/split.c:
 * every stratum gets the whole part of its share, and no stratum gets one more row before another with a larger
 * remainder does. */
#include "cxrd/buf.h"
#include "cxrd/dataset.h"
#include "files.h"
#include "leaks.h"
#include "sentence.h"
#include "support.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(split, .fini = check_no_leaks);

/* ---- tables to split ---- */

/* A table and those of its rows that are shared out. */
struct data {
    struct table t;
    struct rows rows;
};

static void data_release(struct data *d)
{
    rows_release(&d->rows);
    table_release(&d->t);
}

static struct data data_of(const void *bytes, size_t n)
{
    struct data d = { TABLE_INIT, ROWS_INIT };
    struct dataset_report report = { 0 };
    struct error err = { 0 };

    cr_assert_eq(table_read(bytes, n, "t.csv", &NIH_LABELS, &d.t, &err), ST_OK, "%s", err.text);
    cr_assert_eq(table_filter(&d.t, 120, true, false, &d.rows, NULL, &report, &err), ST_OK, "%s", err.text);
    return d;
}

/* The whole NIH table, filtered: 51,751 rows. */
static struct data nih(void)
{
    struct file_bytes file = read_bytes(test_data("nih/Data_Entry_2017.csv"));
    struct data d = data_of(file.data, file.size);

    file_bytes_release(&file);
    cr_assert_eq(d.rows.n, 51751);
    return d;
}

/* The same, but only the rows that have a file in that folder. */
static struct data found_in(const char *name)
{
    const int root = open(test_data(name), O_RDONLY | O_DIRECTORY);
    struct picture_files *files = NULL;
    struct error err = { 0 };
    struct data d = nih();

    cr_assert_eq(discover(root, "images_*/images/*.png", 1, &files, &err), ST_OK, "%s", err.text);
    rows_keep_found(&d.t, files, &d.rows);
    picture_files_free(files);
    close(root);
    return d;
}

/* `n` rows named 000000.png …; finding and patient of row i as the functions say. */
static struct data made_up(size_t n, const char *(*finding)(size_t i), size_t (*patient)(size_t i))
{
    struct buf csv = BUF_INIT(1 << 22);
    struct data d;

    buf_puts(&csv, "Image Index,Finding Labels,Patient ID,Patient Age\n");
    for (size_t i = 0; i < n; i++)
        buf_printf(&csv, "%06zu.png,%s,%zu,50\n", i, finding(i), patient(i));
    cr_assert_eq(buf_status(&csv), ST_OK);
    d = data_of(csv.data, csv.len);
    buf_release(&csv);
    cr_assert_eq(d.rows.n, n);
    return d;
}

static const char *always_mass(size_t i)
{
    (void)i;
    return "Mass";
}

static size_t one_each(size_t i) { return i + 1; }
static size_t three_each(size_t i) { return i / 3 + 1; }
static size_t all_the_same(size_t i) { return i * 0 + 1; }

/* No two rows have the same stratum, which no table could say. */
static struct data all_different(size_t n)
{
    struct data d = made_up(n, always_mass, one_each);

    for (size_t i = 0; i < n; i++) {
        char text[8];

        snprintf(text, sizeof text, "%03zu", i % 1000);
        memcpy(d.t.rows[i].stratum, text, sizeof d.t.rows[i].stratum);
    }
    return d;
}

/* ---- splitting ---- */

struct result {
    struct split split;
    struct dataset_report report;
};

static struct split_options options_of(enum split_by by, uint64_t seed)
{
    return (struct split_options){ .by = by, .test_fraction = 0.1, .val_fraction = 0.2, .seed = seed };
}

static struct result split_with(const struct data *d, const struct split_options *options)
{
    struct result r = { SPLIT_INIT, { 0 } };
    struct error err = { 0 };

    cr_assert_eq(split_make(&d->t, &d->rows, options, &r.split, &r.report, &err), ST_OK, "%s", err.text);
    return r;
}

static struct result split_by(const struct data *d, enum split_by by, uint64_t seed)
{
    const struct split_options options = options_of(by, seed);

    return split_with(d, &options);
}

static void check_sizes(const struct result *r, size_t train, size_t validation, size_t test)
{
    cr_assert(r->split.part[TRAIN].n == train && r->split.part[VALIDATION].n == validation &&
                  r->split.part[TEST].n == test,
              "%zu/%zu/%zu instead of %zu/%zu/%zu", r->split.part[TRAIN].n, r->split.part[VALIDATION].n,
              r->split.part[TEST].n, train, validation, test);
}

enum { NOWHERE = N_SPLITS };

/* Which part each row of the table is in, [n_rows], owned by the caller. Every part must be in table order, no row in
 * two of them, and none that was not given. */
static uint8_t *parts_of(const struct data *d, const struct split *s)
{
    uint8_t *part = malloc(d->t.n_rows);
    bool *given = calloc(d->t.n_rows, sizeof *given);

    cr_assert(part && given);
    memset(part, NOWHERE, d->t.n_rows);
    for (size_t i = 0; i < d->rows.n; i++)
        given[d->rows.index[i]] = true;
    for (uint8_t p = 0; p < N_SPLITS; p++)
        for (size_t i = 0; i < s->part[p].n; i++) {
            const uint32_t row = s->part[p].index[i];

            cr_assert(row < d->t.n_rows && given[row], "row %u was not to be split", row);
            cr_assert_eq(part[row], NOWHERE, "row %u is in two parts", row);
            cr_assert(i == 0 || row > s->part[p].index[i - 1], "part %d is not in table order", p);
            part[row] = p;
        }
    free(given);
    return part;
}

/* The contract's digest, from its definition. */
static void check_digest(const struct data *d, const uint8_t *part, const char *sha256)
{
    static const char *const NAMES[] = { "train", "validation", "test" };
    struct buf text = BUF_INIT(1 << 24);
    char expected[DIGEST_TEXT_SIZE];

    for (size_t i = 0; i < d->t.n_rows; i++)
        if (part[i] != NOWHERE)
            buf_printf(&text, "%s,%s\n", table_image(&d->t, i), NAMES[part[i]]);
    cr_assert_eq(buf_status(&text), ST_OK);
    cr_assert_eq(digest_bytes(text.data, text.len, expected), ST_OK);
    cr_assert_str_eq(sha256, expected);
    buf_release(&text);
}

struct mark {
    uint64_t patient;
    unsigned parts; /* bit p: part p */
};

static int by_patient(const void *a, const void *b)
{
    const struct mark *p = a, *q = b;

    return (p->patient > q->patient) - (p->patient < q->patient);
}

static size_t count_torn(const struct data *d, const uint8_t *part)
{
    struct mark *marks = malloc(d->rows.n * sizeof *marks);
    size_t n = 0, torn = 0;

    cr_assert_not_null(marks);
    for (size_t i = 0; i < d->t.n_rows; i++)
        if (part[i] != NOWHERE)
            marks[n++] = (struct mark){ d->t.rows[i].patient, 1u << part[i] };
    qsort(marks, n, sizeof *marks, by_patient);
    for (size_t i = 0, end; i < n; i = end) {
        unsigned parts = 0;

        for (end = i; end < n && marks[end].patient == marks[i].patient; end++)
            parts |= marks[end].parts;
        torn += parts != 1 && parts != 2 && parts != 4;
    }
    free(marks);
    return torn;
}

/* Check all that must hold however rows were split, `left_out` of them being in no part. */
static void check_split(const struct data *d, const struct result *r, size_t left_out)
{
    uint8_t *part = parts_of(d, &r->split);
    const struct rows *p = r->split.part;

    cr_assert_eq(p[TRAIN].n + p[VALIDATION].n + p[TEST].n + left_out, d->rows.n, "a row is missing");
    cr_assert_eq(r->report.not_listed, left_out);
    cr_assert_eq(r->report.usable, d->rows.n - left_out);
    cr_assert(r->report.train == p[TRAIN].n && r->report.validation == p[VALIDATION].n &&
              r->report.test == p[TEST].n);
    cr_assert_eq(r->report.patients_in_both, count_torn(d, part));
    check_digest(d, part, r->report.split_sha256);
    free(part);
}

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

/* The part has at most its target, and whoever was not taken would have gone beyond it. */
static void check_filled(const struct data *d, const uint8_t *part, uint8_t filled, unsigned left,
                         size_t target)
{
    struct mark *marks = malloc(d->rows.n * sizeof *marks);
    size_t n = 0, size = 0;

    cr_assert_not_null(marks);
    for (size_t i = 0; i < d->t.n_rows; i++) {
        size += part[i] == filled;
        if (left >> part[i] & 1)
            marks[n++] = (struct mark){ d->t.rows[i].patient, 1u << part[i] };
    }
    cr_assert_leq(size, target, "%zu rows, the target is %zu", size, target);
    qsort(marks, n, sizeof *marks, by_patient);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i; end < n && marks[end].patient == marks[i].patient;)
            end++;
        cr_assert_gt(size + (end - i), target, "a patient of %zu rows was left out at %zu of %zu", end - i,
                     size, target);
    }
    free(marks);
}

static size_t share(double fraction, size_t n) { return (size_t)ceil(fraction * (double)n); }

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

/* ---- by list ---- */

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

static bool is_in(const struct rows *rows, uint32_t row)
{
    for (size_t i = 0; i < rows->n; i++)
        if (rows->index[i] == row)
            return true;
    return false;
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

    cr_assert_eq(rows_keep_strangers(&d.t, &s, SPLIT_PATIENT, NULL, &rows), ST_OK);
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

    cr_assert_eq(rows_keep_strangers(&d.t, &s, by, pixels, &rows), ST_OK);
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

/* ---- what cannot be split ---- */

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
