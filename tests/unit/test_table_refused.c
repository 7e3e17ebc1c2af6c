/* tests/unit/test_table_refused.c - a file that is no table, or a broken one, is refused with a sentence that names it, its line and what is
 * wrong. */
#include "cxrd/buf.h"
#include "sentence.h"
#include "table_case.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Test(table, what_is_no_table_of_commas_is_said)
{
    static const char UTF16[] = "\xff\xfeI\0m\0a\0g\0e\0", UTF16_BARE[] = "I\0m\0a\0g\0e\0";

    check_bytes_refused("UTF-16", UTF16, sizeof UTF16 - 1, ST_FORMAT, "is UTF-16");
    check_bytes_refused("UTF-16 without a mark", UTF16_BARE, sizeof UTF16_BARE - 1, ST_FORMAT, "is UTF-16");
    check_bytes_refused("gzip", "\x1f\x8b\x08\0\0", 5, ST_FORMAT, "gzip");
    check_bytes_refused("xlsx", "PK\3\4....", 8, ST_FORMAT, "spreadsheet");
    check_refused("semicolons", "Image Index;Finding Labels;Patient ID;Patient Age\na.png;Mass;1;30\n",
                  "separated by ';'");
    check_refused("tabs", "Image Index\tFinding Labels\tPatient ID\tPatient Age\na.png\tMass\t1\t30\n",
                  "separated by tabs");
    check_refused("sep=", "sep=,\n" HEADER "a.png,Mass,1,30,M,PA\n", "names a separator");
    check_refused("other columns", "path,label\na.png,Mass\n", "it begins 'path,label'");
}

/* Nobody would notice which of them was read. */
Test(table, a_column_that_is_there_twice_is_named)
{
    static const char *const NAMES[] = { "Image Index", "Finding Labels", "Patient ID", "Patient Age",
                                         "Patient Gender" };

    for (size_t i = 0; i < 5; i++) {
        struct buf text = BUF_INIT(1 << 10);

        buf_printf(
            &text,
            "Image Index,Finding Labels,Patient ID,Patient Age,Patient Gender,%s\na.png,Mass,1,30,M,x\n",
            NAMES[i]);
        check_refused(NAMES[i], text.data, "has two columns of");
        buf_release(&text);
    }
}

Test(table, each_missing_column_is_named)
{
    static const char *const NEEDED[] = { "Image Index", "Finding Labels", "Patient ID", "Patient Age" };

    for (size_t missing = 0; missing < 4; missing++) {
        struct buf text = BUF_INIT(1 << 10);

        for (size_t c = 0; c < 4; c++)
            buf_printf(&text, "%s,", c == missing ? "Something Else" : NEEDED[c]);
        buf_puts(&text, "\na,b,1,2\n");
        check_refused(NEEDED[missing], text.data, NEEDED[missing]);
        buf_release(&text);
    }
}

Test(table, empty_files_and_files_of_blank_lines_are_refused)
{
    check_refused("no byte", "", "is empty");
    check_refused("blank lines", "\n\r\n\n", "is empty");
}

Test(table, file_that_is_no_table_lacks_the_first_column)
{
    check_refused("a web page", "<!DOCTYPE html>\n<p>not found</p>\n", "no column 'Image Index'");
}

Test(table, short_row_is_refused_with_its_line)
{
    check_refused("the last row", HEADER "a.png,Mass,1,30,M,PA\nb.png,Mass,1\n", "in line 3");
    check_refused("cut off", HEADER "a.png,Mass,1", "lacks columns in line 2");
}

/* A comma without quotes moves each cell behind it by one: a finding would be lost, and the patient another one. */
Test(table, row_with_a_field_that_the_header_does_not_name_is_refused)
{
    check_refused("a comma in a cell", HEADER "a.png,Mass,1,30,M,PA\nb.png,Effusion, Mass,1,30,M,PA\n",
                  "a field that its header does not name, as a comma without quotes makes one, in line 3");
    check_refused("a header that ends with a comma",
                  "Image Index,Finding Labels,Patient ID,Patient Age,\nb.png,Effusion, Mass,1,30\n",
                  "in line 2");
}

