/* jobs/report/groups.c - for whom the model is better or worse: subgroups of the test rows. */
#include "cxrd/groups.h"
#include "findings.h"
#include "html.h"
#include "sections.h"

#include <string.h>

static const char *text_at(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static bool same(const json_t *a, const json_t *b, const char *name)
{
    return json_equal(json_object_get(a, name), json_object_get(b, name));
}

/* The grouping as a heading has it. */
static const char *heading_of(const char *by)
{
    return strcmp(by, "scanner") == 0 ? "By scanner, as the table names it"
           : strcmp(by, "sex") == 0   ? "By sex"
           : strcmp(by, "age") == 0   ? "By age in years"
                                      : "By view";
}

static void sizes_put(struct buf *out, const json_t *list)
{
    json_t *group = NULL;
    size_t i;

    html_table_begin(out, "Groups of the test rows", "By|Group|Rows|Patients");
    json_array_foreach (list, i, group) {
        buf_puts(out, "<tr><th scope=\"row\">");
        html_text(out, text_at(group, "by"));
        buf_puts(out, "</th><td>");
        html_text(out, text_at(group, "group"));
        buf_puts(out, "</td>");
        html_number(out, json_object_get(group, "rows"), 0);
        html_number(out, json_object_get(group, "patients"), 0);
        buf_puts(out, "</tr>\n");
    }
    html_table_end(out);
}

/* ---- differences ---- */

static void difference_put(struct buf *out, const json_t *d)
{
    buf_puts(out, "<tr><th scope=\"row\">");
    html_text(out, text_at(d, "label"));
    buf_puts(out, "</th><td>");
    html_text(out, text_at(d, "measure"));
    buf_puts(out, "</td><td>");
    html_text(out, text_at(d, "by"));
    buf_puts(out, " ");
    html_text(out, text_at(d, "group"));
    buf_puts(out, "</td>");
    html_number(out, json_object_get(d, "in_group"), 3);
    html_number(out, json_object_get(d, "elsewhere"), 3);
    html_ranged(out, d, "difference");
    if (json_number_value(json_object_get(d, "p")) < 0.0001)
        buf_puts(out, "<td>&lt; 0.0001</td></tr>\n");
    else
        buf_printf(out, "<td>%.4f</td></tr>\n", json_number_value(json_object_get(d, "p")));
}

static void differences_put(struct buf *out, const json_t *groups)
{
    const json_t *list = json_object_get(groups, "differences");
    json_t *d;
    size_t i;

    buf_printf(out,
               "<p>Each group is held against all others of its kind: %lld differences were looked at, and "
               "%zu %s borne out, which means that the interval, corrected for their number by Holm's "
               "method, leaves 0 out.</p>\n",
               (long long)json_integer_value(json_object_get(groups, "comparisons")), json_array_size(list),
               json_array_size(list) == 1 ? "is" : "are");
    if (json_array_size(list) == 0)
        return;
    html_table_begin(out, "Differences that are borne out",
                     "Finding|Measure|Group|In the group|In the others|Difference|p, corrected");
    json_array_foreach (list, i, d)
        difference_put(out, d);
    html_table_end(out);
}

/* The difference of a group in one measure of one finding, if it is borne out; NULL: it is not. */
static const json_t *borne_out(const json_t *groups, const json_t *group, const json_t *finding,
                               const char *measure)
{
    json_t *d;
    size_t i;

    json_array_foreach (json_object_get(groups, "differences"), i, d)
        if (same(d, group, "by") && same(d, group, "group") && same(d, finding, "label") &&
            strcmp(text_at(d, "measure"), measure) == 0)
            return d;
    return NULL;
}

/* ---- findings by group ---- */

/* The figure that is shown of it, and whose differences mark it; "": none. */
static const struct shown {
    const char *member, *measure, *title;
    bool positives; /* with their number before it */
} SHOWN[] = {
    { "auroc", "auroc", "AUROC, after the number of rows that have the finding", true },
    { "sensitivity", "sensitivity", "Sensitivity at the Youden threshold", false },
    { "false_positive_rate", "specificity", "False positive rate at the Youden threshold: 1 - specificity",
      false },
    { "calibration_intercept", "", "Calibration: intercept, below 0 where too much is promised", false },
    { "calibration_slope", "", "Calibration: slope, below 1 where the model is too sure of itself", false }
};

/* One of the ways to part the rows, and what of it is told. */
struct subgroups {
    const struct findings *findings;
    const json_t *groups; /* evaluation.groups */
    const char *by;
};

static const json_t *list_of(const struct subgroups *g) { return json_object_get(g->groups, "groups"); }

static bool has(const struct subgroups *g, const json_t *group)
{
    return strcmp(text_at(group, "by"), g->by) == 0;
}

static bool any_known(const struct subgroups *g, size_t k, const char *member)
{
    json_t *group;
    size_t i;

    json_array_foreach (list_of(g), i, group)
        if (has(g, group) && json_is_number(json_object_get(finding_at(group, k), member)))
            return true;
    return false;
}

static void finding_put(struct buf *out, const struct subgroups *g, size_t k, const struct shown *shown)
{
    json_t *group;
    size_t i;

    html_row_begin(out, g->findings->names[k]);
    json_array_foreach (list_of(g), i, group) {
        const json_t *finding = finding_at(group, k);

        if (!has(g, group))
            continue;
        if (shown->positives)
            html_number(out, json_object_get(finding, "positives"), 0);
        if (borne_out(g->groups, group, finding, shown->measure))
            html_marked(out, finding, shown->member, "differs");
        else
            html_ranged(out, finding, shown->member);
    }
    buf_puts(out, "</tr>\n");
}

static void measure_put(struct buf *out, const struct subgroups *g, const struct shown *shown)
{
    json_t *group;
    size_t i;

    html_box_begin(out, "numbers", shown->title);
    buf_puts(out, "<th scope=\"col\">Finding</th>");
    json_array_foreach (list_of(g), i, group) {
        if (!has(g, group))
            continue;
        buf_puts(out, shown->positives ? "<th scope=\"col\">Positives</th><th scope=\"col\">"
                                       : "<th scope=\"col\">");
        html_text(out, text_at(group, "group"));
        buf_puts(out, "</th>");
    }
    buf_puts(out, "</tr></thead><tbody>\n");
    for (size_t k = 0; k < g->findings->n; k++)
        if (any_known(g, k, shown->member))
            finding_put(out, g, k, shown);
    html_table_end(out);
}

static bool any_measured(const struct subgroups *g, const char *member)
{
    for (size_t k = 0; k < g->findings->n; k++)
        if (any_known(g, k, member))
            return true;
    return false;
}

static void grouping_put(struct buf *out, const struct subgroups *g)
{
    buf_printf(out, "<h3>%s</h3>\n", heading_of(g->by));
    for (size_t i = 0; i < sizeof SHOWN / sizeof SHOWN[0]; i++)
        if (any_measured(g, SHOWN[i].member))
            measure_put(out, g, &SHOWN[i]);
    if (!any_measured(g, SHOWN[0].member))
        buf_puts(out, "<p>No group has enough rows with a finding and without it.</p>\n");
}

void section_groups(struct buf *out, const json_t *record)
{
    const json_t *groups = member_at(record, "evaluation.groups");
    const json_t *list = json_object_get(groups, "groups");
    const struct findings f = findings_of(record);
    json_t *group;
    size_t i;

    if (json_array_size(list) == 0)
        return;
    buf_puts(out,
             "<section><h2>Subgroups</h2>\n<p>Of the test rows. Not known (–) where fewer than 10 rows of "
             "a group have the finding, or lack it; a finding that is known of no group is left out. In "
             "brackets 95\u00a0% intervals, by patient. Two intervals that do not meet prove nothing among "
             "so many: "
             "shaded is what differs beyond doubt from the other groups.</p>\n");
    sizes_put(out, list);
    differences_put(out, groups);
    json_array_foreach (list, i, group)
        if (i == 0 || !same(group, json_array_get(list, i - 1), "by"))
            grouping_put(out, &(struct subgroups){ &f, groups, text_at(group, "by") });
    buf_puts(out, "</section>\n");
}
