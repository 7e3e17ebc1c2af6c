/* jobs/report/decision.c - what follows from the probabilities: which patients are called, how many of them rightly, whether it is worth
 * it, and whether the probabilities mean what they say. */
#include "findings.h"
#include "html.h"
#include "sections.h"

/* At which the table works out what a positive and a negative call are worth. */
static const double PREVALENCES[] = { 0.001, 0.01, 0.05, 0.1, 0.2, 0.5 };
enum { N_PREVALENCES = sizeof PREVALENCES / sizeof PREVALENCES[0] };

/* A small chart for each finding, with its name below it and what `caption`, if there is one, adds to that. */
static void small_charts_put(struct buf *out, const struct findings *f, const char *id, const char *what,
                             const json_t *split, void (*caption)(struct buf *out, const json_t *finding))
{
    buf_puts(out, "<div class=\"chart\"><div class=\"small\">\n");
    for (size_t k = 0; k < f->n; k++) {
        finding_chart_begin(out, id, k, f->names[k], what, "");
        if (caption)
            caption(out, finding_at(split, k));
        finding_chart_end(out);
    }
    buf_puts(out, "</div></div>\n");
}

/* ---- precision and recall ---- */

static void precision_caption(struct buf *out, const json_t *finding)
{
    const json_t *precision = json_object_get(finding, "average_precision");

    if (!json_is_number(precision))
        buf_puts(out, ": not defined, no positive or no negative row");
    else
        buf_printf(out, ": average precision %.3f; %.3f by chance", json_number_value(precision),
                   json_number_value(json_object_get(finding, "prevalence")));
}

static void precision_put(struct buf *out, const struct findings *f, const json_t *test)
{
    buf_puts(
        out,
        "<h3>Precision and recall on the test split</h3>\n<p class=\"chart\">Each point is a threshold: how "
        "many of those with the finding it calls (recall), and how many of those called have it "
        "(precision). The dashed line is chance, the part that has it. Average precision is the sum over "
        "thresholds of precision times the step in recall.</p>\n");
    small_charts_put(out, f, "pr", "Precision by recall of ", test, precision_caption);
}

/* ---- who is called ---- */

static void counts_put(struct buf *out, const struct findings *f, const json_t *decision)
{
    static const char *const COUNTS[] = { "true_positives", "false_positives", "false_negatives",
                                          "true_negatives" };

    html_table_begin(
        out,
        "Rows of the test split at the Youden threshold. PPV, NPV: the part of positive and of negative "
        "calls that is right, among rows with as many findings as these; – with fewer than 10 rows "
        "of either kind",
        "Finding|Threshold|True positives|False positives|False negatives|True negatives|PPV|NPV");
    for (size_t k = 0; k < f->n; k++) {
        const json_t *finding = finding_at(decision, k);

        html_row_begin(out, f->names[k]);
        html_number(out, json_object_get(finding, "threshold"), 4);
        for (size_t i = 0; i < sizeof COUNTS / sizeof COUNTS[0]; i++)
            html_number(out, json_object_get(finding, COUNTS[i]), 0);
        html_ranged(out, finding, "ppv");
        html_ranged(out, finding, "npv");
        buf_puts(out, "</tr>\n");
    }
    html_table_end(out);
}

/* <td>: "0.12 / 0.99", by Bayes' rule. */
static void predictive_put(struct buf *out, double sensitivity, double specificity, double prevalence)
{
    const double hits = sensitivity * prevalence, alarms = (1 - specificity) * (1 - prevalence);
    const double rests = specificity * (1 - prevalence), misses = (1 - sensitivity) * prevalence;

    buf_puts(out, "<td>");
    if (hits + alarms > 0)
        buf_printf(out, "%.3f / ", hits / (hits + alarms));
    else
        buf_puts(out, "– / ");
    if (rests + misses > 0)
        buf_printf(out, "%.3f</td>", rests / (rests + misses));
    else
        buf_puts(out, "–</td>");
}

static void prevalence_row_put(struct buf *out, const json_t *finding, bool known)
{
    const json_t *sensitivity = json_object_get(finding, "sensitivity"),
                 *specificity = json_object_get(finding, "specificity");

    known = known && json_is_number(sensitivity) && json_is_number(specificity);
    for (size_t i = 0; i < N_PREVALENCES; i++)
        if (known)
            predictive_put(out, json_number_value(sensitivity), json_number_value(specificity),
                           PREVALENCES[i]);
        else
            buf_puts(out, "<td>–</td>");
    buf_puts(out, "<td class=\"own chart\"");
    if (known)
        buf_printf(out, " data-sensitivity=\"%.9g\" data-specificity=\"%.9g\"",
                   json_number_value(sensitivity), json_number_value(specificity));
    buf_puts(out, ">–</td></tr>\n");
}

