/* tests/unit/test_table.c - the table is read right in all of its releases: its columns and rows, however their words are written, and rows
 * of one picture; as many are left as the data's README counts. */
#include "cxrd/dataset.h"
#include "cxrd/inputs.h"
#include "files.h"
#include "leaks.h"
#include "sentence.h"
#include "support.h"
#include "table_case.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(table, .fini = check_no_leaks);

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
