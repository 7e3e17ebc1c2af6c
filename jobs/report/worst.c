/* jobs/report/worst.c - the pictures that the model is most wrong about. */
#include "cxrd/heatmap.h"
#include "cxrd/report.h"
#include "findings.h"
#include "html.h"
#include "sections.h"

#include <stdio.h>
#include <string.h>

/* Rows of a map, parted by ';', for the page's script. */
static void map_put(struct buf *out, const json_t *map)
{
    json_t *row, *cell;
    size_t i, j;

    json_array_foreach (map, i, row) {
        buf_puts(out, i ? ";" : "");
        json_array_foreach (row, j, cell)
            buf_printf(out, "%s%.3g", j ? "," : "", json_number_value(cell));
    }
}

/* How a map of these many cells is coloured, as an attribute for heat.js. */
static void scale_put(struct buf *out, const struct heatmap_scale *s)
{
    buf_printf(out,
               " data-scale='{\"full\":%.9g,\"opacity\":%.9g,\"raises\":[%d,%d,%d],\"lowers\":[%d,%d,%d]}'",
               s->full, s->opacity, s->raises[0], s->raises[1], s->raises[2], s->lowers[0], s->lowers[1],
               s->lowers[2]);
}

static struct heatmap_scale scale_of(const json_t *entry)
{
    const json_t *map = json_object_get(entry, "map");
    const size_t rows = json_array_size(map), columns = json_array_size(json_array_get(map, 0));

    return heatmap_scale_of(rows ? rows : 1, columns ? columns : 1);
}

/* The meaning of the maps' colours. */
static void legend_put(struct buf *out, const json_t *entry)
{
    const struct heatmap_scale s = scale_of(entry);

    buf_puts(out,
             "<div class=\"scale-bar chart\"><canvas class=\"scale\" width=\"256\" height=\"1\" role=\"img\" "
             "aria-label=\"Colours of the maps\"");
    scale_put(out, &s);
    buf_printf(out,
               "></canvas><p><span>%.2g</span><span>0</span><span>+%.2g logits a cell, and "
               "beyond</span></p></div>\n",
               -s.full, s.full);
}

static void entry_put(struct buf *out, const struct findings *f, const json_t *entry)
{
    const struct heatmap_scale scale = scale_of(entry);

    buf_puts(out, "<figure><div class=\"xray\"><img alt=\"X-ray: ");
    labels_put(out, f, json_object_get(entry, "labels"));
    buf_printf(
        out,
        "\" src=\"data:image/png;base64,%s\"><canvas class=\"map\" width=\"16\" height=\"16\" data-map=\"",
        json_string_value(json_object_get(entry, "png")));
    map_put(out, json_object_get(entry, "map"));
    buf_puts(out, "\"");
    scale_put(out, &scale);
    buf_puts(out, "></canvas></div><figcaption><b>");
    html_text(out, json_string_value(json_object_get(entry, "label")));
    buf_printf(out, ": %.3f</b>, but has ", json_number_value(json_object_get(entry, "probability")));
    if (json_is_true(json_object_get(entry, "positive")))
        buf_puts(out, "it");
    else
        labels_put(out, f, json_object_get(entry, "labels"));
    buf_puts(out, "<br>");
    html_text(out, json_string_value(json_object_get(entry, "image")));
    buf_puts(out, "</figcaption></figure>\n");
}

void section_worst(struct buf *out, const json_t *record, const json_t *plots)
{
    const json_t *worst = json_object_get(plots, "worst");
    const char *method = json_string_value(json_object_get(json_array_get(worst, 0), "map_method"));
    const struct findings f = findings_of(record);
    char most_common[64] = "";
    json_t *entry;
    size_t i;

    if (json_array_size(worst) == 0)
        return;
    if (f.n > REPORT_WORST_FINDINGS)
        snprintf(most_common, sizeof most_common, ", of the %d that the most rows have",
                 REPORT_WORST_FINDINGS);
    buf_printf(
        out,
        "<section><h2>Worst errors</h2>\n<p>Of each finding on the test split%s: the row without it that has "
        "the "
        "highest probability, and the row with it that has the lowest, as the network sees them%s. Labels "
        "are words of reports: look first whether the model is wrong.<span class=\"chart\"> Red speaks for "
        "the finding, blue against it, by one scale for all of them",
        most_common, smaller_than_seen(record));
    if (method && strcmp(method, "occlusion") == 0)
        buf_puts(out, ": by occlusion, how much the logit falls when a part of the picture is covered by its "
                      "mean grey");
    buf_puts(out, ".</span></p>\n");
    legend_put(out, json_array_get(worst, 0));
    buf_puts(out, "<div class=\"worst\">\n");
    json_array_foreach (worst, i, entry)
        entry_put(out, &f, entry);
    buf_puts(out, "</div>\n</section>\n");
}
