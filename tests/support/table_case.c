/* tests/support/table_case.c - see table_case.h. */
#include "table_case.h"

#include "sentence.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* In a block of exactly its size, so that a sanitizer sees a read beyond it. */
enum status read_exact(const void *bytes, size_t n, struct table *t, struct error *err)
{
    char *copy = malloc(n);
    enum status st;

    cr_assert(copy || n == 0);
    if (n)
        memcpy(copy, bytes, n);
    st = table_read(copy, n, "t.csv", &NIH_LABELS, t, err);
    free(copy);
    return st;
}

struct table table_of(const char *text)
{
    struct table t = TABLE_INIT;
    struct error err = { 0 };

    cr_assert_eq(read_exact(text, strlen(text), &t, &err), ST_OK, "%s", err.text);
    return t;
}

void check_bytes_refused(const char *what, const void *bytes, size_t n, enum status expected,
                         const char *word)
{
    struct table t = TABLE_INIT;
    struct error err = { 0 };
    const enum status st = read_exact(bytes, n, &t, &err);

    check_refusal(what, st, expected, &err, word);
    cr_assert_not_null(strstr(err.text, "'t.csv'"), "%s: '%s' does not name the table", what, err.text);
    cr_assert_null(t.rows, "%s: a refused table was handed out", what);
}

void check_refused(const char *what, const char *text, const char *word)
{
    check_bytes_refused(what, text, strlen(text), ST_FORMAT, word);
}

uint16_t bits(const char *name)
{
    const int i = labels_find(&NIH_LABELS, name, strlen(name));

    cr_assert_geq(i, 0);
    return (uint16_t)(1u << i);
}

struct dataset_report filtered(const struct table *t, struct rows *used, struct rows *normal)
{
    struct dataset_report report = { 0 };
    struct error err = { 0 };

    cr_assert_eq(table_filter(t, 120, true, false, used, normal, &report, &err), ST_OK, "%s", err.text);
    return report;
}
