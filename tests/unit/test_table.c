/* tests/unit/test_table.c - the table is read right in all of its releases, what is wrong with one is said in a
 * sentence that names it, and the filters leave the rows that the data's README counts. */
#include "cxrd/buf.h"
#include "cxrd/dataset.h"
#include "cxrd/inputs.h"
#include "files.h"
#include "leaks.h"
#include "sentence.h"
#include "support.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(table, .fini = check_no_leaks);
TestSuite(filter, .fini = check_no_leaks);

#define HEADER "Image Index,Finding Labels,Patient ID,Patient Age,Patient Gender,View Position\n"

/* In a block of exactly its size, so that a sanitizer sees a read beyond it. */
static enum status read_exact(const void *bytes, size_t n, struct table *t, struct error *err)
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

static struct table table_of(const char *text)
{
    struct table t = TABLE_INIT;
    struct error err = { 0 };

    cr_assert_eq(read_exact(text, strlen(text), &t, &err), ST_OK, "%s", err.text);
    return t;
}

static void check_bytes_refused(const char *what, const void *bytes, size_t n, enum status expected,
                                const char *word)
{
    struct table t = TABLE_INIT;
    struct error err = { 0 };
    const enum status st = read_exact(bytes, n, &t, &err);

    check_refusal(what, st, expected, &err, word);
    cr_assert_not_null(strstr(err.text, "'t.csv'"), "%s: '%s' does not name the table", what, err.text);
    cr_assert_null(t.rows, "%s: a refused table was handed out", what);
}

static void check_refused(const char *what, const char *text, const char *word)
{
    check_bytes_refused(what, text, strlen(text), ST_FORMAT, word);
}

static uint16_t bits(const char *name)
{
    const int i = labels_find(&NIH_LABELS, name, strlen(name));

    cr_assert_geq(i, 0);
    return (uint16_t)(1u << i);
}

/* ---- the three releases ---- */

static const char KAGGLE[] = "nih/Data_Entry_2017.csv";

static struct table release_read(const char *path)
{
    struct file_bytes file = read_bytes(test_data(path));
    struct table t = TABLE_INIT;
    struct error err = { 0 };

    cr_assert_eq(table_read(file.data, file.size, path, &NIH_LABELS, &t, &err), ST_OK, "%s", err.text);
    cr_assert_eq(t.n_rows, 112120, "%s: %zu rows", path, t.n_rows);
    file_bytes_release(&file);
    return t;
}

static struct dataset_report filtered(const struct table *t, struct rows *used, struct rows *normal)
{
    struct dataset_report report = { 0 };
    struct error err = { 0 };

    cr_assert_eq(table_filter(t, 120, true, false, used, normal, &report, &err), ST_OK, "%s", err.text);
    return report;
}

static struct dataset_report release_report(const char *path)
{
    struct table t = release_read(path);
    struct rows used = ROWS_INIT;
    const struct dataset_report report = filtered(&t, &used, NULL);

    cr_assert_eq(used.n, report.rows - report.dropped_age - report.dropped_no_finding);
    rows_release(&used);
    table_release(&t);
    return report;
}

Test(table, kaggle_release_gives_the_counts_of_the_readme)
{
    static const size_t COUNTS[N_NIH_LABELS] = { 11558, 2776,  4667, 2302, 13316, 2516, 1686,
                                                 227,   19891, 5779, 6331, 3384,  1430, 5301 };
    const struct dataset_report r = release_report(KAGGLE);

    cr_assert_eq(r.rows, 112120);
    cr_assert_eq(r.dropped_age, 16);
    cr_assert_eq(r.dropped_no_finding, 60353);
    cr_assert_eq(r.rows - r.dropped_age - r.dropped_no_finding, 51751);
    for (size_t i = 0; i < N_NIH_LABELS; i++)
        cr_assert_eq(r.label_counts[i], COUNTS[i], "%s: %zu", NIH_LABELS.names[i], r.label_counts[i]);
    cr_assert_eq(strncmp(r.csv_sha256, "d2e33321", 8), 0, "%s", r.csv_sha256);
}