Test(table, empty_fields_behind_the_last_that_is_named_are_read)
{
    struct table t = table_of(HEADER "a.png,Mass,1,30,M,PA,, ,\n");

    cr_assert_eq(t.n_rows, 1);
    cr_assert_eq(t.rows[0].age, 30);
    table_release(&t);
}

Test(table, row_that_lacks_only_what_is_optional_is_read)
{
    struct table t = table_of(HEADER "a.png,Mass,1,30\n");

    cr_assert_eq(t.n_rows, 1);
    table_release(&t);
}

Test(table, broken_quotes_are_refused)
{
    check_refused("never closed", HEADER "a.png,\"Mass,1,30,M,PA\n", "broken quotes");
    check_refused("closed too early", HEADER "a.png,\"Ma\"ss\",1,30,M,PA\n", "broken quotes");
    check_refused("in the middle", HEADER "a.png,Ma\"ss,1,30,M,PA\n", "broken quotes");
}

/* A buffer that grows to a field's length is copied each time: such a file kept a core for minutes. */
Test(table, a_field_has_an_end)
{
    enum { BYTES = 64 << 20 };
    char *bytes = malloc(BYTES);
    const size_t header = strlen(HEADER);

    cr_assert_not_null(bytes);
    memset(bytes, 'a', BYTES);
    check_bytes_refused("header", bytes, BYTES, ST_LIMIT, "a field of more than 8 MiB in line 1");
    memcpy(bytes, HEADER, header);
    check_bytes_refused("row", bytes, BYTES, ST_LIMIT, "a field of more than 8 MiB in line 2");
    bytes[header + (7 << 20)] = '\n';
    check_bytes_refused("short row", bytes, header + (7 << 20) + 1, ST_FORMAT, "too long in line 2");
    free(bytes);
}

Test(table, nul_bytes_are_refused_wherever_they_stand)
{
    static const char NAME[] = HEADER "a.png\0.txt,Mass,1,30,M,PA\n",
                      AGE[] = HEADER "a.png,Mass,1,3\0,M,PA\n",
                      HEAD[] = "Image Index,\0,Finding Labels,Patient ID,Patient Age\na.png,,Mass,1,30\n";
    char zeros[5000] = { 0 };

    check_bytes_refused("in a name", NAME, sizeof NAME - 1, ST_FORMAT, "NUL byte in line 2");
    check_bytes_refused("in an age", AGE, sizeof AGE - 1, ST_FORMAT, "NUL byte in line 2");
    check_bytes_refused("in the header", HEAD, sizeof HEAD - 1, ST_FORMAT, "NUL byte in line 1");
    check_bytes_refused("nothing else", zeros, sizeof zeros, ST_FORMAT, "NUL byte");
}

static void check_commas_refused(const char *what, const char *before)
{
    enum { COMMAS = 1000000 };
    const size_t n = strlen(before);
    char *text = malloc(n + COMMAS + 1);

    cr_assert_not_null(text);
    memcpy(text, before, n);
    memset(text + n, ',', COMMAS);
    text[n + COMMAS] = '\n';
    check_bytes_refused(what, text, n + COMMAS + 1, ST_FORMAT, "too many fields");
    free(text);
}

Test(table, million_commas_are_too_many_fields)
{
    check_commas_refused("in the header", "");
    check_commas_refused("after good columns", "Image Index,Finding Labels,Patient ID,Patient Age");
    check_commas_refused("in a row", HEADER "a.png,Mass,1,30,M,PA");
}

static enum status read_with_name_of(size_t length, struct error *err)
{
    char text[2048], name[1024];
    struct table t = TABLE_INIT;
    enum status st;

    memset(name, 'n', length);
    name[length] = '\0';
    snprintf(text, sizeof text, HEADER "%s,Mass,1,30,M,PA\n", name);
    st = read_exact(text, strlen(text), &t, err);
    if (st == ST_OK)
        cr_assert_str_eq(table_image(&t, 0), name);
    table_release(&t);
    return st;
}

Test(table, image_name_may_be_as_long_as_a_file_name_and_no_longer)
{
    struct error err = { 0 };

    cr_assert_eq(read_with_name_of(255, &err), ST_OK, "%s", err.text);
    check_refusal("256 bytes", read_with_name_of(256, &err), ST_FORMAT, &err, "too long in line 2");
    check_refusal("no name", read_with_name_of(0, &err), ST_FORMAT, &err, "empty");
}

