/* jobs/report/data.c - what the model was shown: counts, label combinations, which findings come together, pictures. */
#include "findings.h"
#include "html.h"
#include "sections.h"

#include <math.h>

enum { LONG_COMBINATION = 6 };

static void counts_put(struct buf *out, const json_t *data)
{
    static const struct {
        const char *name, *member;
    } COUNTS[] = { { "Rows in the table", "rows" },
                   { "Joined to another row of the same picture", "joined_rows" },
                   { "Left out: over the age limit", "dropped_age" },
                   { "Left out: no frontal view", "dropped_views" },
                   { "Left out: of no finding it is known whether it is there", "dropped_unlabelled" },
                   { "Left out: No Finding", "dropped_no_finding" },
                   { "Left out: no picture", "missing_images" },
                   { "Left out: on neither list", "not_listed" },
                   { "Left out: picture equal to one that is tested", "equal_left_out" },
                   { "Usable", "usable" },
                   { "To train", "train" },
                   { "To validate", "validation" },
                   { "To test", "test" },
                   { "Pictures that could not be read", "unreadable_images" },
                   { "Split by", "split_by" },
                   { "Split of the model to start from", "init_split" },
                   { "Patients in more than one split", "patients_in_both" },
                   { "Rows whose picture is equal to another row's", "equal_pictures" },
                   { "Patients who share a picture with another", "equal_patients" },
                   { "No Finding, not tested on: picture equal to one that is learned from",
                     "equal_no_finding" } };

    html_table_begin(out, "Rows of the data set", "What|Rows");
    for (size_t i = 0; i < sizeof COUNTS / sizeof COUNTS[0]; i++)
        if (json_object_get(data, COUNTS[i].member))
            html_field(out, COUNTS[i].name, json_object_get(data, COUNTS[i].member));
    html_table_end(out);
}

/* A row whose name is a combination of findings. A long one may break its line. */
static void row_of_labels(struct buf *out, const struct findings *f, const json_t *labels)
{
    buf_puts(out, json_array_size(labels) > LONG_COMBINATION ? "<tr><th scope=\"row\" class=\"long\">"
                                                             : "<tr><th scope=\"row\">");
    labels_put(out, f, labels);
    buf_puts(out, "</th>");
}

static void combinations_put(struct buf *out, const struct findings *f, const json_t *plots)
{
    json_t *entry;
    size_t i;

    html_chart(out, "combinations",
               "Bars: how many pictures have each of the ten commonest label combinations",
               "The ten commonest label combinations among the rows that have a picture, of all parts of the "
               "split.");
    html_table_begin(out, "The ten commonest label combinations among the rows that have a picture",
                     "Labels|Pictures");
    json_array_foreach (json_object_get(plots, "combinations"), i, entry) {
        row_of_labels(out, f, json_object_get(entry, "labels"));
        html_number(out, json_object_get(entry, "images"), 0);
        buf_puts(out, "</tr>\n");
    }
    buf_puts(out, "<tr><th scope=\"row\">all other combinations</th>");
    html_number(out, json_object_get(plots, "other_images"), 0);
    buf_puts(out, "</tr>\n");
    html_table_end(out);
}

static void matrix_begin(struct buf *out, const struct findings *f, const char *title)
{
    html_box_begin(out, f->n > MANY_FINDINGS ? "matrix large" : "matrix", title);
    buf_puts(out, "<td class=\"corner\">row: finding<br>column: also has</td>");
    for (size_t k = 0; k < f->n; k++) {
        buf_puts(out, "<th scope=\"col\"><span>");
        html_text(out, f->names[k]);
        buf_puts(out, "</span></th>");
    }
    buf_puts(out, "</tr></thead><tbody>\n");
}

static double count_at(const json_t *matrix, size_t i, size_t j)
{
    return json_number_value(json_array_get(json_array_get(matrix, i), j));
}

#define OF_TABLE "rows of the table that age and No Finding leave, with a picture or without"

/* Rows a finding: of the table, and of each part of the split. */
static void label_counts_put(struct buf *out, const struct findings *f, const json_t *data)
{
    static const char *const PARTS[] = { "splits.train.label_counts", "splits.validation.label_counts",
                                         "splits.test.label_counts" };

    html_table_begin(
        out, "Rows a finding. Table: " OF_TABLE ". Training, validation, test: usable rows of each part",
        "Finding|Table|Training|Validation|Test");
    for (size_t k = 0; k < f->n; k++) {
        html_row_begin(out, f->names[k]);
        html_number(out, json_object_get(member_at(data, "label_counts"), f->names[k]), 0);
        for (size_t part = 0; part < sizeof PARTS / sizeof PARTS[0]; part++)
            html_number(out, json_object_get(member_at(data, PARTS[part]), f->names[k]), 0);
        buf_puts(out, "</tr>\n");
    }
    buf_puts(out, "<tr><th scope=\"row\">No Finding</th><td>–</td>");
    html_number(out, member_at(data, "splits.train.no_finding"), 0);
    html_number(out, member_at(data, "splits.validation.no_finding"), 0);
    html_number(out, member_at(data, "splits.test.no_finding"), 0);
    buf_puts(out, "</tr>\n");
    html_table_end(out);
}