/* The file's own reader: a name, then 14 numbers a line, after a line of names. */
static void cooccurrence_read(size_t matrix[N_NIH_LABELS][N_NIH_LABELS])
{
    struct file_bytes file = read_bytes(test_data("nih/cooccurrence.csv"));
    char *at = strchr(file.data, '\n');

    for (size_t i = 0; i < N_NIH_LABELS; i++) {
        const size_t n = strlen(NIH_LABELS.names[i]);

        cr_assert(at && strncmp(at + 1, NIH_LABELS.names[i], n) == 0, "row %zu is not that of %s", i,
                  NIH_LABELS.names[i]);
        at += 1 + n;
        for (size_t j = 0; j < N_NIH_LABELS; j++) {
            cr_assert_eq(*at, ',');
            matrix[i][j] = strtoul(at + 1, &at, 10);
        }
        at = strchr(at, '\n');
    }
    file_bytes_release(&file);
}

Test(table, kaggle_release_gives_the_whole_cooccurrence)
{
    size_t expected[N_NIH_LABELS][N_NIH_LABELS];
    struct dataset_report r;

    cooccurrence_read(expected);
    r = release_report(KAGGLE);
    for (size_t i = 0; i < N_NIH_LABELS; i++)
        for (size_t j = 0; j < N_NIH_LABELS; j++)
            cr_assert_eq(r.cooccurrence[i][j], expected[i][j], "%s with %s: %zu instead of %zu",
                         NIH_LABELS.names[i], NIH_LABELS.names[j], r.cooccurrence[i][j], expected[i][j]);
}

Test(table, release_1_and_v2020_leave_as_many_rows_as_the_readme_says)
{
    const struct dataset_report one = release_report("csv/Data_Entry_2017_release1_058Y.csv"),
                                v2020 = release_report("csv/Data_Entry_2017_v2020.csv");

    cr_assert_eq(one.rows - one.dropped_age - one.dropped_no_finding, 51700);
    cr_assert_eq(v2020.rows - v2020.dropped_age - v2020.dropped_no_finding, 51759);
}

Test(table, release_1_names_the_same_pictures_and_patients_as_the_kaggle_form)
{
    struct table one = release_read("csv/Data_Entry_2017_release1_058Y.csv"), kaggle = release_read(KAGGLE);
    size_t other_labels = 0;

    for (size_t i = 0; i < kaggle.n_rows; i++) {
        cr_assert_str_eq(table_image(&one, i), table_image(&kaggle, i));
        cr_assert_eq(one.rows[i].patient, kaggle.rows[i].patient, "row %zu", i);
        cr_assert_eq(one.rows[i].view, kaggle.rows[i].view, "row %zu", i);
        other_labels += one.rows[i].labels != kaggle.rows[i].labels ||
                        one.rows[i].no_finding != kaggle.rows[i].no_finding;
    }
    cr_assert_eq(other_labels, 181);
    table_release(&one);
    table_release(&kaggle);
}

Test(table, kaggle_release_has_every_sex_and_view)
{
    struct table t = release_read(KAGGLE);
    size_t men = 0, women = 0, pa = 0, ap = 0;

    for (size_t i = 0; i < t.n_rows; i++) {
        men += t.rows[i].sex == 'M';
        women += t.rows[i].sex == 'F';
        pa += t.rows[i].view == 'P';
        ap += t.rows[i].view == 'A';
    }
    cr_assert_eq(men, 63340);
    cr_assert_eq(women, 48780);
    cr_assert_eq(pa, 67310);
    cr_assert_eq(ap, 44810);
    table_release(&t);
}

/* ---- columns and rows ---- */

