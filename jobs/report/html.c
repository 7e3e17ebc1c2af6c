/* jobs/report/html.c - see html.h. */
#include "html.h"

#include "cxrd/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *entity_of(char c)
{
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    default: return NULL;
    }
}

void html_text(struct buf *out, const char *text)
{
    for (text = text ? text : "–"; *text; text++) {
        const char *entity = entity_of(*text);

        if (entity)
            buf_puts(out, entity);
        else
            buf_put(out, text, 1);
    }
}

static void number_put(struct buf *out, const json_t *value, int digits)
{
    if (json_is_integer(value))
        buf_printf(out, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        buf_printf(out, "%.*f", digits, json_real_value(value));
    else
        buf_puts(out, "–");
}

void html_number(struct buf *out, const json_t *value, int digits)
{
    buf_puts(out, "<td>");
    number_put(out, value, digits);
    buf_puts(out, "</td>");
}

/* The inside of the cell. */
static void ranged_put(struct buf *out, const json_t *object, const char *name)
{
    char low[64], high[64];
    const json_t *from, *to;

    snprintf(low, sizeof low, "%s_low", name);
    snprintf(high, sizeof high, "%s_high", name);
    from = json_object_get(object, low);
    to = json_object_get(object, high);
    number_put(out, json_object_get(object, name), 3);
    if (json_is_number(from) && json_is_number(to))
        buf_printf(out, json_number_value(from) < 0 ? " (%.2f to %.2f)" : " (%.2f–%.2f)",
                   json_number_value(from), json_number_value(to));
    buf_puts(out, "</td>");
}

void html_ranged(struct buf *out, const json_t *object, const char *name)
{
    buf_puts(out, "<td>");
    ranged_put(out, object, name);
}

void html_marked(struct buf *out, const json_t *object, const char *name, const char *kind)
{
    buf_printf(out, "<td class=\"%s\">", kind);
    ranged_put(out, object, name);
}

void html_row_begin(struct buf *out, const char *name)
{
    buf_puts(out, "<tr><th scope=\"row\">");
    html_text(out, name);
    buf_puts(out, "</th>");
}

void html_field(struct buf *out, const char *name, const json_t *value)
{
    html_row_begin(out, name);
    buf_puts(out, "<td>");
    if (json_is_string(value)) {
        html_text(out, json_string_value(value));
    } else if (value && !json_is_null(value)) {
        char *text = json_text(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));

        if (text)
            html_text(out, text);
        else
            out->failed = ST_NOMEM;
        free(text);
    } else {
        buf_puts(out, "–");
    }
    buf_puts(out, "</td></tr>\n");
}

/* The box is a stop of the tab key: without one, keys alone cannot scroll it. */
void html_box_begin(struct buf *out, const char *kind, const char *title)
{
    buf_puts(out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"");
    html_text(out, title);
    buf_printf(out, "\"><table class=\"%s\"><caption>", kind);
    html_text(out, title);
    buf_puts(out, "</caption><thead><tr>");
}

static void table_begin(struct buf *out, const char *kind, const char *title, const char *head)
{
    html_box_begin(out, kind, title);
    for (const char *end; *head; head = *end ? end + 1 : end) {
        end = head + strcspn(head, "|");
        buf_printf(out, "<th scope=\"col\">%.*s</th>", (int)(end - head), head);
    }
    buf_puts(out, "</tr></thead><tbody>\n");
}

void html_table_begin(struct buf *out, const char *title, const char *head)
{
    table_begin(out, "numbers", title, head);
}

void html_fields_begin(struct buf *out, const char *title, const char *head)
{
    table_begin(out, "fields", title, head);
}

void html_table_end(struct buf *out) { buf_puts(out, "</tbody></table></div>\n"); }

void html_chart(struct buf *out, const char *id, const char *about, const char *caption)
{
    buf_printf(out,
               "<figure class=\"chart\"><div class=\"canvas\"><canvas id=\"%s\" role=\"img\" "
               "aria-label=\"%s\"></canvas></div><figcaption>%s</figcaption></figure>\n",
               id, about, caption);
}

void html_json(struct buf *out, const json_t *value)
{
    char *text = json_text(value, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6));

    if (!text)
        out->failed = ST_NOMEM;
    for (const char *c = text; c && *c; c++) {
        if (*c == '<' || *c == '>' || *c == '&')
            buf_printf(out, "\\u%04x", (unsigned)*c);
        else
            buf_put(out, c, 1);
    }
    free(text);
}

const json_t *member_at(const json_t *record, const char *path)
{
    while (record && *path) {
        const size_t n = strcspn(path, ".");
        char key[64];

        if (n >= sizeof key)
            return NULL;
        memcpy(key, path, n);
        key[n] = '\0';
        record = json_object_get(record, key);
        path += path[n] ? n + 1 : n;
    }
    return record;
}
