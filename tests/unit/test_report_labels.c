/* tests/unit/test_report_labels.c - the report of findings of any number and any names: each table, chart and curve has one of
 * each, under its name, and none of another. */
#include "cxrd/labels.h"
#include "cxrd/report.h"
#include "leaks.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(report_labels, .fini = check_no_leaks);

/* A name that would be an element, were it not escaped: no job can have it, but a page trusts no record. */
#define HOSTILE "<img src=x>"

static const char *name_of(size_t k)
{
    static char name[LABEL_SIZE];

    snprintf(name, sizeof name, "Sign %zu%s", k, k == 0 ? HOSTILE : "");
    return name;
}

/* As a page has it. */
static const char *shown_of(size_t k)
{
    static char shown[2 * LABEL_SIZE];

    snprintf(shown, sizeof shown, "Sign %zu%s", k, k == 0 ? "&lt;img src=x&gt;" : "");
    return shown;
}

static json_t *each(size_t n, json_t *(*make)(size_t k))
{
    json_t *all = json_array();

    for (size_t k = 0; k < n; k++)
        json_array_append_new(all, make(k));
    return all;
}

static json_t *name_json(size_t k) { return json_string(name_of(k)); }

/* A finding with what every table of the page asks of it. */
static json_t *finding_json(size_t k)
{
    return json_pack("{s:s,s:i,s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:[{s:f,s:f}]}", "label", name_of(k), "positives",
                     (int)k + 100, "prevalence", (double)(k + 1) / 128, "predicted_mean", 0.25, "auroc", 0.75,
                     "average_precision", 0.5, "sensitivity", 0.7, "ppv", 0.4, "calibration_slope", 1.5,
                     "net_benefit", "threshold", 0.1, "gain", 0.02);
}

static json_t *counts_json(size_t n)
{
    json_t *counts = json_object();

    for (size_t k = 0; k < n; k++)
        json_object_set_new(counts, name_of(k), json_integer((json_int_t)(70000 + k)));
    return counts;
}

static json_t *matrix_json(size_t n)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < n; i++) {
        json_t *row = json_array();

        for (size_t j = 0; j < n; j++)
            json_array_append_new(row, json_integer((json_int_t)(i * n + j)));
        json_array_append_new(rows, row);
    }
    return rows;
}

static json_t *split_json(size_t n)
{
    return json_pack("{s:o,s:{s:{}}}", "findings", each(n, finding_json), "by_sample", "operating_points");
}

static json_t *labels_config(size_t n) { return json_pack("{s:o}", "labels", each(n, name_json)); }

static json_t *record_of(size_t n)
{
    json_t *record = json_pack(
        "{s:{s:o,s:o,s:{s:{s:o}}},s:{s:o,s:o,s:{s:i,s:o},s:{s:o},s:{s:[{s:s,s:s,s:o}],s:[]}}}", "dataset",
        "label_counts", counts_json(n), "cooccurrence", matrix_json(n), "splits", "train", "label_counts",
        counts_json(n), "evaluation", "validation", split_json(n), "test", split_json(n), "no_finding",
        "rows", 3, "findings", each(n, finding_json), "decision", "findings", each(n, finding_json), "groups",
        "groups", "by", "sex", "group", "F", "findings", each(n, finding_json), "differences");

    cr_assert_not_null(record);
    json_object_set_new(record, "config", labels_config(n));
    return record;
}

static json_t *neighbour_json(size_t k)
{
    return json_pack("{s:s,s:i,s:n,s:n,s:n,s:n}", "label", name_of(k), "rows", 1, "near", "near_low",
                     "near_high", "by_chance");
}

static json_t *worst_json(size_t k)
{
    return json_pack("{s:s,s:b,s:f,s:s,s:[s],s:s,s:[[f]]}", "label", name_of(k), "positive", k % 2,
                     "probability", 0.25, "image", "a.png", "labels", name_of(k), "png", "AAAA", "map", 1.0);
}

static json_t *plots_of(size_t n)
{
    return json_pack("{s:o,s:{s:i,s:[[f,f,i]],s:o}}", "worst", each(n, worst_json), "tsne", "rows", 12,
                     "points", 1.5, -2.5, 1, "neighbours", each(n, neighbour_json));
}

static struct buf page_of(const json_t *record, const json_t *plots, enum report_form form)
{
    struct buf page = BUF_INIT(REPORT_MAX_BYTES);

    cr_assert_eq(report_write(record, plots, form, &page), ST_OK);
    return page;
}

static size_t occurrences(const struct buf *page, const char *what)
{
    size_t n = 0;

    for (const char *at = page->data; (at = strstr(at, what)) != NULL; at += strlen(what))
        n++;
    return n;
}

