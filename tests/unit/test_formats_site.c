/* tests/unit/test_formats_site.c - tables in a site's own words: what they lack is not known, and never absent; and what has been scored
 * so far is found again, or not believed. */
#include "cxrd/dataset.h"
#include "jobs/training/partial.h"
#include "leaks.h"
#include "support.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(site, .fini = check_no_leaks);

static struct table read_site(const char *text, enum table_format format, const struct site_words *site,
                              const struct labels *labels)
{
    const struct table_source source = { .format = format,
                                         .n_files = 1,
                                         .file = { { "site.csv", text, strlen(text) } },
                                         .uncertain = UNCERTAIN_IGNORE,
                                         .missing = LABELS_NEGATIVE,
                                         .site = site };
    struct error err = { 0 };
    struct table t;

    cr_assert_eq(table_read_as(&source, labels, &t, &err), ST_OK, "%s", err.text);
    return t;
}

static struct labels three(void)
{
    struct labels l = { 0 };
    struct error err;

    cr_assert_eq(labels_parse("Effusion,Mass,Hernia", &l, &err), ST_OK);
    return l;
}

#define LIST                                              \
    "Image Index,Finding Labels,Patient ID,Patient Age\n" \
    "a.png,Erguss|Fraktur,1,50\nb.png,Normal,2,50\nc.png,Mass,3,50\n"

Test(site, words_of_a_list_mean_findings_and_what_it_never_names_is_not_known)
{
    const struct site_words site = { .other_words = true,
                                     .n = 2,
                                     .of = { { "Erguss", "Effusion" }, { "Normal", "No Finding" } } };
    const struct labels labels = three();
    struct table t = read_site(LIST, FORMAT_NIH, &site, &labels);

    cr_assert_eq(t.has, 3);
    cr_assert(t.rows[0].labels == 1 && t.rows[1].labels == 0 && t.rows[2].labels == 2);
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(t.rows[i].unknown, 4, "row %zu", i);
    cr_assert(t.rows[1].no_finding && t.rows[0].other_finding);
    table_release(&t);
}

/* Brackets and quotes around a word of a list are left out; so are those around a word that the site names. */
Test(site, words_in_brackets_and_quotes_are_found)
{
    static const char TEXT[] = "Image Index,Finding Labels,Patient ID,Patient Age\n"
                               "a.png,Erguss (links),1,50\nb.png,[o.B.],2,50\nc.png,Fraktur|Herd',3,50\n"
                               "d.png,\"['Erguss (links)', 'Herd\"\"']\",4,50\n";
    const struct site_words site = {
        .other_words = true,
        .n = 3,
        .of = { { "Erguss (links)", "Effusion" }, { "[o.B.]", "No Finding" }, { "Herd'", "Mass" } }
    };
    const struct labels labels = three();
    struct table t = read_site(TEXT, FORMAT_NIH, &site, &labels);

    cr_assert_eq(t.rows[0].labels, 1);
    cr_assert(t.rows[1].no_finding && !t.rows[1].other_finding);
    cr_assert(t.rows[2].labels == 2 && t.rows[2].other_finding);
    cr_assert(t.rows[3].labels == 3 && !t.rows[3].other_finding);
    table_release(&t);
}

Test(site, only_chosen_findings_count)
{
    const struct site_words site = { .other_words = true, .chosen = true, .asked = 2 };
    const struct labels labels = three();
    struct table t = read_site(LIST, FORMAT_NIH, &site, &labels);

    cr_assert_eq(t.has, 2);
    cr_assert_eq(t.rows[0].unknown, 5);
    table_release(&t);
}

Test(site, a_column_that_is_missing_is_not_known_and_one_of_another_name_is_found)
{
    static const char TEXT[] = "Path,Sex,Age,Pleural Fluid,Mass\n"
                               "p/patient1/study1/view1.jpg,F,50,1,0\np/patient2/study1/view1.jpg,F,50,0,0\n";
    const struct site_words site = { .n = 1, .of = { { "Pleural Fluid", "Effusion" } } };
    const struct labels labels = three();
    struct table t = read_site(TEXT, FORMAT_CHEXPERT, &site, &labels);

    cr_assert_eq(t.has, 3, "%lu", (unsigned long)t.has);
    cr_assert(t.rows[0].labels == 1 && t.rows[0].unknown == 4 && t.rows[1].unknown == 4);
    table_release(&t);
}