Test(table, columns_are_bound_however_their_names_are_written)
{
    static const char *const HEADS[] = {
        "image index,finding labels,patient id,patient age,patient sex,view position",
        "Image_Index,Finding_Labels,Patient_ID,Patient_Age,Patient_Gender,View_Position",
        "\" Image Index \",FINDING LABELS,PatientID,patient-age,Patient Sex,ViewPosition"
    };

    for (size_t i = 0; i < sizeof HEADS / sizeof HEADS[0]; i++) {
        char text[512];
        struct table t;

        snprintf(text, sizeof text, "%s\na.png,Mass,7,61,F,AP\n", HEADS[i]);
        t = table_of(text);
        cr_assert(t.rows[0].labels == bits("Mass") && t.rows[0].age == 61 && t.rows[0].sex == 'F' &&
                      t.rows[0].view == 'A',
                  "%s", HEADS[i]);
        table_release(&t);
    }
}

Test(table, columns_are_bound_by_name_whatever_their_order)
{
    struct table t =
        table_of("View Position,Patient Age,x,Finding Labels,Patient ID,Image Index,Patient Gender\n"
                 "AP,61,1,Mass|Hernia,7,a.png,F\n");

    cr_assert_eq(t.n_rows, 1);
    cr_assert_str_eq(table_image(&t, 0), "a.png");
    cr_assert_eq(t.rows[0].labels, bits("Mass") | bits("Hernia"));
    cr_assert_eq(t.rows[0].age, 61);
    cr_assert_eq(t.rows[0].sex, 'F');
    cr_assert_eq(t.rows[0].view, 'A');
    cr_assert_str_eq(t.rows[0].stratum, "Mas");
    table_release(&t);
}

Test(table, patient_sex_stands_for_patient_gender)
{
    struct table t = table_of("Image Index,Finding Labels,Patient ID,Patient Age,Patient Sex\n"
                              "a.png,Mass,7,61,M\n");

    cr_assert_eq(t.rows[0].sex, 'M');
    table_release(&t);
}

/* An empty column does not undo what another says, whichever comes first. */
Test(table, of_two_columns_of_sex_the_first_that_says_something_counts)
{
    struct table t = table_of("Patient Gender,Image Index,Finding Labels,Patient ID,Patient Age,Patient Sex\n"
                              "M,a.png,Mass,7,61,\n,b.png,Mass,8,61,F\nF,c.png,Mass,9,61,female\n"
                              "F,d.png,Mass,10,61,M\nunknown,e.png,Mass,11,61,M\n,f.png,Mass,12,61,\n");
    static const char SEXES[] = { 'M', 'F', 'F', 'F', 'M', 0 };

    cr_assert_eq(t.n_rows, 6);
    for (size_t i = 0; i < 6; i++)
        cr_assert_eq(t.rows[i].sex, SEXES[i], "row %zu: '%c'", i, t.rows[i].sex);
    cr_assert_eq(t.n_two_sexes, 1);
    table_release(&t);
}

Test(table, sex_and_view_may_be_missing_or_strange)
{
    struct table bare = table_of("Image Index,Finding Labels,Patient ID,Patient Age\na.png,Mass,7,61\n");
    struct table odd = table_of(HEADER "a.png,Mass,7,61,other,LL\nb.png,Mass,7,61,X,PX\nc.png,Mass,7,61,,\n");

    cr_assert(bare.rows[0].sex == 0 && bare.rows[0].view == 0);
    for (size_t i = 0; i < odd.n_rows; i++)
        cr_assert(odd.rows[i].sex == 0 && odd.rows[i].view == 0, "row %zu", i);
    table_release(&bare);
    table_release(&odd);
}

Test(table, leading_zeros_do_not_make_another_patient)
{
    struct table t = table_of(HEADER "a.png,Mass,00000012,1,,\nb.png,Mass,12,1,,\nc.png,Mass,120,1,,\n"
                                     "d.png,Mass,0,1,,\ne.png,Mass,000,1,,\nf.png,Mass,,1,,\n");

    cr_assert_eq(t.rows[0].patient, t.rows[1].patient);
    cr_assert_neq(t.rows[1].patient, t.rows[2].patient);
    cr_assert_eq(t.rows[3].patient, t.rows[4].patient);
    cr_assert_neq(t.rows[4].patient, t.rows[5].patient);
    table_release(&t);
}

