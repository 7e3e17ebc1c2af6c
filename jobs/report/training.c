/* jobs/report/training.c - how the training went, how it ended, and what it was made of. */
#include "html.h"
#include "sections.h"

#include <stdio.h>
#include <string.h>

void compared_put(struct buf *out, const char *name, const json_t *ours, const json_t *base)
{
    buf_printf(out, "<tr><th scope=\"row\">%s</th>", name);
    html_number(out, ours, 4);
    html_number(out, base, 4);
    buf_puts(out, "</tr>\n");
}

void warnings_put(struct buf *out, const json_t *warnings)
{
    json_t *warning;
    size_t i;

    json_array_foreach (warnings, i, warning) {
        buf_puts(out, "<p class=\"warning\"><strong>Warning:</strong> ");
        html_text(out, json_string_value(json_object_get(warning, "detail")));
        buf_puts(out, ".</p>\n");
    }
}

/* Three answers, and what they rest on. */
void learning_put(struct buf *out, const json_t *learning)
{
    static const struct {
        const char *answer, *sentence;
    } ANSWERS[] = { { "learned", "It has learned something" },
                    { "not_known", "It cannot be told whether it has learned anything" },
                    { "worse", "It is worse than the base rates" } };
    const char *answer = json_string_value(json_object_get(learning, "answer"));
    const json_t *low = json_object_get(learning, "gain_low");

    for (size_t i = 0; answer && i < sizeof ANSWERS / sizeof ANSWERS[0]; i++)
        if (strcmp(answer, ANSWERS[i].answer) == 0)
            buf_printf(out, "<p><strong>%s</strong>: ", ANSWERS[i].sentence);
    if (!answer)
        return;
    buf_printf(
        out,
        "on the %s split (%lld rows of %lld patients) its loss is lower than that of the base rates by "
        "%.4f",
        json_string_value(json_object_get(learning, "split")),
        (long long)json_integer_value(json_object_get(learning, "rows")),
        (long long)json_integer_value(json_object_get(learning, "patients")),
        json_number_value(json_object_get(learning, "gain")));
    if (json_is_number(low))
        buf_printf(out, " (95 %%, by patient: %.4f to %.4f)", json_number_value(low),
                   json_number_value(json_object_get(learning, "gain_high")));
    buf_puts(out, ".</p>\n");
}

/* The validation rows that epochs are measured on: those that `validation_steps` draws; 0: all of the split's. */
static long long drawn_rows(const json_t *record, long long *ret_all)
{
    const long long drawn = (long long)json_integer_value(member_at(record, "config.validation_steps")) *
                            (long long)json_integer_value(member_at(record, "config.validation_batch_size"));

    *ret_all = (long long)json_integer_value(member_at(record, "dataset.validation"));
    return drawn < *ret_all ? drawn : 0;
}

/* The figures by which an epoch was kept. */
static void kept_put(struct buf *out, const json_t *record, const json_t *loss, const json_t *base)
{
    long long all;
    const long long drawn = drawn_rows(record, &all);

    buf_printf(out, "<p>The kept model (epoch %lld) has a validation loss of %.4f",
               (long long)json_integer_value(member_at(record, "kept_epoch")), json_number_value(loss));
    if (drawn)
        buf_printf(out, ", on the %lld rows that were drawn of the split's %lld", drawn, all);
    buf_printf(out, "; predicting the training rows' base rates for everyone has %.4f.</p>\n",
               json_number_value(base));
}

/* A line of the table of what validation found while it trained. */
static void validated_put(struct buf *out, const json_t *record, const char *name, const json_t *ours,
                          const json_t *base)
{
    long long all;
    const long long drawn = drawn_rows(record, &all);
    char text[80];

    if (drawn)
        snprintf(text, sizeof text, "Validation, %lld drawn rows: %s", drawn, name);
    else
        snprintf(text, sizeof text, "Validation: %s", name);
    compared_put(out, text, ours, base);
}

void section_summary(struct buf *out, const json_t *record)
{
    const json_t *loss = member_at(record, "validation_loss"),
                 *base = member_at(record, "baseline.validation_loss"), *half = json_real(0.5);

    buf_puts(out, "<section><h2>In short</h2>\n");
    warnings_put(out, member_at(record, "warnings"));
    if (!json_is_number(loss)) {
        buf_puts(out, "<p>No model was made: this is what the data are.</p></section>\n");
        json_decref((json_t *)half);
        return;
    }
    kept_put(out, record, loss, base);
    learning_put(out, member_at(record, "evaluation.learning"));
    html_table_begin(out, "The kept model beside the base rates", "Measure|Model|Base rates");
    validated_put(out, record, "loss (binary cross-entropy)", loss, base);
    validated_put(out, record, "top-5 accuracy", member_at(record, "top5_accuracy"),
                  member_at(record, "baseline.top5_accuracy"));
    compared_put(out, "Test: loss (binary cross-entropy)", member_at(record, "evaluation.test.loss"),
                 member_at(record, "evaluation.test.baseline.loss"));
    compared_put(out, "Test: top-5 accuracy", member_at(record, "evaluation.test.top5_accuracy"),
                 member_at(record, "evaluation.test.baseline.top5_accuracy"));
    compared_put(out, "Test: macro AUROC", member_at(record, "evaluation.test.macro_auroc"), half);
    compared_put(out, "Test: macro Brier score", member_at(record, "evaluation.test.macro_brier"),
                 member_at(record, "evaluation.test.baseline.macro_brier"));
    html_table_end(out);
    buf_puts(out, "</section>\n");
    json_decref((json_t *)half);
}