Test(table, long_field_that_nobody_needs_does_no_harm)
{
    enum { LONG = 3 << 20 };
    struct buf text = BUF_INIT(4 << 20);
    char *field = malloc(LONG);
    struct table t;

    cr_assert_not_null(field);
    memset(field, 'x', LONG);
    buf_puts(&text, "Image Index,Finding Labels,Patient ID,Patient Age,Remark\na.png,Mass,1,30,");
    buf_put(&text, field, LONG);
    buf_puts(&text, "\nb.png,Edema,2,40,short\n");
    t = table_of(text.data);
    cr_assert_eq(t.n_rows, 2);
    cr_assert_str_eq(table_image(&t, 1), "b.png");
    table_release(&t);
    buf_release(&text);
    free(field);
}

Test(table, more_rows_than_the_limit_are_refused)
{
    struct buf text = BUF_INIT(TABLE_MAX_ROWS * 12u);
    struct table t = TABLE_INIT;
    struct error err = { 0 };

    buf_puts(&text, "Image Index,Finding Labels,Patient ID,Patient Age\n");
    for (size_t i = 0; i <= TABLE_MAX_ROWS; i++)
        buf_put(&text, "a,Mass,1,1\n", 11);
    cr_assert_eq(buf_status(&text), ST_OK);
    check_refusal("2,000,001 rows", table_read(text.data, text.len, "t.csv", &NIH_LABELS, &t, &err), ST_LIMIT,
                  &err, "too many rows in line 2000002");
    cr_assert_eq(table_read(text.data, text.len - 11, "t.csv", &NIH_LABELS, &t, &err), ST_OK, "%s", err.text);
    cr_assert_eq(t.n_rows + t.n_joined, TABLE_MAX_ROWS);
    table_release(&t);
    buf_release(&text);
}

Test(table, name_of_the_table_does_not_push_the_problem_out_of_the_sentence)
{
    char name[513];
    struct table t = TABLE_INIT;
    struct error err = { 0 };

    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    check_refusal("no column", table_read("x\n", 2, name, &NIH_LABELS, &t, &err), ST_FORMAT, &err,
                  "no column 'Image Index'");
    check_refusal("empty", table_read("", 0, name, &NIH_LABELS, &t, &err), ST_FORMAT, &err, "is empty");
    check_refusal("a row", table_read(HEADER "x\n", sizeof HEADER + 1, name, &NIH_LABELS, &t, &err),
                  ST_FORMAT, &err, "line 2");
}

static const char SAMPLE[] = HEADER "a.png,Mass|Edema,1,30,M,PA\r\n\"b.png\",\"No Finding\",2,040Y,F,AP\n";

/* Either a table of at most two rows, or a sentence. */
static void check_survives(const char *what, const char *bytes, size_t n)
{
    struct table t = TABLE_INIT;
    struct error err = { 0 };
    const enum status st = read_exact(bytes, n, &t, &err);

    if (st == ST_OK)
        cr_assert_leq(t.n_rows, 3, "%s", what);
    else
        check_refusal(what, st, ST_FORMAT, &err, "'t.csv'");
    table_release(&t);
}

Test(table, every_cut_and_every_strange_byte_is_survived)
{
    static const char STRANGE[] = { '\0', '"', ',', '\n', '\r', ' ', '|', (char)0xff };
    char text[sizeof SAMPLE], what[64];

    for (size_t n = 0; n < sizeof SAMPLE; n++) {
        snprintf(what, sizeof what, "cut after %zu bytes", n);
        check_survives(what, SAMPLE, n);
    }
    for (size_t at = 0; at < sizeof SAMPLE - 1; at++)
        for (size_t k = 0; k < sizeof STRANGE; k++) {
            memcpy(text, SAMPLE, sizeof SAMPLE);
            text[at] = STRANGE[k];
            snprintf(what, sizeof what, "byte %zu is %d", at, STRANGE[k]);
            check_survives(what, text, sizeof SAMPLE - 1);
        }
}
