/* jobs/report/flow.c - from the table to the parts of the split: rows and patients at each step, and why the others are left out
 * (as in STARD's diagram, Bossuyt et al., BMJ 2015). */
#include "html.h"
#include "sections.h"

#include <stdbool.h>
#include <string.h>

static const json_t *step_of(const json_t *flow, const char *step)
{
    json_t *entry;
    size_t i;

    json_array_foreach (flow, i, entry) {
        const char *name = json_string_value(json_object_get(entry, "step"));

        if (name && strcmp(name, step) == 0)
            return entry;
    }
    return NULL;
}

static long long count_at(const json_t *flow, const char *step, const char *member)
{
    return (long long)json_integer_value(json_object_get(step_of(flow, step), member));
}

static void box_put(struct buf *out, const json_t *flow, const char *title, const char *step)
{
    buf_printf(out, "<div class=\"box\"><b>%s</b><br>%lld rows<br>%lld patients</div>\n", title,
               count_at(flow, step, "rows"), count_at(flow, step, "patients"));
}

/* The loss between two steps; patients are those of whom no row is left. */
static void left_out_put(struct buf *out, const json_t *flow, const char *why, const char *from,
                         const char *to)
{
    const long long rows = count_at(flow, from, "rows") - count_at(flow, to, "rows"),
                    patients = count_at(flow, from, "patients") - count_at(flow, to, "patients");

    if (rows > 0)
        buf_printf(out, "<div class=\"out\">%s: %lld rows, all rows of %lld patients</div>\n", why, rows,
                   patients);
}

static bool drops_more(const json_t *data)
{
    return json_integer_value(json_object_get(data, "dropped_views")) > 0 ||
           json_integer_value(json_object_get(data, "dropped_unlabelled")) > 0;
}

void flow_put(struct buf *out, const json_t *data)
{
    const json_t *flow = json_object_get(data, "flow");

    if (json_array_size(flow) == 0)
        return;
    buf_puts(out, "<h3>From the table to the split</h3>\n<div class=\"flow\">\n");
    box_put(out, flow, "In the table", "table");
    left_out_put(out, flow, "Over the age limit", "table", "age");
    left_out_put(out, flow,
                 drops_more(data) ? "No Finding, no frontal view, or no finding that is known" : "No Finding",
                 "age", "findings");
    left_out_put(out, flow, "No picture", "findings", "pictures");
    left_out_put(out, flow, "On neither list, or equal to a picture that is tested", "pictures", "used");
    box_put(out, flow, "Used", "used");
    buf_puts(out, "<div class=\"parts\">\n");
    box_put(out, flow, "To train", "train");
    box_put(out, flow, "To validate", "validation");
    box_put(out, flow, "To test", "test");
    if (count_at(flow, "normal", "rows") > 0)
        box_put(out, flow, "No Finding, to test", "normal");
    buf_puts(out, "</div></div>\n");
}
