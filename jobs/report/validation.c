/* jobs/report/validation.c - what a model is worth on a data set that it was not trained with: whether that can be called an external
 * validation, and each finding here beside the model's own test rows. */
#include "html.h"
#include "sections.h"

#include <string.h>

bool is_validation(const json_t *record) { return json_is_object(member_at(record, "scored")); }

static const char *text_at(const json_t *record, const char *path)
{
    return json_string_value(member_at(record, path));
}

static void external_put(struct buf *out, const json_t *record)
{
    const json_t *external = member_at(record, "scored.external");

    if (json_is_true(external)) {
        buf_puts(out, "<p><strong>An external validation</strong>: the model has learned from none of these "
                      "pictures and patients, as far as its card and its job's record tell.</p>\n");
        return;
    }
    buf_printf(out, "<p class=\"warning\"><strong>%s</strong>: ",
               json_is_false(external) ? "Not an external validation" : "Not known to be external");
    html_text(out, text_at(record, "scored.reason"));
    buf_puts(out, ".</p>\n");
}

/* "12 of 14 findings: the table does not have Hernia, Mass." */
static void scored_put(struct buf *out, const json_t *record)
{
    const json_t *missing = member_at(record, "scored.not_scored"), *name;
    const size_t n = json_array_size(member_at(record, "scored.findings"));
    size_t i;

    buf_printf(out, "<p>%lld pictures of %lld patients; %zu of the model's %zu findings are scored",
               (long long)json_integer_value(member_at(record, "evaluation.test.rows")),
               (long long)json_integer_value(member_at(record, "evaluation.test.patients")), n,
               n + json_array_size(missing));
    if (json_array_size(missing) > 0)
        buf_puts(out, ": the table does not have ");
    json_array_foreach (missing, i, name) {
        buf_puts(out, i ? ", " : "");
        html_text(out, json_string_value(name));
    }
    buf_puts(out, ".</p>\n");
}

/* One finding at Youden's threshold of the model: here, and on its own test rows. */
static void finding_put(struct buf *out, const json_t *finding, const json_t *own)
{
    const json_t *here = member_at(finding, "operating_points.youden"),
                 *there = member_at(own, "rates.youden");

    html_row_begin(out, json_string_value(json_object_get(finding, "label")));
    html_number(out, json_object_get(finding, "positives"), 0);
    html_ranged(out, finding, "auroc");
    html_ranged(out, own, "auroc");
    html_number(out, json_object_get(here, "threshold"), 3);
    html_ranged(out, here, "sensitivity");
    html_ranged(out, there, "sensitivity");
    html_ranged(out, here, "specificity");
    html_ranged(out, there, "specificity");
    html_ranged(out, here, "ppv");
    html_ranged(out, here, "positive_rate");
    buf_puts(out, "</tr>\n");
}

static void findings_put(struct buf *out, const json_t *record)
{
    const json_t *own = member_at(record, "scored.own"), *finding;
    size_t i;

    html_table_begin(out,
                     "Each finding here and on the model's own test rows, at its own thresholds (Youden)",
                     "Finding|Positives here|AUROC here|AUROC, own|Threshold|Sensitivity here|Sensitivity, "
                     "own|Specificity here|Specificity, own|PPV here|Called positive here");
    json_array_foreach (member_at(record, "evaluation.test.findings"), i, finding) {
        const char *label = json_string_value(json_object_get(finding, "label"));

        if (json_integer_value(json_object_get(finding, "unknown")) <
            json_integer_value(member_at(record, "evaluation.test.rows")))
            finding_put(out, finding, json_object_get(own, label));
    }
    html_table_end(out);
}

/* ---- what profiles kept here ---- */

static void figure_put(struct buf *out, const json_t *finding, const char *name)
{
    const json_t *figure = json_object_get(finding, name);
    json_t *ranged = json_pack("{s:O?,s:O?,s:O?}", "of", json_object_get(figure, "value"), "of_low",
                               json_object_get(figure, "low"), "of_high", json_object_get(figure, "high"));

    html_ranged(out, ranged, "of");
    json_decref(ranged);
}

static void kept_findings_put(struct buf *out, const json_t *kept)
{
    static const char *const FIGURES[] = { "missed",      "alarmed",     "unsure",    "sensitivity",
                                           "specificity", "brier_model", "brier_here" };
    const json_t *finding;
    size_t i;

    html_table_begin(out, "By finding, 95 % intervals by patient",
                     "Finding|Patients with it|Patients without|Called absent, of those with it|Called "
                     "present, of those without|Nothing said|Sensitivity|Specificity|Brier, model|Brier, "
                     "profile");
    json_array_foreach (json_object_get(kept, "findings"), i, finding) {
        html_row_begin(out, json_string_value(json_object_get(finding, "label")));
        html_number(out, json_object_get(finding, "positive_patients"), 0);
        html_number(out, json_object_get(finding, "negative_patients"), 0);
        for (size_t k = 0; k < sizeof FIGURES / sizeof FIGURES[0]; k++)
            figure_put(out, finding, FIGURES[k]);
        buf_puts(out, "</tr>\n");
    }
    html_table_end(out);
}

static void kept_put(struct buf *out, const json_t *kept)
{
    const json_t *rate = json_object_get(kept, "error_rate");

    buf_printf(out, "<section><h2>%s profile on these rows</h2>\n<p>",
               json_is_true(json_object_get(kept, "active")) ? "The active" : "An earlier");
    html_text(out, json_string_value(json_object_get(kept, "profile")));
    if (json_is_string(json_object_get(kept, "name"))) {
        buf_puts(out, ", ");
        html_text(out, json_string_value(json_object_get(kept, "name")));
    }
    if (json_is_number(rate))
        buf_printf(out, ". Of the films of either kind at most %.3g %% were to have the wrong verdict.",
                   100 * json_number_value(rate));
    else
        buf_puts(out, ". It states no error rate, and gives no verdicts.");
    buf_printf(out, "%s</p>\n",
               json_is_true(json_object_get(kept, "expired")) ? " It has expired, and gives none now." : "");
    kept_findings_put(out, kept);
    buf_puts(out, "</section>\n");
}

void section_kept(struct buf *out, const json_t *record)
{
    const json_t *kept;
    size_t i;

    json_array_foreach (member_at(record, "kept"), i, kept)
        kept_put(out, kept);
}

void section_validation(struct buf *out, const json_t *record)
{
    const json_t *half = json_real(0.5);

    buf_puts(out, "<section><h2>In short</h2>\n");
    external_put(out, record);
    scored_put(out, record);
    warnings_put(out, member_at(record, "warnings"));
    learning_put(out, member_at(record, "evaluation.learning"));
    html_table_begin(out, "The model here, beside the base rates of these rows", "Measure|Model|Base rates");
    compared_put(out, "Loss (binary cross-entropy)", member_at(record, "evaluation.test.loss"),
                 member_at(record, "evaluation.test.baseline.loss"));
    compared_put(out, "Macro AUROC", member_at(record, "evaluation.test.macro_auroc"), half);
    compared_put(out, "Macro Brier score", member_at(record, "evaluation.test.macro_brier"),
                 member_at(record, "evaluation.test.baseline.macro_brier"));
    html_table_end(out);
    findings_put(out, record);
    buf_puts(out, "<p>The base rates are those of these very rows, so that no constant could do better. "
                  "Thresholds are the model's own and have not seen them; intervals are 95 %, by "
                  "patient.</p>\n</section>\n");
    json_decref((json_t *)half);
}
