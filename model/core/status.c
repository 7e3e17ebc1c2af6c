/* model/core/status.c - status codes and error sentences, see cxrd/status.h. */
#include "cxrd/status.h"

#include "cxrd/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Here they are made, whatever the analyzer was told. */
#undef error_set
#undef error_errno
#undef error_nomem

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

bool status_is_outside(enum status st)
{
    switch (st) {
    case ST_IO:
    case ST_NOMEM:
    case ST_BUSY:
    case ST_CONFLICT:
    case ST_NOTFOUND: return true;
    case ST_OK:
    case ST_INVALID:
    case ST_FORMAT:
    case ST_UNSUPPORTED:
    case ST_UNUSABLE:
    case ST_LIMIT:
    case ST_NUMERIC:
    case ST_CANCELLED: return false;
    }
    return false;
}

/* A sentence quotes strangers: file names, tensor names, cut to a number of bytes. It must still be one line that
 * JSON can carry. */
static void make_printable(char *text)
{
    while (*text) {
        const size_t n = utf8_character(text);

        if (n == 0)
            *text = '?';
        text += n ? n : 1;
    }
}

enum status error_set(struct error *err, enum status code, const char *fmt, ...)
{
    if (err) {
        va_list ap;

        err->code = code;
        err->inner[0] = '\0';
        err->reason = NULL;
        va_start(ap, fmt);
        vsnprintf(err->text, sizeof err->text, fmt, ap);
        va_end(ap);
        make_printable(err->text);
    }
    return code;
}

enum status error_errno(struct error *err, enum status code, const char *fmt, ...)
{
    const int saved = errno; /* vsnprintf may change it */

    code = saved == ENOMEM ? ST_NOMEM : code;
    if (err) {
        va_list ap;
        char reason[64] = "";
        size_t n;

        err->code = code;
        err->inner[0] = '\0';
        err->reason = NULL;
        va_start(ap, fmt);
        vsnprintf(err->text, sizeof err->text, fmt, ap);
        va_end(ap);
        n = strlen(err->text);
        snprintf(err->text + n, sizeof err->text - n, ": %s", strerror_r(saved, reason, sizeof reason));
        make_printable(err->text);
    }
    errno = saved;
    return code;
}

enum status error_inner(struct error *err, enum status code, const char *inner)
{
    if (err) {
        snprintf(err->inner, sizeof err->inner, "%s", inner);
        make_printable(err->inner);
    }
    return code;
}

enum status error_reason(struct error *err, enum status code, const char *reason)
{
    if (err)
        err->reason = reason;
    return code;
}

enum status error_nomem(struct error *err) { return error_set(err, ST_NOMEM, "out of memory"); }
