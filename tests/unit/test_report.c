/* tests/unit/test_report.c - the report's page: whatever names there are, nothing but its own scripts runs and nothing is
 * fetched; what is not there is left out; what is not defined is a dash. */
#include "cxrd/encoding.h"
#include "cxrd/labels.h"
#include "cxrd/report.h"
#include "jobs/report/html.h"
#include "leaks.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(report, .fini = check_no_leaks);

#define HOSTILE "</script><script>alert(1)</script><img src=x onerror='alert(2)'>\"&"

static struct buf page_of(const json_t *record, const json_t *plots)
{
    struct buf page = BUF_INIT(REPORT_MAX_BYTES);

    cr_assert_eq(report_write(record, plots, REPORT_WHOLE, &page), ST_OK);
    return page;
}

/* How often `what` occurs. */
static size_t occurrences(const char *text, const char *what)
{
    size_t n = 0;

    for (; (text = strstr(text, what)) != NULL; text += strlen(what))
        n++;
    return n;
}

static void check_has(const struct buf *page, const char *what)
{
    cr_assert_not_null(strstr(page->data, what), "the page has no '%s'", what);
}

static json_t *matrix(void)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < N_NIH_LABELS; i++) {
        json_t *row = json_array();

        for (size_t j = 0; j < N_NIH_LABELS; j++)
            json_array_append_new(row, json_integer(i == j ? 100 : 0));
        json_array_append_new(rows, row);
    }
    return rows;
}

Test(report, names_from_outside_are_text_and_nothing_else)
{
    json_t *record = json_pack("{s:{s:s,s:s},s:{s:i},s:{s:s}}", "config", "dataset", HOSTILE, "csv", HOSTILE,
                               "dataset", "rows", 3, "environment", "blas", HOSTILE);
    json_t *plots =
        json_pack("{s:[{s:[s],s:i}],s:i,s:[{s:s,s:[s],s:s}]}", "combinations", "labels", HOSTILE, "images", 2,
                  "other_images", 0, "samples", "image", HOSTILE, "labels", HOSTILE, "png", "AAAA");
    struct buf page = page_of(record, plots);

    cr_assert_eq(occurrences(page.data, "alert(1)</script>"), 0);
    cr_assert_eq(occurrences(page.data, "<img src=x"), 0);
    cr_assert_eq(occurrences(page.data, "</script>"), 3, "data, Chart.js and the page's own script");
    cr_assert_eq(occurrences(page.data, "<img "), 1, "the one picture");
    check_has(&page, "&lt;/script&gt;&lt;script&gt;alert(1)");
    check_has(&page, "\\u003c/script\\u003e");
    buf_release(&page);
    json_decref(plots);
    json_decref(record);
}

Test(report, the_copy_for_mailing_has_the_figures_and_nothing_of_one_patient)
{
    json_t *record = json_pack("{s:{s:i,s:{s:i,s:i,s:{s:[s],s:[[s]]},s:{s:f,s:i,s:[{s:f,s:s}]}}},"
                               "s:[{s:s,s:s,s:[s,s]}],s:s}",
                               "dataset", "rows", 30, "table", "rows", 31, "columns", 1, "first", "columns",
                               "Image Index", "rows", "doe.png", "old", "limit", 120.0, "rows", 1, "oldest",
                               "age", 414.0, "image", "doe.png", "warnings", "code", "missing_images",
                               "detail", "3 of 30 rows, such as 'doe.png', and 'doe.png' 'roe'", "quotes",
                               "doe.png", "roe", "error", "doe.png is away");
    json_t *plots = json_pack("{s:i,s:[{s:s,s:[s],s:s}],s:[{s:s,s:b,s:f,s:s,s:[],s:s,s:[[f]]}]}",
                              "other_images", 5, "samples", "image", "doe.png", "labels", "Mass", "png",
                              "QUJD", "worst", "label", "Mass", "positive", 1, "probability", 0.25, "image",
                              "doe.png", "labels", "png", "QUJD", "map", 1.0);
    struct buf page = BUF_INIT(REPORT_MAX_BYTES);

    cr_assert_eq(report_write(record, plots, REPORT_MAIL, &page), ST_OK);
    cr_assert_eq(occurrences(page.data, "doe.png"), 0);
    cr_assert_eq(occurrences(page.data, "QUJD"), 0);
    cr_assert_eq(occurrences(page.data, "<img "), 0);
    check_has(&page, "3 of 30 rows, such as &#39;…&#39;, and &#39;…&#39; &#39;…&#39;");
    check_has(&page, "<p>1 rows have an age above 120.</p>");
    check_has(&page, "<p>31 rows, 1 columns.</p>");
    check_has(&page, "\"other_images\":5");
    check_has(&page, "Copy for mailing: without");
    buf_release(&page);
    page = page_of(record, plots);
    check_has(&page, "&#39;doe.png&#39; &#39;roe&#39;");
    cr_assert_eq(occurrences(page.data, "QUJD"), 2, "the record itself is as it was");
    buf_release(&page);
    json_decref(plots);
    json_decref(record);
}

