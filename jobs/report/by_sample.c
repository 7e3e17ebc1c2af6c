/* jobs/report/by_sample.c - partial correctness: what of a whole row is right, called at a threshold and by the order of
 * the findings. */
#include "cxrd/operating_points.h"
#include "findings.h"
#include "html.h"
#include "sections.h"

#include <stdio.h>

struct measure {
    const char *name, *member;
};

static void calls_put(struct buf *out, const json_t *split, const char *title)
{
    static const struct measure CALLS[] = {
        { "Hamming loss", "hamming_loss" },
        { "Subset accuracy", "subset_accuracy" },
        { "F1", "f1" },
        { "Jaccard index", "jaccard" },
    };

    html_table_begin(out, title, "Measure|Youden|90 % sens.|90 % spec.|Nothing called");
    for (size_t i = 0; i < sizeof CALLS / sizeof CALLS[0]; i++) {
        buf_printf(out, "<tr><th scope=\"row\">%s</th>", CALLS[i].name);
        for (int kind = 0; kind < N_OPERATING; kind++)
            html_ranged(out,
                        json_object_get(json_object_get(split, "operating_points"), OPERATING_NAMES[kind]),
                        CALLS[i].member);
        html_number(out, json_object_get(member_at(split, "baseline"), CALLS[i].member), 3);
        buf_puts(out, "</tr>\n");
    }
    html_table_end(out);
}

static void order_put(struct buf *out, size_t n, const json_t *evaluation)
{
    static const struct measure ORDER[] = {
        { "Label ranking average precision", "label_ranking_average_precision" },
        { "Coverage error", "coverage_error" },
        { "Ranking loss", "ranking_loss" },
    };
    static const char *const SPLITS[] = { "validation.by_sample", "test.by_sample" };
    char title[128];

    snprintf(title, sizeof title,
             "The %zu findings of a row in the order of their probabilities, beside the order that the base "
             "rates give them",
             n);
    html_table_begin(out, title, "Measure|Validation|Base rates|Test|Base rates");
    for (size_t i = 0; i < sizeof ORDER / sizeof ORDER[0]; i++) {
        buf_printf(out, "<tr><th scope=\"row\">%s</th>", ORDER[i].name);
        for (size_t s = 0; s < sizeof SPLITS / sizeof SPLITS[0]; s++) {
            const json_t *split = member_at(evaluation, SPLITS[s]);

            html_ranged(out, split, ORDER[i].member);
            html_number(out, json_object_get(member_at(split, "baseline"), ORDER[i].member), 3);
        }
        buf_puts(out, "</tr>\n");
    }
    html_table_end(out);
}

/* Of more findings than one: one alone has no order. */
static void ranking_put(struct buf *out, size_t n, const json_t *evaluation)
{
    buf_puts(
        out,
        "<p>Label ranking average precision: of the findings as probable as one that is there, or more, "
        "the part that is there too, 1 is best. Coverage error: how many of the most probable it takes to "
        "have all that are there. Ranking loss: the part of the pairs, of one that is there and one that is "
        "not, in the wrong order, 0 is best.</p>\n");
    order_put(out, n, evaluation);
}

/* The meaning of the measures of the calls. */
static void measures_told(struct buf *out, size_t n, json_int_t none)
{
    buf_puts(
        out,
        "<p>A picture may show several findings, and a model be right about some of them. These are "
        "means over the rows, as scikit-learn defines them; in brackets 95 % intervals, by patient.</p>\n");
    if (n > 1)
        buf_printf(out,
                   "<p>Hamming loss: the part of the %zu that is wrong, 0 is best. Subset accuracy: rows "
                   "with all %zu right.",
                   n, n);
    else
        buf_puts(out, "<p>Hamming loss: the part of the rows that is wrong, 0 is best. Subset accuracy: the "
                      "part that is right.");
    buf_puts(out, " F1 and Jaccard index: how much of what is called or there is both, 1 is best. A finding "
                  "without a threshold is never called.");
    if (none > 0)
        buf_printf(
            out,
            " %lld test rows have none of these findings: their F1 and Jaccard index are 0 whatever is "
            "called, their ranking counts as right.",
            (long long)none);
    buf_puts(out, "</p>\n");
}

void section_by_sample(struct buf *out, const json_t *record)
{
    const json_t *evaluation = member_at(record, "evaluation"),
                 *test = member_at(evaluation, "test.by_sample");
    const json_int_t none = json_integer_value(json_object_get(test, "no_finding"));
    const size_t n = findings_of(record).n;

    if (!json_is_object(test))
        return;
    buf_puts(out, "<section><h2>Whole rows</h2>\n");
    measures_told(out, n, none);
    calls_put(out, test, "Test split: the findings called at the thresholds that validation chose");
    calls_put(out, member_at(evaluation, "validation.by_sample"),
              "Validation split, which chose the thresholds");
    if (n > 1)
        ranking_put(out, n, evaluation);
    buf_puts(out, "</section>\n");
}
