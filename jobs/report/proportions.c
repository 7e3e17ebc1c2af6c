/* jobs/report/proportions.c - how often each finding is there and how often it was predicted: the seed notebook's picture, two
 * curves over the findings, and beside it bars, which say nothing about what is between two findings. */
#include "findings.h"
#include "html.h"
#include "sections.h"
#include "spline.h"

enum { POINTS_BETWEEN = 20, MOST_POINTS = POINTS_BETWEEN * (MAX_LABELS - 1) + 1 };
_Static_assert((int)MAX_LABELS <= (int)SPLINE_MAX, "a curve through all findings");

/* A number of each finding; false where one has none. */
static bool numbers_of(const json_t *record, const char *name, double ret[MAX_LABELS])
{
    const json_t *test = member_at(record, "evaluation.test");
    const size_t n = findings_of(record).n;

    for (size_t k = 0; k < n; k++) {
        const json_t *value = json_object_get(finding_at(test, k), name);

        if (!json_is_number(value))
            return false;
        ret[k] = json_number_value(value);
    }
    return n > 0;
}

static json_t *curve_json(const json_t *record, const char *name)
{
    const size_t n = findings_of(record).n;
    double through[MAX_LABELS], curve[MOST_POINTS];
    json_t *points;

    if (!numbers_of(record, name, through))
        return json_null();
    points = json_array();
    spline_quadratic(n, through, POINTS_BETWEEN * (n - 1) + 1, curve);
    for (size_t i = 0; i < POINTS_BETWEEN * (n - 1) + 1; i++)
        json_array_append_new(points, json_pack("{s:f,s:f}", "x", (double)i / POINTS_BETWEEN, "y", curve[i]));
    return points;
}

json_t *proportions_json(const json_t *record)
{
    return json_pack("{s:o,s:o}", "actual", curve_json(record, "prevalence"), "predicted",
                     curve_json(record, "predicted_mean"));
}

void section_proportions(struct buf *out, const json_t *record)
{
    double unused[MAX_LABELS];

    if (!numbers_of(record, "prevalence", unused))
        return;
    buf_puts(out,
             "<section><h2>Proportions</h2>\n<p>How often each finding is there in the test split, and the "
             "mean of what was predicted. The table of the test split has the numbers.</p>\n"
             "<div class=\"pair\">\n");
    html_chart(
        out, "curves", "Two curves over the findings: predicted and actual proportion",
        "As the seed notebook draws it: quadratic splines through the findings in their order. Between two "
        "findings a curve says nothing, and it may fall below zero there.");
    html_chart(out, "bars", "Bars, two for each finding: predicted and actual proportion",
               "The same as bars.");
    buf_puts(out, "</div>\n</section>\n");
}
