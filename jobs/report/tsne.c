/* jobs/report/tsne.c - a map of test rows by what the network sees in them, once for each finding: findings that come together
 * cannot each be a colour. */
#include "findings.h"
#include "html.h"
#include "sections.h"

static double percent(const json_t *object, const char *name)
{
    return 100 * json_number_value(json_object_get(object, name));
}

/* "Effusion, 41 rows: 24 % (18–31 %) of the nearest have it, 11 % by chance" */
static void finding_put(struct buf *out, size_t k, const json_t *finding)
{
    const json_int_t rows = json_integer_value(json_object_get(finding, "rows"));

    finding_chart_begin(out, "tsne", k, json_string_value(json_object_get(finding, "label")),
                        "Map of test rows, those with ", " marked");
    buf_printf(out, ", %lld row%s", (long long)rows, rows == 1 ? "" : "s");
    if (json_is_number(json_object_get(finding, "near")))
        buf_printf(out, ": %.0f\u00a0%%", percent(finding, "near"));
    if (json_is_number(json_object_get(finding, "near_low")))
        buf_printf(out, " (%.0f–%.0f\u00a0%%)", percent(finding, "near_low"), percent(finding, "near_high"));
    if (json_is_number(json_object_get(finding, "near")))
        buf_printf(out, " of the nearest, %.0f\u00a0%% by chance", percent(finding, "by_chance"));
    finding_chart_end(out);
}

static void map_put(struct buf *out, const json_t *tsne)
{
    json_t *finding;
    size_t k;

    buf_printf(
        out,
        "<p>Each point is the picture of one of %lld of the %lld test rows, where t-SNE puts what the last "
        "layer "
        "reads of it (its first %lld principal components, which hold %.0f %% of the variance; perplexity "
        "%.3g, "
        "divergence %.2f). Points near one another look alike to the network; dark ones have the finding. "
        "Directions, distances between "
        "groups and their sizes mean nothing.</p>\n",
        (long long)json_integer_value(json_object_get(tsne, "rows")),
        (long long)json_integer_value(json_object_get(tsne, "of")),
        (long long)json_integer_value(json_object_get(tsne, "components")), percent(tsne, "share"),
        json_number_value(json_object_get(tsne, "perplexity")),
        json_number_value(json_object_get(tsne, "divergence")));
    buf_puts(
        out,
        "<p>Groups can be of chance, of a scanner or of one patient. So below each map: how many of the ten "
        "nearest pictures of other patients (by the principal components) have the finding, with its "
        "95 % interval by patient, and how many would by chance.</p>\n"
        "<div class=\"small maps\">\n");
    json_array_foreach (json_object_get(tsne, "neighbours"), k, finding)
        if (json_integer_value(json_object_get(finding, "rows")) > 0)
            finding_put(out, k, finding);
    buf_puts(out, "</div>\n");
}

void section_tsne(struct buf *out, const json_t *plots)
{
    const json_t *tsne = member_at(plots, "tsne");

    if (!json_is_object(tsne))
        return;
    buf_puts(out, "<section><h2>Map of the test split (t-SNE)</h2>\n");
    if (json_object_get(tsne, "points"))
        map_put(out, tsne);
    else
        buf_printf(
            out,
            "<p>There is no map: it takes ten test rows at least whose features differ, and there are %lld "
            "rows.</p>\n",
            (long long)json_integer_value(json_object_get(tsne, "rows")));
    buf_puts(out, "</section>\n");
}