/* Data frames make 12.0 of a whole number as soon as one cell of its column is empty. */
Test(table, decimals_of_nothing_do_not_make_another_patient)
{
    struct table t = table_of(
        HEADER
        "a.png,Mass,12,1,,\nb.png,Mass,12.0,1,,\nc.png,Mass,00012.000,1,,\nd.png,Mass,0,1,,\n"
        "e.png,Mass,0.0,1,,\nf.png,Mass,12.5,1,,\ng.png,Mass,12.,1,,\nh.png,Mass,.0,1,,\ni.png,Mass,120,1,,\n"
        "j.png,Mass,A12.0,1,,\nk.png,Mass,A12,1,,\nl.png,Mass,12.0.0,1,,\nm.png,Mass,,1,,\n");

    cr_assert_eq(t.rows[0].patient, t.rows[1].patient);
    cr_assert_eq(t.rows[0].patient, t.rows[2].patient);
    cr_assert_eq(t.rows[3].patient, t.rows[4].patient);
    for (size_t i = 5; i < t.n_rows; i++)
        for (size_t j = 0; j < t.n_rows; j++)
            cr_assert(i == j || t.rows[i].patient != t.rows[j].patient, "rows %zu and %zu", i, j);
    table_release(&t);
}

Test(table, without_labels_is_read_whatever_words_it_has)
{
    static const char TEXT[] =
        HEADER "a.png,Fracture,1,30,M,PA\nb.png,,2,40,F,AP\nb.png,No Finding|x,2,40,F,AP\n";
    struct table t = TABLE_INIT;
    struct error err = { 0 };

    cr_assert_eq(table_read(TEXT, strlen(TEXT), "t.csv", &NIH_LABELS, &t, &err), ST_FORMAT);
    cr_assert_eq(table_read(TEXT, strlen(TEXT), "t.csv", NULL, &t, &err), ST_OK, "%s", err.text);
    cr_assert(t.n_rows == 2 && t.n_joined == 1 && t.labels.n == 0);
    cr_assert(t.rows[0].labels == 0 && !t.rows[0].no_finding && !t.rows[1].no_finding);
    table_release(&t);
    check_refusal("no column", table_read("x\n", 2, "t.csv", NULL, &t, &err), ST_FORMAT, &err, "no column");
}

Test(table, both_line_endings_and_no_final_newline_read_alike)
{
    static const char *const TEXTS[] = {
        HEADER "a.png,Mass,1,30,M,PA\nb.png,Edema,2,40,F,AP\n",
        HEADER "a.png,Mass,1,30,M,PA\nb.png,Edema,2,40,F,AP",
        "Image Index,Finding Labels,Patient ID,Patient Age,Patient Gender,View Position\r\n"
        "a.png,Mass,1,30,M,PA\r\nb.png,Edema,2,40,F,AP\r\n",
        "Image Index,Finding Labels,Patient ID,Patient Age,Patient Gender,View Position\r\n"
        "a.png,Mass,1,30,M,PA\r\n\r\nb.png,Edema,2,40,F,AP",
        "\xef\xbb\xbf" HEADER "a.png,Mass,1,30,M,PA\nb.png,Edema,2,40,F,AP\n",
    };

    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) {
        struct table t = table_of(TEXTS[i]);

        cr_assert_eq(t.n_rows, 2, "text %zu: %zu rows", i, t.n_rows);
        cr_assert_str_eq(table_image(&t, 0), "a.png");
        cr_assert_str_eq(table_image(&t, 1), "b.png");
        cr_assert(t.rows[0].view == 'P' && t.rows[1].view == 'A', "text %zu", i);
        cr_assert_eq(t.rows[1].labels, bits("Edema"));
        cr_assert_eq(t.rows[1].age, 40);
        table_release(&t);
    }
}

Test(table, quoted_fields_are_read_without_their_quotes)
{
    struct table t = table_of(HEADER "\"a,\"\"1\"\".png\",\"Mass|Nodule\",\"1\",\"30\",\"M\",\"PA\"\n");

    cr_assert_str_eq(table_image(&t, 0), "a,\"1\".png");
    cr_assert_eq(t.rows[0].labels, bits("Mass") | bits("Nodule"));
    cr_assert_eq(t.rows[0].age, 30);
    cr_assert_eq(t.rows[0].view, 'P');
    table_release(&t);
}