Test(site, where_findings_are_ignored_none_is_needed)
{
    static const char TEXT[] = "Image Index,Patient ID,Patient Age\na.png,1,50\nb.png,2,50\n";
    const struct site_words site = { .unlabelled = true };
    const struct labels labels = three();
    struct table t = read_site(TEXT, FORMAT_NIH, &site, &labels);
    struct dataset_report report = { 0 };
    struct rows used;
    struct error err;

    cr_assert_eq(table_filter(&t, 120, false, false, &used, NULL, &report, &err), ST_OK);
    cr_assert(used.n == 2 && t.has == 0);
    rows_release(&used);
    table_release(&t);
}

/* ---- what has been scored ---- */

enum { LABELS = 3 };

static struct stretch_scores *stretch(const uint32_t *rows, size_t n)
{
    struct stretch_scores *t = calloc(1, sizeof *t);

    cr_assert_not_null(t);
    t->n = n;
    t->rows = rows;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < LABELS; k++)
            t->logits[i][k] = (float)rows[i] + (float)k / 8;
    return t;
}

static struct partial *opened(const char *path, char key)
{
    char text[DIGEST_TEXT_SIZE];
    struct partial *p;
    struct error err;

    memset(text, key, sizeof text - 1);
    text[sizeof text - 1] = '\0';
    cr_assert_eq(partial_open(path, text, LABELS, &p, &err), ST_OK, "%s", err.text);
    return p;
}

static bool recalls(struct partial *p, const uint32_t *rows, size_t n)
{
    struct stretch_scores *t = stretch(rows, n), *expected = stretch(rows, n);
    bool known;

    memset(t->logits, 0, sizeof t->logits);
    known = partial_recall(p, t);
    if (known)
        cr_assert_arr_eq(t->logits, expected->logits, n * sizeof t->logits[0]);
    if (known && n > 1) {
        cr_assert_eq(t->status[1], ST_FORMAT);
        cr_assert_str_eq(t->errors[1].text, "the second is no picture");
    }
    free(t);
    free(expected);
    return known;
}

static void change_a_byte(const char *path, long at)
{
    FILE *file = fopen(path, "r+");

    cr_assert_not_null(file);
    fseek(file, at, SEEK_SET);
    fputc(0x55, file);
    fclose(file);
}

Test(site, what_was_scored_is_recalled_and_nothing_else_is)
{
    static const uint32_t FIRST[] = { 2, 5, 9 }, SECOND[] = { 11 }, OTHER[] = { 12 };
    char *folder = scratch_folder(), path[512];
    struct stretch_scores *t = stretch(FIRST, 3), *u = stretch(SECOND, 1);
    struct partial *p;
    struct error err;

    snprintf(path, sizeof path, "%s/partial", folder);
    p = opened(path, 'a');
    t->status[1] = error_set(&t->errors[1], ST_FORMAT, "the second is no picture");
    cr_assert(!recalls(p, FIRST, 3));
    cr_assert_eq(partial_keep(p, t, &err), ST_OK);
    cr_assert_eq(partial_keep(p, u, &err), ST_OK);
    partial_close(p);
    p = opened(path, 'a');
    cr_assert(recalls(p, FIRST, 3) && recalls(p, SECOND, 1) && !recalls(p, OTHER, 1));
    partial_close(p);
    p = opened(path, 'a'); /* other rows than were scored: from here on all is new */
    cr_assert(recalls(p, FIRST, 3) && !recalls(p, OTHER, 1) && !recalls(p, SECOND, 1));
    partial_close(p);
    change_a_byte(path, DIGEST_TEXT_SIZE + 40);
    p = opened(path, 'a');
    cr_assert(!recalls(p, FIRST, 3));
    partial_close(p);
    p = opened(path, 'b'); /* another model */
    cr_assert(!recalls(p, FIRST, 3));
    partial_close(p);
    free(t);
    free(u);
    scratch_remove(folder);
}