static void check_has(const struct buf *page, size_t times, const char *before, const char *name,
                      const char *after)
{
    char what[256];

    snprintf(what, sizeof what, "%s%s%s", before, name, after);
    cr_assert_eq(occurrences(page, what), times, "'%s' is there %zu times, not %zu", what,
                 occurrences(page, what), times);
}

/* 1: nothing to compare with. 2: no parabola through them. 64: as many as there can be. */
static const size_t SIZES[] = { 1, 2, 3, 64 };
enum { N_SIZES = sizeof SIZES / sizeof SIZES[0] };

/* Rows: counts, three matrices, test and validation, operating points, normal chests, calls, prevalences, benefits,
 * calibration, and of the groups AUROC, sensitivity and slope. */
static void check_tables_have_a_row_of_each(size_t n)
{
    json_t *record = record_of(n), *plots = plots_of(n);
    struct buf page = page_of(record, plots, REPORT_WHOLE);

    for (size_t k = 0; k < n; k++) {
        check_has(&page, 15, "<tr><th scope=\"row\">", shown_of(k), "</th>");
        check_has(&page, 3, "<th scope=\"col\"><span>", shown_of(k), "</span></th>");
    }
    cr_assert_eq(occurrences(&page, "Sign 64<"), 0);
    cr_assert_eq(occurrences(&page, "Atelectasis"), 0, "not one of NIH's");
    cr_assert_eq(occurrences(&page, HOSTILE), 0);
    cr_assert_eq(occurrences(&page, "<table class=\"matrix large\">"), n > 20 ? 3 : 0);
    cr_assert_eq(occurrences(&page, "<td>70000</td>"), 2, "its count in the table, and to train");
    buf_release(&page);
    json_decref(plots);
    json_decref(record);
}

Test(report_labels, tables_have_a_row_of_each)
{
    for (size_t i = 0; i < N_SIZES; i++)
        check_tables_have_a_row_of_each(SIZES[i]);
}

static void check_charts_are_one_of_each(size_t n)
{
    static const char *const KINDS[] = { "roc", "pr", "benefit", "calibration", "tsne" };
    json_t *record = record_of(n), *plots = plots_of(n);
    struct buf page = page_of(record, plots, REPORT_WHOLE);

    for (size_t kind = 0; kind < sizeof KINDS / sizeof KINDS[0]; kind++)
        for (size_t k = 0; k <= n; k++) {
            char id[64];

            snprintf(id, sizeof id, "<canvas id=\"%s-%zu\"", KINDS[kind], k);
            cr_assert_eq(occurrences(&page, id), k < n, "%s of %zu", id, n);
        }
    for (size_t k = 0; k < n; k++) {
        check_has(&page, 1, "aria-label=\"ROC curve of ", shown_of(k), "\"></canvas>");
        check_has(&page, 1, "<figcaption>", shown_of(k), ": AUROC 0.750</figcaption>");
        check_has(&page, 1, "<figcaption>", shown_of(k), ", 1 row</figcaption>");
        check_has(&page, 1, "<figcaption><b>", shown_of(k), ": 0.250</b>");
    }
    buf_release(&page);
    json_decref(plots);
    json_decref(record);
}

Test(report_labels, charts_are_one_of_each)
{
    for (size_t i = 0; i < N_SIZES; i++)
        check_charts_are_one_of_each(SIZES[i]);
}

static void check_curves_lead_through_all_of_them(size_t n)
{
    json_t *record = record_of(n);
    struct buf page = page_of(record, NULL, REPORT_WHOLE);
    char last[64];

    cr_assert_eq(occurrences(&page, "<canvas id=\"curves\""), 1);
    cr_assert_eq(occurrences(&page, "\"curves\":{\"actual\":[{\"x\":0.0,\"y\":0.0078125}"), 1);
    snprintf(last, sizeof last, "{\"x\":%zu.0,\"y\":%.6g}]", n - 1, (double)n / 128);
    cr_assert_eq(occurrences(&page, last), 1, "%s", last);
    buf_release(&page);
    json_decref(record);
}

Test(report_labels, curves_lead_through_all_of_them)
{
    for (size_t i = 0; i < N_SIZES; i++)
        check_curves_lead_through_all_of_them(SIZES[i]);
}

Test(report_labels, a_smooth_curve_is_of_enough_findings)
{
    for (size_t n = 5; n <= 6; n++) {
        json_t *record = record_of(n);
        struct buf page = page_of(record, NULL, REPORT_WHOLE);

        cr_assert_eq(occurrences(&page, "with a smooth curve"), n == 6);
        buf_release(&page);
        json_decref(record);
    }
}

