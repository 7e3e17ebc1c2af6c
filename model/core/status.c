/* model/core/status.c - status codes and error sentences, see cxrd/status.h. */
#include "cxrd/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
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

static bool follows(char c) { return ((unsigned char)c & 0xc0) == 0x80; }

/* Bytes of the character at `s`, 0 if what stands there is no UTF-8 (RFC 3629, section 4) or a control character. */
static size_t character(const char *s)
{
    const unsigned char first = (unsigned char)s[0], second = first ? (unsigned char)s[1] : 0;

    if (first < 0x80)
        return first >= 0x20 && first != 0x7f;
    if (!follows(s[1]) || first < 0xc2 || first > 0xf4)
        return 0;
    if (first < 0xe0)
        return 2;
    if (!follows(s[2]) || (first == 0xe0 && second < 0xa0) || (first == 0xed && second >= 0xa0))
        return 0;
    if (first < 0xf0)
        return 3;
    if (!follows(s[3]) || (first == 0xf0 && second < 0x90) || (first == 0xf4 && second >= 0x90))
        return 0;
    return 4;
}

/* A sentence quotes strangers: file names, tensor names, cut to a number of bytes. It must still be one line that
 * JSON can carry. */
static void make_printable(char *text)
{
    while (*text) {
        const size_t n = character(text);

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

enum status error_nomem(struct error *err) { return error_set(err, ST_NOMEM, "out of memory"); }