/* The words of the table for each finding, where there are more than present and absent. */
static void said_put(struct buf *out, const struct findings *f, const json_t *data)
{
    static const char *const SAID[] = { "positive", "negative", "uncertain", "missing" };
    const json_t *said = json_object_get(data, "said"), *unknown = json_object_get(data, "unknown_labels");
    json_int_t unsure = 0;

    for (size_t k = 0; k < f->n; k++)
        for (size_t i = 2; i < 4; i++)
            unsure += json_integer_value(json_object_get(json_object_get(said, f->names[k]), SAID[i]));
    if (unsure == 0)
        return;
    html_table_begin(out,
                     "What the table says of each finding, in " OF_TABLE
                     "; and the rows of which it is not known then, by the job's uncertain_labels and "
                     "missing_labels: they are of no figure of the finding",
                     "Finding|There|Not there|Uncertain|Nothing|Not known");
    for (size_t k = 0; k < f->n; k++) {
        html_row_begin(out, f->names[k]);
        for (size_t i = 0; i < 4; i++)
            html_number(out, json_object_get(json_object_get(said, f->names[k]), SAID[i]), 0);
        html_number(out, json_object_get(unknown, f->names[k]), 0);
        buf_puts(out, "</tr>\n");
    }
    html_table_end(out);
}

/* The counts themselves. */
static void together_put(struct buf *out, const struct findings *f, const json_t *matrix)
{
    matrix_begin(out, f, "Findings that come together: number of " OF_TABLE);
    for (size_t i = 0; i < f->n; i++) {
        html_row_begin(out, f->names[i]);
        for (size_t j = 0; j < f->n; j++)
            buf_printf(out, "<td>%.0f</td>", count_at(matrix, i, j));
        buf_puts(out, "</tr>\n");
    }
    html_table_end(out);
}

/* The square root of each count, as a shade of ten of the greatest and as a number. */
static void heat_map_put(struct buf *out, const struct findings *f, const json_t *matrix)
{
    double most = 1;

    for (size_t i = 0; i < f->n * f->n; i++)
        most = fmax(most, sqrt(count_at(matrix, i / f->n, i % f->n)));
    matrix_begin(out, f,
                 "Findings that come together: square root of the number of rows (no unit), darker is "
                 "more; of the " OF_TABLE);
    for (size_t i = 0; i < f->n; i++) {
        html_row_begin(out, f->names[i]);
        for (size_t j = 0; j < f->n; j++) {
            const double root = sqrt(count_at(matrix, i, j));

            buf_printf(out, "<td class=\"h%d\">%.*f</td>", (int)fmin(root / most * 10, 9), root < 100, root);
        }
        buf_puts(out, "</tr>\n");
    }
    html_table_end(out);
}

static void logarithms_put(struct buf *out, const struct findings *f, const json_t *matrix)
{
    matrix_begin(out, f,
                 "The same as log10 of the number of rows (no unit); – stands for no rows; of the " OF_TABLE);
    for (size_t i = 0; i < f->n; i++) {
        html_row_begin(out, f->names[i]);
        for (size_t j = 0; j < f->n; j++) {
            const double count = count_at(matrix, i, j);

            if (count > 0)
                buf_printf(out, "<td>%.2f</td>", log10(count));
            else
                buf_puts(out, "<td>–</td>");
        }
        buf_puts(out, "</tr>\n");
    }
    html_table_end(out);
}

const char *smaller_than_seen(const json_t *record)
{
    const json_int_t size = json_integer_value(member_at(record, "config.image_size"));

    _Static_assert(REPORT_PICTURE_SIDE == 256, "as it says");
    return size > REPORT_PICTURE_SIDE ? ", but with 256 pixels a side" : "";
}

static void samples_put(struct buf *out, const json_t *record, const struct findings *f,
                        const json_t *samples)
{
    json_t *sample;
    size_t i;

    buf_printf(out,
               "<h3>Pictures of the training rows, as the network sees them%s</h3>\n"
               "<div class=\"samples\">\n",
               smaller_than_seen(record));
    json_array_foreach (samples, i, sample) {
        buf_puts(out, "<figure><img alt=\"X-ray: ");
        labels_put(out, f, json_object_get(sample, "labels"));
        buf_printf(out, "\" src=\"data:image/png;base64,%s\"><figcaption><b>",
                   json_string_value(json_object_get(sample, "png")));
        labels_put(out, f, json_object_get(sample, "labels"));
        buf_puts(out, "</b><br>");
        html_text(out, json_string_value(json_object_get(sample, "image")));
        buf_puts(out, "</figcaption></figure>\n");
    }
    buf_puts(out, "</div>\n");
}

/* What /predict would warn of. */
static void looks_put(struct buf *out, const json_t *data)
{
    const json_t *looks = json_object_get(data, "input_gate");
    const char *code;
    json_t *n;

    if (json_object_size(looks) == 0)
        return;
    html_table_begin(out, "Training rows whose picture a prediction would be warned of", "Warning|Rows");
    json_object_foreach ((json_t *)looks, code, n)
        html_field(out, code, n);
    html_table_end(out);
}

void section_data(struct buf *out, const json_t *record, const json_t *plots)
{
    const json_t *data = member_at(record, "dataset"), *matrix = member_at(data, "cooccurrence");
    const struct findings f = findings_of(record);

    if (!json_is_object(data))
        return;
    buf_puts(out, "<section><h2>Data</h2>\n");
    flow_put(out, data);
    counts_put(out, data);
    looks_put(out, data);
    if (json_array_size(json_object_get(plots, "combinations")) > 0)
        combinations_put(out, &f, plots);
    if (json_is_object(member_at(data, "splits")))
        label_counts_put(out, &f, data);
    said_put(out, &f, data);
    if (json_array_size(matrix) == f.n) {
        together_put(out, &f, matrix);
        heat_map_put(out, &f, matrix);
        logarithms_put(out, &f, matrix);
    }
    if (json_array_size(json_object_get(plots, "samples")) > 0)
        samples_put(out, record, &f, json_object_get(plots, "samples"));
    buf_puts(out, "</section>\n");
}