Test(report_labels, whole_rows_are_of_as_many_as_there_are)
{
    json_t *record = record_of(3);
    struct buf page = page_of(record, NULL, REPORT_WHOLE);

    cr_assert_eq(occurrences(&page, "the part of the 3 that is wrong"), 1);
    cr_assert_eq(occurrences(&page, "<caption>The 3 findings of a row in the order of"), 1);
    buf_release(&page);
    json_decref(record);
    record = record_of(1);
    page = page_of(record, NULL, REPORT_WHOLE);
    cr_assert_eq(occurrences(&page, "Hamming loss: the part of the rows that is wrong"), 1);
    cr_assert_eq(occurrences(&page, "Ranking loss"), 0, "one finding has no order");
    buf_release(&page);
    json_decref(record);
}

Test(report_labels, a_record_of_before_there_were_names_is_of_nihs_fourteen)
{
    json_t *record = record_of(14);
    struct buf page;

    json_object_del(record, "config");
    page = page_of(record, NULL, REPORT_MAIL);
    for (size_t k = 0; k < NIH_LABELS.n; k++)
        check_has(&page, 1, "<figcaption>", NIH_LABELS.names[k], ": AUROC 0.750</figcaption>");
    buf_release(&page);
    json_decref(record);
}

Test(report_labels, of_more_names_than_there_can_be_the_first_are_shown)
{
    json_t *record = json_object();
    struct buf page;

    json_object_set_new(record, "config", labels_config(MAX_LABELS + 1));
    json_object_set_new(record, "evaluation", json_object());
    page = page_of(record, NULL, REPORT_WHOLE);
    check_has(&page, 1, "<canvas id=\"roc-63\"", "", "");
    check_has(&page, 0, "<canvas id=\"roc-64\"", "", "");
    buf_release(&page);
    json_decref(record);
}

static void check_combination(size_t n, const char *row)
{
    json_t *plots = json_pack("{s:[{s:o,s:i}],s:i}", "combinations", "labels", each(n, name_json), "images",
                              2, "other_images", 0),
           *record = json_pack("{s:{}}", "dataset");
    struct buf page = page_of(record, plots, REPORT_WHOLE);

    cr_assert_eq(occurrences(&page, row), 1, "%s", row);
    buf_release(&page);
    json_decref(plots);
    json_decref(record);
}

Test(report_labels, a_combination_of_many_may_break_its_line)
{
    check_combination(2, "<th scope=\"row\">Sign 0&lt;img src=x&gt; + Sign 1</th>");
    check_combination(64, "<th scope=\"row\" class=\"long\">Sign 0&lt;img src=x&gt; + Sign 1 + Sign 2 + ");
}

/* Rows without any of the findings that were asked for, wherever the page names what a row has. */
static void check_named_without_findings(json_t *config, size_t no_finding, size_t none_of_these)
{
    json_t *plots =
               json_pack("{s:[{s:[],s:i}],s:i,s:[{s:[],s:s,s:s}],s:[{s:s,s:b,s:f,s:s,s:[],s:s,s:[[f]]}]}",
                         "combinations", "labels", "images", 2, "other_images", 0, "samples", "labels", "png",
                         "AAAA", "image", "a.png", "worst", "label", "Mass", "positive", 0, "probability",
                         0.25, "image", "a.png", "labels", "png", "AAAA", "map", 1.0),
           *record = json_pack("{s:{}}", "dataset");
    struct buf page;

    cr_assert_not_null(plots);
    json_object_set_new(record, "config", config);
    page = page_of(record, plots, REPORT_WHOLE);
    cr_assert_eq(occurrences(&page, "<th scope=\"row\">No Finding</th>") +
                     occurrences(&page, "<b>No Finding</b>") + occurrences(&page, "X-ray: No Finding\"") +
                     occurrences(&page, "but has No Finding<br>") +
                     occurrences(&page, "\"none\":\"No Finding\""),
                 no_finding);
    cr_assert_eq(occurrences(&page, "None of these findings"), none_of_these);
    buf_release(&page);
    json_decref(plots);
    json_decref(record);
}

static json_t *nih_name_json(size_t k) { return json_string(NIH_LABELS.names[k]); }

Test(report_labels, a_row_may_have_findings_that_were_not_asked_for)
{
    check_named_without_findings(labels_config(3), 0, 6);
    check_named_without_findings(json_pack("{s:o}", "labels", each(13, nih_name_json)), 0, 6);
    check_named_without_findings(json_pack("{s:o}", "labels", each(14, nih_name_json)), 6, 0);
    check_named_without_findings(json_object(), 6, 0);
}
