/* model/core/status.c - status codes and error sentences, see cxrd/status.h. */
#include "cxrd/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *status_name(enum status st)
{
    switch (st) {
#define X(name, text) \
    case ST_##name: return "ST_" #name;
        STATUS_MAP(X)
#undef X
    }
    return "ST_?";
}

const char *status_text(enum status st)
{
    switch (st) {
#define X(name, text) \
    case ST_##name: return text;
        STATUS_MAP(X)
#undef X
    }
    return "?";
}

enum status error_set(struct error *err, enum status code, const char *fmt, ...)
{
    if (err) {
        va_list ap;

        err->code = code;
        va_start(ap, fmt);
        vsnprintf(err->text, sizeof err->text, fmt, ap);
        va_end(ap);
    }
    return code;
}

enum status error_errno(struct error *err, enum status code, const char *fmt, ...)
{
    const int saved = errno; /* vsnprintf may change it */

    if (err) {
        va_list ap;
        char reason[64] = "";
        size_t n;

        err->code = code;
        va_start(ap, fmt);
        vsnprintf(err->text, sizeof err->text, fmt, ap);
        va_end(ap);
        n = strlen(err->text);
        snprintf(err->text + n, sizeof err->text - n, ": %s", strerror_r(saved, reason, sizeof reason));
    }
    errno = saved;
    return code;
}

enum status error_nomem(struct error *err) { return error_set(err, ST_NOMEM, "out of memory"); }
