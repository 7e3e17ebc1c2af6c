/* tests/support/split_case.c - see split_case.h. */
#include "split_case.h"

#include "cxrd/buf.h"
#include "files.h"
#include "support.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void data_release(struct data *d)
{
    rows_release(&d->rows);
    table_release(&d->t);
}

struct data data_of(const void *bytes, size_t n)
{
    struct data d = { TABLE_INIT, ROWS_INIT };
    struct dataset_report report = { 0 };
    struct error err = { 0 };

    cr_assert_eq(table_read(bytes, n, "t.csv", &NIH_LABELS, &d.t, &err), ST_OK, "%s", err.text);
    cr_assert_eq(table_filter(&d.t, 120, true, false, &d.rows, NULL, &report, &err), ST_OK, "%s", err.text);
    return d;
}

/* The whole NIH table, filtered: 51,751 rows. */
struct data nih(void)
{
    struct file_bytes file = read_bytes(test_data("nih/Data_Entry_2017.csv"));
    struct data d = data_of(file.data, file.size);

    file_bytes_release(&file);
    cr_assert_eq(d.rows.n, 51751);
    return d;
}

/* The same, but only the rows that have a file in that folder. */
struct data found_in(const char *name)
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
struct data made_up(size_t n, const char *(*finding)(size_t i), size_t (*patient)(size_t i))
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

const char *always_mass(size_t i)
{
    (void)i;
    return "Mass";
}

size_t one_each(size_t i) { return i + 1; }
size_t three_each(size_t i) { return i / 3 + 1; }
size_t all_the_same(size_t i) { return i * 0 + 1; }

/* No two rows have the same stratum, which no table could say. */
struct data all_different(size_t n)
{
    struct data d = made_up(n, always_mass, one_each);

    for (size_t i = 0; i < n; i++) {
        char text[8];

        snprintf(text, sizeof text, "%03zu", i % 1000);
        memcpy(d.t.rows[i].stratum, text, sizeof d.t.rows[i].stratum);
    }
    return d;
}

struct split_options options_of(enum split_by by, uint64_t seed)
{
    return (struct split_options){ .by = by, .test_fraction = 0.1, .val_fraction = 0.2, .seed = seed };
}

struct result split_with(const struct data *d, const struct split_options *options)
{
    struct result r = { SPLIT_INIT, { 0 } };
    struct error err = { 0 };

    cr_assert_eq(split_make(&d->t, &d->rows, options, &r.split, &r.report, &err), ST_OK, "%s", err.text);
    return r;
}

struct result split_by(const struct data *d, enum split_by by, uint64_t seed)
{
    const struct split_options options = options_of(by, seed);

    return split_with(d, &options);
}

void check_sizes(const struct result *r, size_t train, size_t validation, size_t test)
{
    cr_assert(r->split.part[TRAIN].n == train && r->split.part[VALIDATION].n == validation &&
                  r->split.part[TEST].n == test,
              "%zu/%zu/%zu instead of %zu/%zu/%zu", r->split.part[TRAIN].n, r->split.part[VALIDATION].n,
              r->split.part[TEST].n, train, validation, test);
}

/* Which part each row of the table is in, [n_rows], owned by the caller. Every part must be in table order, no row in
 * two of them, and none that was not given. */
uint8_t *parts_of(const struct data *d, const struct split *s)
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
void check_split(const struct data *d, const struct result *r, size_t left_out)
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

/* The part has at most its target, and whoever was not taken would have gone beyond it. */
void check_filled(const struct data *d, const uint8_t *part, uint8_t filled, unsigned left, size_t target)
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

size_t share(double fraction, size_t n) { return (size_t)ceil(fraction * (double)n); }

bool is_in(const struct rows *rows, uint32_t row)
{
    for (size_t i = 0; i < rows->n; i++)
        if (rows->index[i] == row)
            return true;
    return false;
}
