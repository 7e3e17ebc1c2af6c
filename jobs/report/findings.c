/* jobs/report/findings.c - see findings.h. */
#include "findings.h"

#include "html.h"

#include <string.h>

static bool has(const struct findings *f, const char *name)
{
    for (size_t k = 0; k < f->n; k++)
        if (f->names[k] && strcmp(f->names[k], name) == 0)
            return true;
    return false;
}

static bool has_all_of_nih(const struct findings *f)
{
    for (size_t k = 0; k < NIH_LABELS.n; k++)
        if (!has(f, NIH_LABELS.names[k]))
            return false;
    return true;
}

struct findings findings_of(const json_t *record)
{
    const json_t *labels = member_at(record, "config.labels");
    struct findings f = { .n = labels ? json_array_size(labels) : NIH_LABELS.n };

    if (f.n > MAX_LABELS)
        f.n = MAX_LABELS;
    for (size_t k = 0; k < f.n; k++)
        f.names[k] = labels ? json_string_value(json_array_get(labels, k)) : NIH_LABELS.names[k];
    f.none = has_all_of_nih(&f) ? "No Finding" : "None of these findings";
    return f;
}

void labels_put(struct buf *out, const struct findings *f, const json_t *labels)
{
    for (size_t i = 0; i < json_array_size(labels); i++) {
        buf_puts(out, i ? " + " : "");
        html_text(out, json_string_value(json_array_get(labels, i)));
    }
    if (json_array_size(labels) == 0)
        buf_puts(out, f->none);
}

const json_t *finding_at(const json_t *split, size_t k)
{
    return json_array_get(json_object_get(split, "findings"), k);
}

void finding_chart_begin(struct buf *out, const char *id, size_t k, const char *name, const char *before,
                         const char *after)
{
    buf_printf(out,
               "<figure class=\"chart\"><div class=\"canvas\"><canvas id=\"%s-%zu\" role=\"img\" "
               "aria-label=\"%s",
               id, k, before);
    html_text(out, name);
    buf_printf(out, "%s\"></canvas></div><figcaption>", after);
    html_text(out, name);
}

void finding_chart_end(struct buf *out) { buf_puts(out, "</figcaption></figure>\n"); }
