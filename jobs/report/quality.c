/* jobs/report/quality.c - how good the kept model is: finding by finding, as curves, and at its operating points. */
#include "cxrd/operating_points.h"
#include "findings.h"
#include "html.h"
#include "sections.h"

#include <stdio.h>

/* <td>: "0.041 ± 0.012", the ECE that a perfectly calibrated model would have on as many rows. */
static void expected_put(struct buf *out, const json_t *object, const char *prefix)
{
    char mean[64], sd[64];
    const json_t *value;

    snprintf(mean, sizeof mean, "%s_expected", prefix);
    snprintf(sd, sizeof sd, "%s_expected_sd", prefix);
    value = json_object_get(object, mean);
    if (!json_is_number(value)) {
        html_number(out, value, 3);
        return;
    }
    buf_printf(out, "<td>%.3f ± %.3f</td>", json_number_value(value),
               json_number_value(json_object_get(object, sd)));
}

static void findings_put(struct buf *out, const struct findings *f, const json_t *split, const char *title)
{
    html_table_begin(out, title,
                     "Finding|Positives|Patients with it|Prevalence|Base rate, training|Mean "
                     "predicted|AUROC|95 % from|95 % to|"
                     "Average precision|Brier|Brier, base rate|ECE|ECE without a fault");
    for (size_t k = 0; k < f->n; k++) {
        static const char *const COLUMNS[] = { "positives", "positive_patients", "prevalence",
                                               "base_rate", "predicted_mean",    "auroc",
                                               "auroc_low", "auroc_high",        "average_precision",
                                               "brier",     "baseline_brier",    "ece" };

        html_row_begin(out, f->names[k]);
        for (size_t c = 0; c < sizeof COLUMNS / sizeof COLUMNS[0]; c++)
            html_number(out, json_object_get(finding_at(split, k), COLUMNS[c]), 3);
        expected_put(out, finding_at(split, k), "ece");
        buf_puts(out, "</tr>\n");
    }
    html_table_end(out);
}

/* A row of a table that shows a measure on validation and on test. */
struct measure {
    const char *name;
    const char *figure, *other; /* members of an evaluation's split */
};

/* The rows and the table's end.
 *   cells  puts a measure's cells of one split */
static void measures_put(struct buf *out, const json_t *evaluation, const struct measure *measures, size_t n,
                         void (*cells)(struct buf *out, const json_t *split, const struct measure *m))
{
    for (size_t i = 0; i < n; i++) {
        buf_printf(out, "<tr><th scope=\"row\">%s</th>", measures[i].name);
        cells(out, json_object_get(evaluation, "validation"), &measures[i]);
        cells(out, json_object_get(evaluation, "test"), &measures[i]);
        buf_puts(out, "</tr>\n");
    }
    html_table_end(out);
}

static void mean_cells(struct buf *out, const json_t *split, const struct measure *m)
{
    html_ranged(out, split, m->figure);
    html_number(out, json_object_get(split, m->other), 4);
}

static void means_put(struct buf *out, const json_t *evaluation)
{
    static const struct measure MEANS[] = {
        { "AUROC", "macro_auroc", "micro_auroc" },
        { "Average precision", "macro_average_precision", "micro_average_precision" },
        { "Brier score", "macro_brier", "micro_brier" },
        { "Expected calibration error (ECE)", "macro_ece", "micro_ece" },
        { "ECE of a model without a fault", "macro_ece_expected", "micro_ece_expected" }
    };

    buf_puts(out,
             "<p>Intervals are 95 %, by patient: rows of one patient are alike and count as what they are "
             "worth.</p>\n");
    html_table_begin(out, "Means: macro over the findings, micro over all rows and findings as one",
                     "Measure|Validation, macro|Validation, micro|Test, macro|Test, micro");
    measures_put(out, evaluation, MEANS, sizeof MEANS / sizeof MEANS[0], mean_cells);
}