Test(report, says_when_its_pictures_are_smaller_than_those_that_the_network_sees)
{
    json_t *plots =
        json_pack("{s:i,s:[{s:s,s:[s],s:s}],s:[{s:s,s:b,s:f,s:s,s:[],s:s,s:[[f]]}]}", "other_images", 5,
                  "samples", "image", "a.png", "labels", "Mass", "png", "QUJD", "worst", "label", "Mass",
                  "positive", 1, "probability", 0.25, "image", "a.png", "labels", "png", "QUJD", "map", 1.0);

    for (int size = 256; size <= 1024; size += 768) {
        json_t *record = json_pack("{s:{},s:{s:i}}", "dataset", "config", "image_size", size);
        struct buf page = page_of(record, plots);

        cr_assert_eq(occurrences(page.data, "as the network sees them, but with 256 pixels a side"),
                     size > 256 ? 2 : 0);
        buf_release(&page);
        json_decref(record);
    }
    json_decref(plots);
}

Test(report, asks_for_nothing_from_anywhere)
{
    json_t *record = json_pack("{s:{s:i}}", "dataset", "rows", 3);
    struct buf page = page_of(record, NULL);

    cr_assert(strncmp(page.data, "<!DOCTYPE html>", 15) == 0);
    check_has(&page, "default-src 'none'; img-src data:; script-src 'sha256-");
    cr_assert_eq(occurrences(page.data, " src=\"http"), 0);
    cr_assert_eq(occurrences(page.data, "<script src"), 0);
    cr_assert_eq(occurrences(page.data, "<link "), 1, "only the empty icon");
    cr_assert_eq(occurrences(page.data, "@import"), 0);
    cr_assert_eq(occurrences(page.data, "url(http"), 0);
    buf_release(&page);
    json_decref(record);
}

Test(report, co_occurrence_is_a_count_its_square_root_and_its_logarithm_and_a_dash_for_none)
{
    json_t *record = json_pack("{s:{s:o}}", "dataset", "cooccurrence", matrix());
    struct buf page = page_of(record, NULL);

    cr_assert_eq(occurrences(page.data, "<td>100</td>"), N_NIH_LABELS, "the count itself");
    cr_assert_eq(occurrences(page.data, "<td class=\"h9\">10.0</td>"), N_NIH_LABELS,
                 "the square root of 100");
    cr_assert_eq(occurrences(page.data, "<td class=\"h0\">0.0</td>"), N_NIH_LABELS * (N_NIH_LABELS - 1));
    cr_assert_eq(occurrences(page.data, "<td>2.00</td>"), N_NIH_LABELS, "its logarithm");
    cr_assert_eq(occurrences(page.data, "<td>–</td>"), N_NIH_LABELS * (N_NIH_LABELS - 1),
                 "there is none of zero");
    buf_release(&page);
    json_decref(record);
}

Test(report, of_data_alone_has_no_sections_about_a_model)
{
    json_t *record =
        json_pack("{s:{s:i},s:n,s:[],s:n}", "dataset", "rows", 3, "evaluation", "epochs", "validation_loss");
    struct buf page = page_of(record, NULL);

    check_has(&page, "No model was made");
    cr_assert_eq(occurrences(page.data, "Quality of the kept model</h2>"), 0);
    cr_assert_eq(occurrences(page.data, "<h2>Operating points"), 0);
    buf_release(&page);
    json_decref(record);
}