static void epochs_put(struct buf *out, const json_t *epochs)
{
    static const struct {
        const char *member;
        int digits;
    } COLUMNS[] = { { "epoch", 0 },
                    { "loss", 4 },
                    { "val_loss", 4 },
                    { "top5_accuracy", 4 },
                    { "val_top5_accuracy", 4 },
                    { "val_macro_auroc", 4 },
                    { "images_per_s", 1 },
                    { "seconds", 1 } };
    json_t *epoch;
    size_t i;

    html_table_begin(out, "Epochs",
                     "Epoch|Loss, training|Loss, validation|Top-5, training|Top-5, validation|"
                     "Macro AUROC, validation|Images/s|Seconds");
    json_array_foreach (epochs, i, epoch) {
        buf_puts(out, "<tr>");
        for (size_t c = 0; c < sizeof COLUMNS / sizeof COLUMNS[0]; c++)
            html_number(out, json_object_get(epoch, COLUMNS[c].member), COLUMNS[c].digits);
        buf_puts(out, "</tr>\n");
    }
    html_table_end(out);
}

/* Where the head comes from, of a job that transfers. */
static void transfer_put(struct buf *out, const json_t *transfer)
{
    json_t *tried;
    size_t i;

    if (!json_is_object(transfer))
        return;
    buf_puts(out, "<h3>Transfer</h3>\n<p>Epoch 1 is a regression on ");
    html_text(out, json_string_value(json_object_get(transfer, "layer")));
    buf_printf(out,
               ": %lld features of each of %lld pictures, with %lld more views of each; L2 penalty %g.</p>\n",
               (long long)json_integer_value(json_object_get(transfer, "features")),
               (long long)json_integer_value(json_object_get(transfer, "rows")),
               (long long)json_integer_value(json_object_get(transfer, "views")),
               json_number_value(json_object_get(transfer, "l2")));
    html_table_begin(out, "Penalties, by cross-validation on the training rows", "L2|Loss");
    json_array_foreach (json_object_get(transfer, "tried"), i, tried) {
        buf_puts(out, "<tr>");
        html_number(out, json_object_get(tried, "l2"), 3);
        html_number(out, json_object_get(tried, "loss"), 4);
        buf_puts(out, "</tr>\n");
    }
    html_table_end(out);
}

void section_training(struct buf *out, const json_t *record)
{
    const json_t *epochs = member_at(record, "epochs");

    if (json_array_size(epochs) == 0)
        return;
    buf_puts(out, "<section><h2>Training</h2>\n<div class=\"pair\">\n");
    html_chart(out, "loss", "Lines: loss by epoch, training and validation, and the base rates' loss",
               "Loss by epoch. Above the base-rate line nothing is learned. Training values are means while "
               "the weights move.");
    html_chart(out, "top5",
               "Lines: top-5 accuracy by epoch, training and validation, and the base rates' accuracy",
               "Top-5 accuracy by epoch, beside that of the base rates.");
    html_chart(out, "auroc", "Lines: AUROC of each finding on validation by epoch",
               "AUROC of each finding on validation by epoch.");
    html_chart(out, "rate", "Line: learning rate by epoch", "Learning rate of each epoch's last step.");
    buf_puts(out, "</div>\n");
    epochs_put(out, epochs);
    transfer_put(out, member_at(record, "transfer"));
    buf_puts(out, "</section>\n");
}

static void fields_put(struct buf *out, const char *title, const char *head, const json_t *object)
{
    const char *name;
    json_t *value;

    if (json_object_size(object) == 0)
        return;
    html_fields_begin(out, title, head);
    json_object_foreach ((json_t *)object, name, value)
        html_field(out, name, value);
    html_table_end(out);
}

void section_origin(struct buf *out, const json_t *record)
{
    static const struct {
        const char *name, *path;
    } LINES[] = { { "Job", "id" },
                  { "Created at", "created_at" },
                  { "Report written at", "written_at" },
                  { "Table (SHA-256)", "dataset.csv_sha256" },
                  { "Split (SHA-256)", "dataset.split_sha256" },
                  { "Weights (SHA-256)", "weights_sha256" },
                  { "Scored model", "scored.model" },
                  { "Scored model's file (SHA-256)", "scored.sha256" },
                  { "Scores (SHA-256)", "scored.scores_sha256" } };

    buf_puts(out, "<section><h2>Where it comes from</h2>\n");
    html_fields_begin(out, "Names and digests", "What|Value");
    for (size_t i = 0; i < sizeof LINES / sizeof LINES[0]; i++)
        if (member_at(record, LINES[i].path))
            html_field(out, LINES[i].name, member_at(record, LINES[i].path));
    html_table_end(out);
    fields_put(out, "Configuration", "Field|Value", member_at(record, "config"));
    fields_put(out, "Calibration", "Field|Value", member_at(record, "calibration"));
    fields_put(out, "Environment", "What|Value", member_at(record, "environment"));
    buf_puts(out, "</section>\n");
}
