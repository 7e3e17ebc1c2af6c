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

/* The field that was meant, as far as one is near enough: a third of the name may be wrong. NULL: each is too far away. */
static const char *field_meant(const char *(*field_at)(size_t i), const char *name)
{
    const size_t n = strlen(name);
    const char *meant = NULL, *field;

    for (size_t i = 0, best = n / 3 + 1; n <= WORD_COMPARED && (field = field_at(i)) != NULL; i++) {
        const size_t m = strlen(field), apart = m > WORD_COMPARED ? m : word_distance(name, n, field, m);

        if (apart < best) {
            best = apart;
            meant = field;
        }
    }
    return meant;
}

void config_refuse_field(json_t *errors, const char *(*field_at)(size_t i), const char *name)
{
    const char *meant = field_meant(field_at, name);

    if (meant)
        config_error(errors, name, "is not a field of a job; is '%s' meant?", meant);
    else
        config_error(errors, name, "is not a field of a job");
}