Test(report, begins_with_what_makes_its_figures_doubtful)
{
    json_t *record = json_pack("{s:[{s:s,s:s}],s:f}", "warnings", "code", "init_split", "detail",
                               "it may have <seen> them", "validation_loss", 0.29);
    struct buf page = page_of(record, NULL);

    check_has(&page, "Warning:</strong> it may have &lt;seen&gt; them.</p>");
    cr_assert_lt(strstr(page.data, "it may have"), strstr(page.data, "The kept model (epoch"));
    buf_release(&page);
    json_object_set_new(record, "warnings", json_array());
    page = page_of(record, NULL);
    cr_assert_eq(occurrences(page.data, "Warning:"), 0);
    buf_release(&page);
    json_decref(record);
}

Test(report, says_whether_anything_was_learned)
{
    static const char *const ANSWERS[] = { "learned", "not_known", "worse" };
    static const char *const SAYS[] = { "It has learned something</strong>", "It cannot be told whether",
                                        "It is worse than the base rates</strong>" };

    for (size_t i = 0; i < 3; i++) { /* a validation loss below the base rates' says nothing by itself */
        json_t *record = json_pack("{s:f,s:i,s:{s:f},s:{s:{s:s,s:s,s:i,s:i,s:f,s:f,s:f}}}", "validation_loss",
                                   0.29, "kept_epoch", 2, "baseline", "validation_loss", 0.3, "evaluation",
                                   "learning", "answer", ANSWERS[i], "split", "test", "rows", 40, "patients",
                                   12, "gain", 0.0135, "gain_low", -0.002, "gain_high", 0.03);
        struct buf page = page_of(record, NULL);

        for (size_t j = 0; j < 3; j++)
            cr_assert_eq(occurrences(page.data, SAYS[j]), i == j, "%s: '%s'", ANSWERS[i], SAYS[j]);
        check_has(&page, "on the test split (40 rows of 12 patients)");
        check_has(&page, "by patient: -0.0020 to 0.0300");
        buf_release(&page);
        json_decref(record);
    }
}

Test(report, tells_of_whole_rows_beside_what_calls_nothing)
{
    json_t *record = json_pack(
        "{s:{s:{s:{s:i,s:f,s:f,s:f,s:{s:{s:f,s:f,s:f},s:{s:n,s:n,s:n}},s:{s:f,s:f}}}}}", "evaluation", "test",
        "by_sample", "no_finding", 3, "ranking_loss", 0.25, "ranking_loss_low", 0.2, "ranking_loss_high",
        0.31, "operating_points", "youden", "hamming_loss", 0.4, "hamming_loss_low", 0.35,
        "hamming_loss_high", 0.45, "specificity_90", "hamming_loss", "hamming_loss_low", "hamming_loss_high",
        "baseline", "hamming_loss", 0.123, "ranking_loss", 0.42);
    struct buf page = page_of(record, NULL);

    check_has(&page, "<td>0.400 (0.35–0.45)</td><td>–</td><td>–</td><td>0.123</td></tr>");
    check_has(&page, "<td>0.250 (0.20–0.31)</td><td>0.420</td>");
    check_has(&page, "3 test rows have none of these findings");
    buf_release(&page);
    json_object_set_new((json_t *)member_at(record, "evaluation.test.by_sample"), "no_finding",
                        json_integer(0));
    page = page_of(record, NULL);
    cr_assert_eq(occurrences(page.data, "test rows have none of these findings"), 0);
    buf_release(&page);
    json_decref(record);
}

