/* jobs/report/downloads.c - what a reader may want to compute with. A page that was mailed stands alone, so the record and its
 * figures are inside of it. Scores row by row are not: a person who mails a page of figures does not expect to send a list of
 * all patients' films. They stay with the server, which the page links to where it is served. */
#include "cxrd/encoding.h"
#include "cxrd/json.h"
#include "cxrd/trainer.h"
#include "html.h"
#include "sections.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_FILE = 4 << 20 }; /* one that is larger is not inside; a record has bounds and is far from it */

static void file_put(struct buf *out, const char *name, const char *type, const char *text, size_t n)
{
    if (!text || n > MAX_FILE)
        return;
    buf_printf(out, "<li><a download=\"%s\" href=\"data:%s;base64,", name, type);
    base64_put(out, text, n);
    buf_printf(out, "\">%s</a></li>\n", name);
}

static void record_put(struct buf *out, const json_t *record)
{
    char *text = json_text(record, JSON_INDENT(2) | JSON_REAL_PRECISION(9));

    if (!text)
        out->failed = ST_NOMEM;
    file_put(out, "record.json", "application/json", text, text ? strlen(text) : 0);
    free(text);
}

static void cell_put(struct buf *csv, const json_t *value)
{
    if (json_is_integer(value))
        buf_printf(csv, "%lld", (long long)json_integer_value(value));
    else if (json_is_number(value))
        buf_printf(csv, "%.9g", json_number_value(value));
}

static bool is_column(const json_t *value) { return json_is_number(value) || json_is_null(value); }

/* "split,label,positives,…" or, without `split`, "epoch,loss,…": the numbers of the first row are the columns. */
static void head_put(struct buf *csv, const json_t *rows, bool split)
{
    const char *name, *comma = "";
    json_t *value;

    if (split) {
        buf_puts(csv, "split,label");
        comma = ",";
    }
    json_object_foreach (json_array_get(rows, 0), name, value)
        if (is_column(value)) {
            buf_printf(csv, "%s%s", comma, name);
            comma = ",";
        }
    buf_puts(csv, "\n");
}

static void rows_put(struct buf *csv, const json_t *rows, const char *split)
{
    json_t *row, *value;
    const char *name;
    size_t i;

    json_array_foreach (rows, i, row) {
        const char *label = json_string_value(json_object_get(row, "label")), *comma = "";

        if (split) {
            buf_printf(csv, "%s,%s", split, label ? label : "");
            comma = ",";
        }
        json_object_foreach (json_array_get(rows, 0), name, value)
            if (is_column(value)) {
                buf_puts(csv, comma);
                cell_put(csv, json_object_get(row, name));
                comma = ",";
            }
        buf_puts(csv, "\n");
    }
}

static void csv_put(struct buf *out, const char *name, struct buf *csv)
{
    if (csv->failed != ST_OK)
        out->failed = csv->failed;
    else if (csv->len > 0)
        file_put(out, name, "text/csv", csv->data, csv->len);
    buf_release(csv);
}

static void epochs_put(struct buf *out, const json_t *epochs)
{
    struct buf csv = BUF_INIT(MAX_FILE);

    if (json_array_size(epochs) > 0) {
        head_put(&csv, epochs, false);
        rows_put(&csv, epochs, NULL);
    }
    csv_put(out, "epochs.csv", &csv);
}

static void findings_put(struct buf *out, const json_t *record)
{
    const json_t *validation = member_at(record, "evaluation.validation.findings"),
                 *test = member_at(record, "evaluation.test.findings");
    struct buf csv = BUF_INIT(MAX_FILE);

    if (json_array_size(test) > 0) {
        head_put(&csv, test, true);
        rows_put(&csv, validation, "validation");
        rows_put(&csv, test, "test");
    }
    csv_put(out, "findings.csv", &csv);
}

/* Where a server answers with this page its parts are beside it. Anywhere else the links would lead nowhere: the page's script
 * takes the line away. */
static void served_put(struct buf *out, const json_t *record)
{
    const char *id = json_string_value(member_at(record, "id"));

    if (!id)
        return;
    buf_puts(out, "<p class=\"served\">On the server that wrote this page: <a href=\"../");
    html_text(out, id);
    buf_puts(out, "\">the job as it is now</a>");
    for (int set = is_validation(record) ? SCORED_TEST : 0;
         set < N_SCORED && json_is_object(member_at(record, "evaluation")); set++)
        buf_printf(out, ", <a href=\"scores?split=%s\">scores.%s.csv</a>", SCORED_NAMES[set],
                   SCORED_NAMES[set]);
    if (json_is_object(member_at(record, "evaluation")))
        buf_puts(out, ", <a href=\"scores?split=all\">scores.csv</a> of all rows, with age, sex and view");
    buf_puts(out, ".</p>\n");
}

void section_downloads(struct buf *out, const json_t *record)
{
    buf_puts(out, "<section><h2>Downloads</h2>\n<p>These files are inside this page: the record, and its "
                  "tables for a spreadsheet. Scores row by row list every picture, and are not.</p>\n<ul>\n");
    record_put(out, record);
    epochs_put(out, member_at(record, "epochs"));
    findings_put(out, record);
    buf_puts(out, "</ul>\n");
    served_put(out, record);
    buf_puts(out, "</section>\n");
}