static void prevalences_put(struct buf *out, const struct findings *f, const json_t *test,
                            const json_t *decision)
{
    buf_puts(
        out,
        "<h3>At another prevalence</h3>\n<p>Where a finding is rarer than among the test rows, more of the "
        "positive calls are wrong. From sensitivity and specificity at the Youden threshold, taken to be the "
        "same there.</p>\n<p class=\"chart\"><label>Prevalence of your own, in per cent: <input "
        "id=\"prevalence\" type=\"number\" min=\"0\" max=\"100\" step=\"any\" value=\"2\"></label></p>\n");
    html_box_begin(out, "numbers", "PPV / NPV at other prevalences of the finding");
    buf_puts(out, "<th scope=\"col\">Finding</th>");
    for (size_t i = 0; i < N_PREVALENCES; i++)
        buf_printf(out, "<th scope=\"col\">%g %%</th>", PREVALENCES[i] * 100);
    buf_puts(out,
             "<th scope=\"col\" class=\"chart\" id=\"prevalence-head\">your own</th></tr></thead><tbody>\n");
    for (size_t k = 0; k < f->n; k++) {
        html_row_begin(out, f->names[k]);
        prevalence_row_put(out, finding_at(test, k),
                           json_is_number(json_object_get(finding_at(decision, k), "ppv")));
    }
    html_table_end(out);
}

/* ---- whether it is worth it ---- */

/* <td>: rows in a thousand. */
static void gain_put(struct buf *out, const json_t *benefit)
{
    const json_t *gain = json_object_get(benefit, "gain"), *low = json_object_get(benefit, "gain_low");

    if (!json_is_number(gain)) {
        buf_puts(out, "<td>–</td>");
        return;
    }
    buf_printf(out, "<td%s>%.1f", json_number_value(low) > 0 ? " class=\"gains\"" : "",
               1000 * json_number_value(gain));
    if (json_is_number(low))
        buf_printf(out, " (%.1f to %.1f)", 1000 * json_number_value(low),
                   1000 * json_number_value(json_object_get(benefit, "gain_high")));
    buf_puts(out, "</td>");
}

static void benefits_put(struct buf *out, const struct findings *f, const json_t *decision)
{
    const json_t *first = json_object_get(finding_at(decision, 0), "net_benefit");
    json_t *benefit;
    size_t i;

    buf_puts(
        out,
        "<h3>Decision curves</h3>\n<p>Who acts on a probability of 10\u00a0% holds one missed finding to be "
        "as "
        "bad as nine alarms for nothing. Net benefit counts true alarms less false ones at that rate, per "
        "row. A model is of use at a threshold where it does better than acting on all and than acting "
        "on none.<span class=\"chart\"> Blue is the model, orange all, dashed none.</span></p>\n");
    small_charts_put(out, f, "benefit", "Net benefit by threshold of ", decision, NULL);
    html_box_begin(
        out, "numbers",
        "Net benefit of the model over the better of acting on all and on none, per 1,000 rows, by the "
        "probability from which on one acts; in brackets 95 %, by patient; shaded: surely of use");
    buf_puts(out, "<th scope=\"col\">Finding</th>");
    json_array_foreach (first, i, benefit)
        buf_printf(out, "<th scope=\"col\">%.0f %%</th>",
                   100 * json_number_value(json_object_get(benefit, "threshold")));
    buf_puts(out, "</tr></thead><tbody>\n");
    for (size_t k = 0; k < f->n; k++) {
        html_row_begin(out, f->names[k]);
        json_array_foreach (json_object_get(finding_at(decision, k), "net_benefit"), i, benefit)
            gain_put(out, benefit);
        buf_puts(out, "</tr>\n");
    }
    html_table_end(out);
}

/* ---- whether they mean what they say ---- */

static void slope_caption(struct buf *out, const json_t *finding)
{
    const json_t *slope = json_object_get(finding, "calibration_slope");

    if (json_is_number(slope))
        buf_printf(out, ": slope %.2f, intercept %.2f", json_number_value(slope),
                   json_number_value(json_object_get(finding, "calibration_intercept")));
}

static void calibration_put(struct buf *out, const struct findings *f, const json_t *decision)
{
    buf_puts(out, "<h3>Calibration of each finding on the test split</h3>\n<p class=\"chart\">Ten bins of as "
                  "many rows: "
                  "where a point is below the dashed line, less happens than was said.</p>\n");
    small_charts_put(out, f, "calibration", "Reliability of ", decision, slope_caption);
    html_table_begin(
        out,
        "Calibration. Intercept, with the slope held at 1: below 0 where too much is promised. Slope: below "
        "1 where the model is too sure of itself. In brackets 95 %, by patient; – with fewer than 10 "
        "rows of either kind, or where no line fits best",
        "Finding|Intercept|Slope");
    for (size_t k = 0; k < f->n; k++) {
        html_row_begin(out, f->names[k]);
        html_ranged(out, finding_at(decision, k), "calibration_intercept");
        html_ranged(out, finding_at(decision, k), "calibration_slope");
        buf_puts(out, "</tr>\n");
    }
    html_table_end(out);
}

void section_decision(struct buf *out, const json_t *record)
{
    const json_t *decision = member_at(record, "evaluation.decision"),
                 *test = member_at(record, "evaluation.test");
    const struct findings f = findings_of(record);

    if (!json_is_object(decision))
        return;
    buf_puts(out, "<section><h2>Decisions</h2>\n");
    precision_put(out, &f, test);
    counts_put(out, &f, decision);
    prevalences_put(out, &f, test, decision);
    benefits_put(out, &f, decision);
    calibration_put(out, &f, decision);
    buf_puts(out, "</section>\n");
}