/* 2026-01-31 23:00 to 2026-02-01 00:12: a day and a month end in it. */
Test(report, says_what_it_is_of_when_it_was_and_how_it_ended)
{
    json_t *record =
        json_pack("{s:{s:s,s:i,s:i},s:s,s:s,s:s,s:s,s:i,s:[{s:f},{s:f}]}", "config", "dataset", HOSTILE,
                  "image_size", 256, "epochs", 9, "begun_at", "2026-01-31T23:00:00.500Z", "written_at",
                  "2026-02-01T00:12:00.500Z", "state", "cancelled", "weights_sha256",
                  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "kept_epoch", 1,
                  "epochs", "seconds", 61.0, "seconds", 80.0);
    struct buf page = page_of(record, NULL);

    check_has(&page,
              "alert(2)&#39;&gt;&quot;&amp;, model 0123456789ab, 256 pixels, epoch 1, 2026-02-01</title>");
    check_has(&page,
              "2026-01-31 23:00 UTC to 2026-02-01 00:12 UTC: 1 h 12 min, epochs of it 2 min 21 s</td>");
    check_has(&page, "cancelled after 2 of 9 epochs; the best of them was kept and not evaluated</td>");
    buf_release(&page);
    json_object_set_new(record, "begun_at", json_string("<yesterday>"));
    page = page_of(record, NULL);
    cr_assert_eq(occurrences(page.data, "yesterday>"), 0, "what is no time is left out");
    buf_release(&page);
    json_decref(record);
}

Test(report, begins_with_the_name_of_its_job_and_a_dry_run_is_no_training)
{
    json_t *record = json_pack("{s:{s:s,s:i},s:s,s:s}", "config", "dataset", "ours", "epochs", 0, "id",
                               "3937acdb", "name", HOSTILE);
    struct buf page = page_of(record, NULL);

    check_has(&page, "<h1>Dry run on ours</h1>");
    check_has(&page, "Job</th><td>&lt;/script&gt;&lt;script&gt;alert(1)");
    check_has(&page, "&amp; (3937acdb)</td>");
    check_has(&page, "<title>cxrd: &lt;/script&gt;");
    cr_assert_eq(occurrences(page.data, "<img src=x"), 0);
    buf_release(&page);
    json_object_set_new(json_object_get(record, "config"), "epochs", json_integer(1));
    json_object_del(record, "name");
    page = page_of(record, NULL);
    check_has(&page, "<h1>Training on ours</h1>");
    check_has(&page, "Job</th><td>3937acdb</td>");
    buf_release(&page);
    json_decref(record);
}

Test(report, has_contents_that_lead_to_every_section)
{
    json_t *record = json_pack("{s:{s:s},s:{s:i}}", "config", "dataset", HOSTILE, "dataset", "rows", 3);
    struct buf page = page_of(record, NULL);

    check_has(&page, "<li><a href=\"#part-in-short\">In short</a></li>");
    check_has(&page, "<section id=\"part-in-short\"><h2>In short</h2>");
    cr_assert_eq(occurrences(page.data, "<section>"), 0);
    cr_assert_eq(occurrences(page.data, "<li><a href=\"#"), occurrences(page.data, "<section id="));
    cr_assert_eq(occurrences(page.data, "<h2>"), occurrences(page.data, "<section id="));
    buf_release(&page);
    json_decref(record);
}

/* Header and cells of a table are a stranger's. */
Test(report, shows_the_first_rows_of_a_table_as_text)
{
    json_t *record = json_pack("{s:{s:{s:i,s:i,s:[{s:s,s:s,s:i}],s:[{s:s,s:i,s:f,s:n}],s:{s:[s],s:[[s]]},s:{"
                               "s:i,s:i,s:[{s:i,s:s}]}}}}",
                               "dataset", "table", "rows", 3, "columns", 10000, "info", "column", HOSTILE,
                               "type", "object", "non_null", 3, "describe", "column", HOSTILE, "count", 3,
                               "mean", 46.9, "std", "first", "columns", HOSTILE, "rows", HOSTILE, "old",
                               "limit", 120, "rows", 16, "oldest", "age", 414, "image", HOSTILE);
    struct buf page = page_of(record, NULL);

    cr_assert_eq(occurrences(page.data, "<img"), 0);
    cr_assert_eq(occurrences(page.data, "</script>"), 3, "data, Chart.js and the page's own script");
    cr_assert_eq(occurrences(page.data, "&lt;/script&gt;&lt;script&gt;alert(1)"), 5);
    check_has(&page, "<td>46.900</td><td>–</td>");
    check_has(&page, "<p>16 rows have an age above 120.</p>");
    check_has(&page, "The table has 10000 columns; these are the first.");
    buf_release(&page);
    json_decref(record);
}

