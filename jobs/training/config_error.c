/* jobs/training/config_error.c - says what is wrong with a field of a job, see cxrd/train_config.h. */
#include "config.h"
#include "cxrd/json.h"
#include "cxrd/words.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void config_error(json_t *errors, const char *field, const char *fmt, ...)
{
    char detail[320];
    struct error printable; /* a detail may quote strangers, and an error that JSON refused would be lost */
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    error_set(&printable, ST_INVALID, "%s", detail);
    if (json_array_append_new(
            errors, json_pack("{s:o,s:s}", "field", json_any_text(field), "detail", printable.text)) != 0)
        json_lack();
}

/* The names of a job's fields. */
struct fields {
    const char *(*at)(size_t i);
};

static const char *field_at_place(const void *fields, size_t i)
{
    return ((const struct fields *)fields)->at(i);
}

void config_refuse_field(json_t *errors, const char *(*field_at)(size_t i), const char *name)
{
    const char *meant = word_meant(field_at_place, &(struct fields){ field_at }, name, strlen(name));

    if (meant)
        config_error(errors, name, "is not a field of a job; is '%s' meant?", meant);
    else
        config_error(errors, name, "is not a field of a job");
}