Test(table, findings_are_read_however_they_are_written)
{
    static const char *const SAME[] = {
        "Mass|Pleural_Thickening",
        "mass|pleural_thickening",
        "Mass|Pleural Thickening",
        "MASS | PLEURAL-THICKENING",
        "Mass;Pleural_Thickening",
        "\"Mass, Pleural Thickening\"",
        "\"['Mass', 'Pleural_Thickening']\"",
        "\"[\"\"Mass\"\", \"\"Pleural_Thickening\"\"]\"",
        "Mass||Mass|PleuralThickening|",
        "Lung mass|Thickened pleura",
        "masses|Pleural\xc2\xa0Thickening",
    };

    for (size_t i = 0; i < sizeof SAME / sizeof SAME[0]; i++) {
        char text[256];
        struct table t;

        snprintf(text, sizeof text, HEADER "a.png,%s,1,30,,\n", SAME[i]);
        t = table_of(text);
        cr_assert_eq(t.rows[0].labels, bits("Mass") | bits("Pleural_Thickening"), "%s", SAME[i]);
        cr_assert(!t.rows[0].no_finding && strcmp(t.rows[0].stratum, "Mas") == 0, "%s", SAME[i]);
        table_release(&t);
    }
}

Test(table, no_finding_is_read_however_it_is_written)
{
    static const char *const SAME[] = { "No Finding",     "no finding",    "No_Finding", "NoFinding",
                                        "No findings",    "Normal",        "normal ",    "healthy",
                                        "['No Finding']", "no abnormality" };

    for (size_t i = 0; i < sizeof SAME / sizeof SAME[0]; i++) {
        char text[256];
        struct table t;

        snprintf(text, sizeof text, HEADER "a.png,%s,1,30,,\n", SAME[i]);
        t = table_of(text);
        cr_assert(t.rows[0].labels == 0 && t.rows[0].no_finding, "%s", SAME[i]);
        cr_assert_str_eq(t.rows[0].stratum, "No ");
        table_release(&t);
    }
}

/* A word that is dropped makes a negative of a positive. */
Test(table, words_that_are_not_understood_are_refused_with_how_often_and_where)
{
    static const char *const STRANGE[] = { "Massive",
                                           "Efusion",
                                           "Fracture",
                                           "Subcutaneous Emphysema",
                                           "Hiatal Hernia",
                                           "nan",
                                           "None",
                                           "Nodule/Mass",
                                           "Pericardial Effusion",
                                           "0",
                                           "Mass and Nodule",
                                           "[]",
                                           "" };

    for (size_t i = 0; i < sizeof STRANGE / sizeof STRANGE[0]; i++) {
        char text[256];

        snprintf(text, sizeof text, HEADER "a.png,Mass,1,30,,\nb.png,%s,1,30,,\n", STRANGE[i]);
        check_refused(STRANGE[i], text, "(1 time, first in line 3)");
    }
    check_refused("several", HEADER "a.png,Mass|Foo,1,30,,\nb.png,Foo|Bar,1,30,,\n",
                  "'Foo' (2 times, first in line 2), 'Bar' (1 time, first in line 3)");
    check_refused("many", HEADER "a.png,aaaa|bbbb|cccc|dddd|eeee|dddd,1,30,,\n", "and others (3 times)");
    check_refused("long", HEADER "a.png,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,1,30,,\n",
                  "docs/data.md");
}

/* The list in docs/data.md: lines "| Effusion | pleural effusion, effusions |". */
static const char *doc_words(const char *page, const char *label)
{
    char begin[64];
    const char *line;

    snprintf(begin, sizeof begin, "\n| `%s` | ", label);
    line = strstr(page, begin);
    cr_assert_not_null(line, "docs/data.md has no line of %s", label);
    return line + strlen(begin);
}