/* <td>: "0.0123 (-0.0010 to 0.0256)", for differences that are small. */
static void precise_put(struct buf *out, const json_t *object, const char *name)
{
    char low[64], high[64];

    snprintf(low, sizeof low, "%s_low", name);
    snprintf(high, sizeof high, "%s_high", name);
    if (json_is_number(json_object_get(object, low)))
        buf_printf(out, "<td>%.4f (%.4f to %.4f)</td>", json_number_value(json_object_get(object, name)),
                   json_number_value(json_object_get(object, low)),
                   json_number_value(json_object_get(object, high)));
    else
        html_number(out, json_object_get(object, name), 4);
}

static void gain_cells(struct buf *out, const json_t *split, const struct measure *m)
{
    const json_t *alone = json_object_get(split, "inputs_alone");

    precise_put(out, split, m->figure);
    precise_put(out, alone, m->figure);
    precise_put(out, alone, m->other);
}

/* The network's gain over its inputs alone, where it takes some. */
static void alone_put(struct buf *out, const json_t *evaluation)
{
    static const struct measure GAINS[] = { { "Loss (a gain: lower)", "loss", "loss_gain" },
                                            { "Macro AUROC (a gain: higher)", "macro_auroc", "auroc_gain" } };

    if (!json_is_object(member_at(evaluation, "validation.inputs_alone")))
        return;
    buf_puts(out,
             "<h3>Beside the inputs alone</h3>\n<p>The logistic regression of the inputs, without a picture, "
             "on the same rows. The gain is of pairs, by patient: where its interval holds 0 the pictures "
             "have not been shown to add anything.</p>\n");
    html_table_begin(out, "The network, and the inputs alone",
                     "Measure|Validation: network|Inputs alone|Gain|Test: network|Inputs alone|Gain");
    measures_put(out, evaluation, GAINS, sizeof GAINS / sizeof GAINS[0], gain_cells);
}

/* ": AUROC 0.824 (95 %: 0.749 to 0.899)", with a space before the sign that no line breaks at. */
static void curve_caption(struct buf *out, const json_t *finding)
{
    const json_t *auroc = json_object_get(finding, "auroc"), *low = json_object_get(finding, "auroc_low");

    if (!json_is_number(auroc))
        buf_puts(out, ": not defined, no positive or no negative row");
    else
        buf_printf(out, ": AUROC %.3f", json_number_value(auroc));
    if (json_is_number(low))
        buf_printf(out, " (95\u00a0%%: %.3f to %.3f)", json_number_value(low),
                   json_number_value(json_object_get(finding, "auroc_high")));
}

static void curves_put(struct buf *out, const struct findings *f, const json_t *test)
{
    buf_puts(
        out,
        "<h3>ROC curves on the test split</h3>\n<div class=\"chart\"><p>Each point is a threshold: how many "
        "of those without the finding it calls positive, and how many of those with it. The dashed diagonal "
        "is chance; marks are the operating points, chosen on validation: circle Youden, triangle 90 % "
        "sensitivity, square 90 % specificity.</p><div class=\"small\">\n");
    for (size_t k = 0; k < f->n; k++) {
        finding_chart_begin(out, "roc", k, f->names[k], "ROC curve of ", "");
        curve_caption(out, finding_at(test, k));
        finding_chart_end(out);
    }
    buf_puts(out, "</div></div>\n");
}

static void bins_put(struct buf *out, const json_t *bins)
{
    json_t *bin;
    size_t i;

    html_table_begin(out, "Reliability on the test split, all findings together",
                     "Predicted probability|Predictions|Mean predicted|Part that is positive");
    json_array_foreach (bins, i, bin) {
        buf_printf(out, "<tr><th scope=\"row\">%.1f to %.1f</th>", (double)i / 10, (double)(i + 1) / 10);
        html_number(out, json_object_get(bin, "rows"), 0);
        html_number(out, json_object_get(bin, "predicted"), 3);
        html_number(out, json_object_get(bin, "positive"), 3);
        buf_puts(out, "</tr>\n");
    }
    html_table_end(out);
}