Test(report, draws_the_proportions_as_curves_through_the_findings)
{
    json_t *findings = json_array(), *record;
    struct buf page;

    for (size_t k = 0; k < N_NIH_LABELS; k++)
        json_array_append_new(findings, json_pack("{s:f,s:f}", "prevalence", 0.5, "predicted_mean", 0.25));
    record = json_pack("{s:{s:{s:o}}}", "evaluation", "test", "findings", findings);
    page = page_of(record, NULL);
    check_has(&page, "<canvas id=\"curves\"");
    check_has(&page, "\"curves\":{\"actual\":[{\"x\":0.0,\"y\":0.5},{\"x\":0.05,\"y\":0.5},");
    check_has(&page, "{\"x\":13.0,\"y\":0.25}]}");
    buf_release(&page);
    json_object_set_new(json_array_get(findings, 3), "prevalence", json_null());
    page = page_of(record, NULL);
    cr_assert_eq(occurrences(page.data, "<canvas id=\"curves\""), 0, "through nothing no curve leads");
    buf_release(&page);
    json_decref(record);
}

Test(report, maps_the_findings_that_are_there)
{
    json_t *record = json_object();
    json_t *plots = json_pack(
        "{s:{s:i,s:i,s:i,s:f,s:f,s:f,s:[[f,f,i]],s:[{s:s,s:i,s:f,s:f,s:f,s:f},{s:s,s:i,s:n,s:n,s:n,s:n},"
        "{s:s,s:i,s:n,s:n,s:n,s:n}]}}",
        "tsne", "rows", 12, "of", 40, "components", 7, "share", 0.83, "perplexity", 3.5, "divergence", 0.9,
        "points", 1.5, -2.5, 5, "neighbours", "label", "Atelectasis", "rows", 4, "near", 0.25, "near_low",
        0.18, "near_high", 0.34, "by_chance", 0.11, "label", "Cardiomegaly", "rows", 0, "near", "near_low",
        "near_high", "by_chance", "label", "Consolidation", "rows", 1, "near", "near_low", "near_high",
        "by_chance");
    struct buf page;

    cr_assert_not_null(plots);
    page = page_of(record, plots);
    check_has(&page, "12 of the 40 test rows");
    check_has(
        &page,
        "first 7 principal components, which hold 83 % of the variance; perplexity 3.5, divergence 0.90");
    check_has(
        &page,
        "Atelectasis, 4 rows: 25\u00a0% (18–34\u00a0%) of the nearest, 11\u00a0% by chance</figcaption>");
    check_has(&page, "Consolidation, 1 row</figcaption>");
    check_has(&page, "\"points\":[[1.5,-2.5,5]]");
    cr_assert_eq(occurrences(page.data, "<canvas id=\"tsne-"), 2, "none of a finding without a row");
    buf_release(&page);
    json_object_del(json_object_get(plots, "tsne"), "points");
    page = page_of(record, plots);
    check_has(&page, "There is no map");
    cr_assert_eq(occurrences(page.data, "<canvas id=\"tsne-"), 0);
    buf_release(&page);
    json_object_del(plots, "tsne");
    page = page_of(record, plots);
    cr_assert_eq(occurrences(page.data, "t-SNE)</h2>"), 0, "not asked for");
    buf_release(&page);
    json_decref(plots);
    json_decref(record);
}

Test(report, that_does_not_fit_is_an_error)
{
    json_t *record = json_object();
    struct buf page = BUF_INIT(1000);

    cr_assert_eq(report_write(record, NULL, REPORT_WHOLE, &page), ST_LIMIT);
    buf_release(&page);
    json_decref(record);
}

Test(report, base64_is_that_of_the_rfc)
{
    static const struct {
        const char *plain, *encoded;
    } VECTORS[] = { { "f", "Zg==" },        { "fo", "Zm8=" },        { "foo", "Zm9v" },
                    { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" } };

    for (size_t i = 0; i < sizeof VECTORS / sizeof VECTORS[0]; i++) {
        struct buf out = BUF_INIT(64);

        base64_put(&out, VECTORS[i].plain, strlen(VECTORS[i].plain));
        cr_assert_str_eq(out.data, VECTORS[i].encoded);
        buf_release(&out);
    }
}