static size_t check_doc_line(const char *words, int label)
{
    const size_t n = strcspn(words, "|");
    size_t found = 0;

    for (size_t at = 0; at < n;) {
        const size_t length = strcspn(words + at, ",|");

        if (memcmp(words + at, "–", strlen("–")) != 0) {
            cr_assert_eq(label_of_word(&NIH_LABELS, words + at, length), label, "'%.*s'", (int)length,
                         words + at);
            found++;
        }
        at += length + 1;
    }
    return found;
}

Test(table, docs_list_the_words_that_are_understood)
{
    struct file_bytes page = read_bytes(DOCS "/data.md");
    size_t found = 0;

    for (int label = 0; label < N_NIH_LABELS; label++)
        found += check_doc_line(doc_words(page.data, NIH_LABELS.names[label]), label);
    found += check_doc_line(doc_words(page.data, "No Finding"), LABEL_NO_FINDING);
    cr_assert_eq(found, N_LABEL_SYNONYMS, "%zu words in the docs, %zu in the program", found,
                 N_LABEL_SYNONYMS);
    for (size_t i = 0; i < N_LABEL_SYNONYMS; i++) {
        char word[64];

        snprintf(word, sizeof word, " %s%s", LABEL_SYNONYMS[i].word, "");
        cr_assert_not_null(strstr(page.data, word), "the docs lack '%s'", word);
    }
    file_bytes_release(&page);
}

struct age_case {
    const char *text;
    double years; /* -1: not known */
};

static const struct age_case AGES[] = {
    { "58", 58 },   { "058Y", 58 },     { "0", 0 },         { "013M", 1 },    { "011M", 0 },
    { "001D", 0 },  { "400D", 1 },      { "414", 414 },     { "9999", 9999 }, { "", -1 },
    { "Y", -1 },    { "abc", -1 },      { "-5", -1 },       { "5.5", 5.5 },   { "58YY", -1 },
    { "58y", 58 },  { "58X", -1 },      { "99999", -1 },    { "99999Y", -1 }, { "4294967297", -1 },
    { "5 8", -1 },  { "+5", -1 },       { "0x10", -1 },     { "\"58\"", 58 }, { "\" 58\"", 58 },
    { "58.0", 58 }, { "414y", 414 },    { "58 years", 58 }, { "00058Y", 58 }, { "414.0", 414 },
    { "58 ", 58 },  { "18 months", 1 }, { "60W", 1 },       { "5e1", -1 },    { "58.", 58 },
    { ".5", -1 },   { "inf", -1 },      { "nan", -1 },      { "58,5", -1 },   { "1-2", -1 },
};
enum { N_AGES = sizeof AGES / sizeof AGES[0] };

Test(table, ages_are_years_however_they_are_written_and_garbage_is_unknown)
{
    for (size_t i = 0; i < N_AGES; i++) {
        char text[256];
        struct table t;

        if (strchr(AGES[i].text, ',')) /* is two fields, and has its quotes below */
            continue;
        snprintf(text, sizeof text, HEADER "a.png,Mass,1,%s,M,PA\n", AGES[i].text);
        t = table_of(text);
        if (AGES[i].years < 0)
            cr_assert(isnan(t.rows[0].age), "'%s' was read as %g", AGES[i].text, (double)t.rows[0].age);
        else
            cr_assert_eq((double)t.rows[0].age, AGES[i].years, "'%s' was read as %g", AGES[i].text,
                         (double)t.rows[0].age);
        table_release(&t);
    }
}

