/* jobs/report/heading.c - what a page is of, for whoever finds it in a mail: data set, model, date, how long it took, and how
 * it ended. */
#include "cxrd/clock.h"
#include "cxrd/labels.h"
#include "html.h"
#include "sections.h"

#include <string.h>

enum { SHORT_DIGEST = 12 };

static const char *text_at(const json_t *record, const char *path)
{
    return json_string_value(member_at(record, path));
}

/* When it was over: when it ended, or when this was written. */
static const char *end_of(const json_t *record)
{
    const char *end = text_at(record, "finished_at");

    return end ? end : text_at(record, "written_at");
}

/* A model trained from nothing is of our one architecture; the weights' digest says which weights they are. */
static void model_put(struct buf *out, const json_t *record)
{
    const char *path = is_validation(record) ? "scored.sha256" : "weights_sha256";
    const char *sha256 = text_at(record, path);
    const json_t *epoch = member_at(record, "kept_epoch"), *size = member_at(record, "config.image_size");

    if (!sha256) {
        buf_puts(out, "not made");
        return;
    }
    buf_printf(out, "%.*s", SHORT_DIGEST, sha256);
    if (json_is_integer(size))
        buf_printf(out, ", %lld pixels", (long long)json_integer_value(size));
    if (json_is_integer(epoch))
        buf_printf(out, ", epoch %lld", (long long)json_integer_value(epoch));
}

void title_put(struct buf *out, const json_t *record)
{
    const char *end = end_of(record), *name = text_at(record, "name");

    buf_puts(out, "cxrd: ");
    if (name) {
        html_text(out, name);
        buf_puts(out, ", ");
    }
    html_text(out, text_at(record, "config.dataset"));
    buf_puts(out, ", model ");
    model_put(out, record);
    if (end)
        buf_printf(out, ", %.10s", end);
}

/* "1 h 12 min", "3 min 20 s", "41 s" */
static void duration_put(struct buf *out, double seconds)
{
    const long long s = (long long)(seconds + 0.5);

    if (s >= 3600)
        buf_printf(out, "%lld h %lld min", s / 3600, s % 3600 / 60);
    else if (s >= 60)
        buf_printf(out, "%lld min %lld s", s / 60, s % 60);
    else
        buf_printf(out, "%lld s", s);
}

static double training_seconds(const json_t *epochs)
{
    double sum = 0;
    json_t *epoch;
    size_t i;

    json_array_foreach (epochs, i, epoch)
        sum += json_number_value(json_object_get(epoch, "seconds"));
    return sum;
}

/* "2026-11-29 01:02 UTC to 2026-11-29 02:14 UTC, 1 h 12 min" */
static void time_put(struct buf *out, const json_t *record)
{
    const char *begun = text_at(record, "begun_at"), *end = end_of(record);
    const double trained = training_seconds(member_at(record, "epochs"));
    double from, to;

    if (!clock_parse(begun, &from) || !clock_parse(end, &to))
        return;
    buf_printf(out, "<tr><th scope=\"row\">Time</th><td>%.10s %.5s UTC to %.10s %.5s UTC: ", begun,
               begun + 11, end, end + 11);
    duration_put(out, to > from ? to - from : 0);
    if (trained > 0) {
        buf_puts(out, ", epochs of it ");
        duration_put(out, trained);
    }
    buf_puts(out, "</td></tr>\n");
}

static void state_put(struct buf *out, const json_t *record)
{
    const size_t done = json_array_size(member_at(record, "epochs"));
    const char *state = text_at(record, "state");

    if (!state)
        return;
    buf_puts(out, "<tr><th scope=\"row\">State</th><td>");
    html_text(out, state);
    if (strcmp(state, "cancelled") == 0) {
        buf_printf(out, " after %zu of %lld epochs; the best of them was kept", done,
                   (long long)json_integer_value(member_at(record, "config.epochs")));
        if (!json_is_object(member_at(record, "evaluation")))
            buf_puts(out, " and not evaluated");
    }
    buf_puts(out, "</td></tr>\n");
}

/* Whether the page may be sent on. Only a server has the other one to link to: elsewhere the page's script takes the link
 * away. */
static void form_put(struct buf *out, const json_t *record, enum report_form form)
{
    if (form == REPORT_MAIL) {
        buf_puts(
            out,
            "<p>Copy for mailing: without radiographs, names of their files and rows of the table.</p>\n");
        return;
    }
    buf_puts(out,
             "<p>This page holds radiographs, names of their files and rows of the table: keep it inside.");
    if (text_at(record, "id"))
        buf_puts(out, " <a class=\"served\" href=\"report?copy=mail\">Copy for mailing</a>");
    buf_puts(out, "</p>\n");
}

/* A training of no epochs makes no model. */
static const char *kind_of(const json_t *record)
{
    const json_t *epochs = member_at(record, "config.epochs");

    if (is_validation(record))
        return "Validation";
    return json_is_integer(epochs) && json_integer_value(epochs) == 0 ? "Dry run" : "Training";
}

/* The job as its list has it: what it is called, and its id. */
static void job_put(struct buf *out, const json_t *record)
{
    const char *name = text_at(record, "name"), *id = text_at(record, "id");

    if (!name && !id)
        return;
    buf_puts(out, "<tr><th scope=\"row\">Job</th><td>");
    html_text(out, name ? name : id);
    if (name && id) {
        buf_puts(out, " (");
        html_text(out, id);
        buf_puts(out, ")");
    }
    buf_puts(out, "</td></tr>\n");
}

void heading_put(struct buf *out, const json_t *record, enum report_form form)
{
    buf_printf(out, "<header><h1>%s on ", kind_of(record));
    html_text(out, text_at(record, "config.dataset"));
    buf_puts(out, "</h1>\n<table class=\"fields\"><tbody>\n");
    job_put(out, record);
    buf_puts(out, "<tr><th scope=\"row\">Model</th><td>");
    model_put(out, record);
    buf_puts(out, "</td></tr>\n");
    time_put(out, record);
    state_put(out, record);
    buf_puts(out, "</tbody></table>\n<p>");
    html_text(out, INTENDED_USE);
    buf_puts(out, "</p>\n");
    form_put(out, record, form);
    buf_puts(out, "</header>\n");
}