void section_quality(struct buf *out, const json_t *record, const json_t *plots)
{
    const json_t *evaluation = member_at(record, "evaluation");
    const struct findings f = findings_of(record);

    if (!json_is_object(evaluation))
        return;
    buf_puts(out, "<section><h2>Quality of the kept model</h2>\n");
    means_put(out, evaluation);
    alone_put(out, evaluation);
    findings_put(out, &f, json_object_get(evaluation, "test"),
                 "Test split; – where a finding has no positive or no negative row");
    findings_put(out, &f, json_object_get(evaluation, "validation"), "Validation split");
    buf_puts(out, "<div class=\"pair\">\n");
    html_chart(out, "proportions",
               "Points: mean predicted probability against actual proportion of each finding",
               f.n < FEW_FINDINGS
                   ? "Predicted against actual proportion of each finding on the test split. On the dashed "
                     "line both are equal."
                   : "Predicted against actual proportion of each finding on the test split, with a smooth "
                     "curve (local linear regression). On the dashed line both are equal.");
    html_chart(out, "reliability",
               "Lines: part that is positive by predicted probability, validation and test",
               "Reliability: of the predictions with about this probability, how many are right. All "
               "findings together.");
    buf_puts(out, "</div>\n");
    bins_put(out, member_at(plots, "reliability.test"));
    curves_put(out, &f, json_object_get(evaluation, "test"));
    buf_puts(out, "</section>\n");
}

/* ---- operating points ---- */

static void points_put(struct buf *out, const struct findings *f, const json_t *test)
{
    html_table_begin(
        out,
        "Thresholds chosen on validation, and what they do on test. Youden: greatest sensitivity + "
        "specificity; 90 % sens., 90 % spec.: the best of the other at 90 %. In brackets 95 % intervals, by "
        "patient",
        "Finding|Prevalence|Youden: threshold|Sensitivity|Specificity|90 % sens.: threshold|Sensitivity|"
        "Specificity|90 % spec.: threshold|Sensitivity|Specificity");
    for (size_t k = 0; k < f->n; k++) {
        const json_t *finding = finding_at(test, k), *points = json_object_get(finding, "operating_points");

        html_row_begin(out, f->names[k]);
        html_number(out, json_object_get(finding, "prevalence"), 3);
        for (int kind = 0; kind < N_OPERATING; kind++) {
            const json_t *point = json_object_get(points, OPERATING_NAMES[kind]);

            html_number(out, json_object_get(point, "threshold"), 4);
            html_ranged(out, point, "sensitivity");
            html_ranged(out, point, "specificity");
        }
        buf_puts(out, "</tr>\n");
    }
    html_table_end(out);
}

static void normal_put(struct buf *out, const struct findings *f, const json_t *normal)
{
    html_chart(out, "normal", "Bars: false positive rate of each finding on normal chests",
               "How often each finding is called on No Finding rows, which training left out, at its Youden "
               "threshold.");
    html_table_begin(out, "False positive rates on No Finding rows",
                     "Finding|Mean predicted|Youden|90 % sens.|90 % spec.");
    for (size_t k = 0; k < f->n; k++) {
        const json_t *finding = finding_at(normal, k), *points = json_object_get(finding, "operating_points");

        html_row_begin(out, f->names[k]);
        html_number(out, json_object_get(finding, "predicted_mean"), 3);
        for (int kind = 0; kind < N_OPERATING; kind++)
            html_ranged(out, json_object_get(points, OPERATING_NAMES[kind]), "false_positive_rate");
        buf_puts(out, "</tr>\n");
    }
    html_table_end(out);
}

void section_operating(struct buf *out, const json_t *record)
{
    const json_t *evaluation = member_at(record, "evaluation"), *normal = member_at(evaluation, "no_finding");
    const json_int_t rows = json_integer_value(json_object_get(normal, "rows"));
    const struct findings f = findings_of(record);

    if (!json_is_object(evaluation))
        return;
    buf_puts(out, "<section><h2>Operating points</h2>\n");
    points_put(out, &f, json_object_get(evaluation, "test"));
    buf_printf(
        out,
        "<h3>Normal chests</h3>\n<p>%lld No Finding rows were left out of the training and scored.</p>\n",
        (long long)rows);
    if (rows > 0)
        normal_put(out, &f, normal);
    buf_puts(out, "</section>\n");
}