/* A request and a table may say the same. */
Test(table, reads_ages_sexes_and_views_as_a_request_does)
{
    static const char *const SEX_AND_VIEW[][2] = { { "M", "PA" },    { "m", "pa" },
                                                   { "Male", "AP" }, { "female", "LL" },
                                                   { "X", "ap " },   { "O", "L" },
                                                   { "", "" },       { "1", "Posteroanterior" } };

    for (size_t i = 0; i < N_AGES; i++) {
        const size_t n = strcspn(AGES[i].text, "\"") ? strlen(AGES[i].text) : 0;
        struct input_values asked = INPUTS_UNKNOWN;
        struct error err;

        if (n && AGES[i].years <= INPUT_OLDEST)
            cr_assert_eq(input_parse(INPUT_AGE, AGES[i].text, &NIH_LABELS, &asked, &err) == ST_OK,
                         AGES[i].years >= 0, "'%s'", AGES[i].text);
        cr_assert(!input_given(INPUT_AGE, &asked) || asked.of[INPUT_AGE] == AGES[i].years, "'%s'",
                  AGES[i].text);
    }
    for (size_t i = 0; i < sizeof SEX_AND_VIEW / sizeof SEX_AND_VIEW[0]; i++) {
        const char *sex = SEX_AND_VIEW[i][0], *view = SEX_AND_VIEW[i][1];
        struct input_values asked = INPUTS_UNKNOWN;
        struct error err;
        char text[256];
        struct table t;

        snprintf(text, sizeof text, HEADER "a.png,Mass,1,30,%s,%s\n", sex, view);
        t = table_of(text);
        cr_assert_eq(input_parse(INPUT_SEX, sex, &NIH_LABELS, &asked, &err) == ST_OK, t.rows[0].sex != 0,
                     "%s", sex);
        cr_assert_eq(input_parse(INPUT_VIEW, view, &NIH_LABELS, &asked, &err) == ST_OK, t.rows[0].view != 0,
                     "%s", view);
        cr_assert(t.rows[0].sex == (isnan(asked.of[INPUT_SEX]) ? 0
                                    : asked.of[INPUT_SEX] > 0  ? 'M'
                                                               : 'F'),
                  "%s", sex);
        cr_assert(t.rows[0].view == (isnan(asked.of[INPUT_VIEW]) ? 0
                                     : asked.of[INPUT_VIEW] > 0  ? 'A'
                                                                 : 'P'),
                  "%s", view);
        cr_assert_eq(t.rows[0].other_view, view[0] && !t.rows[0].view, "%s", view);
        table_release(&t);
    }
}

Test(table, age_limit_counts_an_age_however_it_is_written)
{
    struct table t =
        table_of(HEADER "a.png,Mass,1,414.0,M,PA\nb.png,Mass,2,414y,M,PA\nc.png,Mass,3,58.0,M,PA\n"
                        "d.png,Mass,4,old,M,PA\n");
    struct rows used = ROWS_INIT;

    cr_assert_eq(filtered(&t, &used, NULL).dropped_age, 2);
    cr_assert_eq(used.n, 2);
    rows_release(&used);
    table_release(&t);
}

Test(table, row_of_an_age_or_sex_does_not_leak_into_the_next)
{
    struct table t = table_of(HEADER "a.png,No Finding,1,30,M,PA\nb.png,Mass,2,x,x,x\n");

    cr_assert(isnan(t.rows[1].age));
    cr_assert(t.rows[1].sex == 0 && t.rows[1].view == 0 && !t.rows[1].no_finding);
    table_release(&t);
}

/* ---- rows of one picture ---- */

Test(table, rows_of_one_picture_are_joined)
{
    struct table t = table_of(HEADER "a.png,Mass,1,30,,PA\nb.png,Edema,2,40,F,AP\na.png,Nodule,1,30,M,\n"
                                     "images/A.png,Hernia,3,1,F,PA\na.PNG,Mass,1,30,M,PA\na,Mass,01,,M,PA\n");

    cr_assert(t.n_rows == 3 && t.n_joined == 3, "%zu rows", t.n_rows);
    cr_assert_str_eq(table_image(&t, 0), "a.png");
    cr_assert_eq(t.rows[0].labels, bits("Mass") | bits("Nodule"));
    cr_assert(t.rows[0].sex == 'M' && t.rows[0].view == 'P' && t.rows[0].age == 30);
    cr_assert_eq(t.rows[1].labels, bits("Edema"));
    cr_assert_str_eq(table_image(&t, 2), "A.png");
    table_release(&t);
}

