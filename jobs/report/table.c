/* jobs/report/table.c - the table as one who opens it sees it: first rows, describe(), info(), and ages that cannot be. */
#include "html.h"
#include "sections.h"

static void head_cell(struct buf *out, const char *text)
{
    buf_puts(out, "<th scope=\"col\">");
    html_text(out, text);
    buf_puts(out, "</th>");
}

static void text_cell(struct buf *out, const json_t *text)
{
    buf_puts(out, "<td>");
    html_text(out, json_string_value(text));
    buf_puts(out, "</td>");
}

static void first_put(struct buf *out, const json_t *first)
{
    const json_t *rows = json_object_get(first, "rows");
    json_t *row, *cell;
    size_t i, j;

    if (json_array_size(rows) == 0)
        return;
    html_box_begin(out, "texts",
                   "First rows; patients are numbered here, columns that are not "
                   "ChestX-ray14's are not shown");
    json_array_foreach (json_object_get(first, "columns"), i, cell)
        head_cell(out, json_string_value(cell));
    buf_puts(out, "</tr></thead><tbody>\n");
    json_array_foreach (rows, i, row) {
        buf_puts(out, "<tr>");
        json_array_foreach (row, j, cell)
            text_cell(out, cell);
        buf_puts(out, "</tr>\n");
    }
    html_table_end(out);
}

static void name_cell(struct buf *out, const json_t *row)
{
    buf_puts(out, "<tr><th scope=\"row\">");
    html_text(out, json_string_value(json_object_get(row, "column")));
    buf_puts(out, "</th>");
}

static void describe_put(struct buf *out, const json_t *described)
{
    static const char *const FIGURES[] = { "count", "mean", "std", "min", "p25", "p50", "p75", "max" };
    json_t *row = NULL;
    size_t i;

    if (json_array_size(described) == 0)
        return;
    html_table_begin(out, "Columns of numbers, as describe() of pandas has them",
                     "Column|Count|Mean|Standard deviation|Least|25 %|50 %|75 %|Greatest");
    json_array_foreach (described, i, row) {
        name_cell(out, row);
        for (size_t f = 0; f < sizeof FIGURES / sizeof FIGURES[0]; f++)
            html_number(out, json_object_get(row, FIGURES[f]), 3);
        buf_puts(out, "</tr>\n");
    }
    html_table_end(out);
}

static void info_put(struct buf *out, const json_t *table)
{
    const json_t *info = json_object_get(table, "info");
    const long long columns = json_integer_value(json_object_get(table, "columns"));
    json_t *row = NULL;
    size_t i;

    html_table_begin(out, "Columns, as info() of pandas has them", "Column|Non-null|Type");
    json_array_foreach (info, i, row) {
        name_cell(out, row);
        html_number(out, json_object_get(row, "non_null"), 0);
        text_cell(out, json_object_get(row, "type"));
        buf_puts(out, "</tr>\n");
    }
    html_table_end(out);
    if ((long long)json_array_size(info) < columns)
        buf_printf(out, "<p>The table has %lld columns; these are the first.</p>\n", columns);
}

static void oldest_put(struct buf *out, const json_t *oldest)
{
    json_t *row = NULL;
    size_t i;

    if (json_array_size(oldest) == 0)
        return;
    html_fields_begin(out, "Ages above the limit, the greatest first", "Age|Picture");
    json_array_foreach (oldest, i, row) {
        buf_puts(out, "<tr>");
        html_number(out, json_object_get(row, "age"), 0);
        text_cell(out, json_object_get(row, "image"));
        buf_puts(out, "</tr>\n");
    }
    html_table_end(out);
}

static void old_put(struct buf *out, const json_t *old)
{
    const long long rows = json_integer_value(json_object_get(old, "rows"));

    if (rows == 0)
        return;
    oldest_put(out, json_object_get(old, "oldest"));
    buf_printf(out, "<p>%lld rows have an age above %.0f.</p>\n", rows,
               json_number_value(json_object_get(old, "limit")));
}

void section_table(struct buf *out, const json_t *record)
{
    const json_t *table = member_at(record, "dataset.table");

    if (!json_is_object(table))
        return;
    buf_printf(out, "<section><h2>Table</h2>\n<p>%lld rows, %lld columns.</p>\n",
               (long long)json_integer_value(json_object_get(table, "rows")),
               (long long)json_integer_value(json_object_get(table, "columns")));
    first_put(out, json_object_get(table, "first"));
    describe_put(out, json_object_get(table, "describe"));
    old_put(out, json_object_get(table, "old"));
    info_put(out, table);
    buf_puts(out, "</section>\n");
}
