/* jobs/report/mail.c - what a page may hold that is sent on: figures of many, and nothing of one. See mail.h. */
#include "mail.h"

#include <string.h>

/* A picture, with the name of its file. */
static const char *const PICTURES[] = { "samples", "worst" };

/* `text` with every `what` that stands between quotes as an ellipsis. */
static json_t *without(const char *text, const char *what)
{
    struct buf out = BUF_INIT(REPORT_MAX_BYTES), quoted = BUF_INIT(REPORT_MAX_BYTES);
    json_t *masked = NULL;

    buf_printf(&quoted, "'%s'", what);
    for (const char *at; quoted.data && (at = strstr(text, quoted.data)) != NULL; text = at + quoted.len) {
        buf_put(&out, text, (size_t)(at - text));
        buf_puts(&out, "'…'");
    }
    buf_puts(&out, text);
    if (buf_status(&quoted) == ST_OK && buf_status(&out) == ST_OK)
        masked = json_string(out.data);
    buf_release(&quoted);
    buf_release(&out);
    return masked;
}

/* A warning's sentence without what it quotes of the data. False: there is no memory. */
static bool warning_mask(json_t *warning)
{
    const json_t *quotes = json_object_get(warning, "quotes");
    bool done = true;
    json_t *quote;
    size_t i;

    json_array_foreach (quotes, i, quote)
        done = done && json_object_set_new(warning, "detail",
                                           without(json_string_value(json_object_get(warning, "detail")),
                                                   json_string_value(quote))) == 0;
    json_object_del(warning, "quotes");
    return done;
}

json_t *record_for_mail(const json_t *record)
{
    json_t *copy = json_deep_copy(record), *table, *warning;
    bool done = copy != NULL;
    size_t i;

    table = json_object_get(json_object_get(copy, "dataset"), "table");
    json_object_del(table, "first");
    json_object_del(json_object_get(table, "old"), "oldest");
    json_object_del(json_object_get(copy, "scored"), "unusable");
    json_object_del(copy, "error"); /* may name the file that a training stopped at */
    json_array_foreach (json_object_get(copy, "warnings"), i, warning)
        done = warning_mask(warning) && done;
    if (done)
        return copy;
    json_decref(copy);
    return NULL;
}

json_t *plots_without_pictures(const json_t *plots)
{
    json_t *copy = plots ? json_copy((json_t *)plots) : json_object();

    for (size_t i = 0; i < sizeof PICTURES / sizeof PICTURES[0]; i++)
        json_object_del(copy, PICTURES[i]);
    return copy;
}