Test(table, contradictions_are_refused)
{
    check_refused("two patients", HEADER "a.png,Mass,1,30,,\nb.png,Mass,2,30,,\na.png,Mass,2,30,,\n",
                  "gives 1 picture to more than one patient, the first again in line 4");
    check_refused("two opinions", HEADER "a.png,Mass,1,30,,\na.png,No Finding,1,30,,\n",
                  "says of 1 picture both No Finding and a finding, the first in line 3");
    check_refused("in one cell", HEADER "a.png,No Finding|Mass,1,30,,\n", "both No Finding and a finding");
    check_refused("the row that is of another patient",
                  HEADER "a.png,Mass,1,30,,\na.png,Mass,1,30,,\na.png,Mass,2,30,,\n", "again in line 4");
    check_refused("the first by line and not by name",
                  HEADER "b.png,Mass,1,30,,\nb.png,Mass,2,30,,\na.png,Mass,1,30,,\na.png,Mass,2,30,,\n",
                  "gives 2 pictures to more than one patient, the first again in line 3");
    check_refused("the row that contradicts", HEADER "a.png,No Finding|Mass,1,30,,\na.png,Mass,1,30,,\n",
                  "the first in line 2");
}

/* ---- what is refused ---- */

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

/* ---- the filters ---- */

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

/* ---- of other findings ---- */

static struct labels labels_of(const char *joined)
{
    struct labels labels;
    struct error err;

    cr_assert_eq(labels_parse(joined, &labels, &err), ST_OK, "%s", err.text);
    return labels;
}

/* Bits are places in the list that the table is read for; another of NIH's is a finding, and none of them. */
Test(table, rows_have_the_findings_that_the_table_is_read_for)
{
    static const char *const TEXT = HEADER "a.png,fracture|Mass,1,30,M,PA\nb.png,Edema,2,30,M,PA\n"
                                           "c.png,pleural effusion,3,30,M,PA\nd.png,No Finding,4,30,M,PA\n"
                                           "e.png,MASS,5,30,M,PA\ne.png,Hernia,5,30,M,PA\n";
    const struct labels labels = labels_of("Mass,Fracture,Effusion");
    static const uint64_t BITS[] = { 3, 0, 4, 0, 1 };
    struct table t;
    struct error err = { 0 };

    cr_assert_eq(table_read(TEXT, strlen(TEXT), "t.csv", &labels, &t, &err), ST_OK, "%s", err.text);
    cr_assert_eq(t.n_rows, 5);
    cr_assert(labels_equal(&t.labels, &labels));
    for (size_t i = 0; i < t.n_rows; i++) {
        cr_assert_eq(t.rows[i].labels, BITS[i], "row %zu", i);
        cr_assert_eq(t.rows[i].no_finding, i == 3, "row %zu", i);
    }
    cr_assert(strcmp(t.rows[0].stratum, "Fra") == 0 && strcmp(t.rows[1].stratum, "Ede") == 0);
    table_release(&t);
}

Test(table, word_of_no_list_is_refused_with_what_can_name_it)
{
    static const char *const TEXT = HEADER "a.png,Fracture,1,30,M,PA\nb.png,Granuloma,2,30,M,PA\n";
    const struct labels labels = labels_of("Fracture");
    struct table t;
    struct error err = { 0 };

    check_refusal("a word", table_read(TEXT, strlen(TEXT), "t.csv", &labels, &t, &err), ST_FORMAT, &err,
                  "'Granuloma' (1 time, first in line 3)");
    cr_assert(strstr(err.text, "'labels'"), "%s", err.text);
}

/* It is a finding still, whoever asks. */
Test(table, no_finding_beside_one_that_is_not_asked_for_is_a_contradiction)
{
    static const char *const TEXT = HEADER "a.png,Edema,1,30,M,PA\na.png,No Finding,1,30,M,PA\n";
    const struct labels labels = labels_of("Fracture");
    struct table t;
    struct error err = { 0 };

    check_refusal("both", table_read(TEXT, strlen(TEXT), "t.csv", &labels, &t, &err), ST_FORMAT, &err,
                  "both No Finding and a finding");
}
