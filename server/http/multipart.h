/* server/http/multipart.h - multipart/form-data (RFC 7578, RFC 2046 section 5.1) and multipart/related (RFC 2387) of a complete
 * body.
 *
 * Strict on purpose, and our own: libmicrohttpd's post processor drops what it does not understand without a word,
 * and a picture must never be half there. */
#ifndef SERVER_HTTP_MULTIPART_H
#define SERVER_HTTP_MULTIPART_H

#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>

struct part {
    char name[128];   /* of a form's part */
    char type[64];    /* its Content-Type, "" where it has none or a longer one */
    bool is_file;     /* it has a file name, which is not kept: it may name a patient */
    const char *data; /* borrowed from the body */
    size_t size;
};

enum { MULTIPART_MAX_PARTS = 16 };

struct multipart {
    struct part parts[MULTIPART_MAX_PARTS];
    size_t n;
};

/* Whether a Content-Type says multipart/form-data. */
bool multipart_is(const char *content_type);

/* That a multipart Content-Type can be used. Errors: ST_FORMAT (no boundary). */
MUST_USE enum status multipart_check(const char *content_type, struct error *err);

/* Take a body apart. Errors: ST_FORMAT (no boundary, no closing boundary, a part without a name, broken lines),
 * ST_LIMIT (more than MULTIPART_MAX_PARTS parts). */
MUST_USE enum status multipart_parse(const char *content_type, const void *body, size_t body_len,
                                     struct multipart *ret, struct error *err);

/* The same of multipart/related, whose parts have no names but a type, which its parameter `type` says of the first.
 *   type  that `type` must say where it is there, in any case
 * Errors: ST_UNSUPPORTED (it is no multipart/related, or says another type), ST_FORMAT, ST_LIMIT. */
MUST_USE enum status multipart_related_check(const char *content_type, const char *type, struct error *err);
MUST_USE enum status multipart_related_parse(const char *content_type, const void *body, size_t body_len,
                                             struct multipart *ret, struct error *err);

/* Whether the type of a part, or of a request, is this one, whatever its parameters. */
bool multipart_type_is(const char *content_type, const char *type);

/* The one part that is a file. Errors: ST_FORMAT (none, several, or an empty one). */
MUST_USE enum status multipart_file(const struct multipart *m, const struct part **ret_part,
                                    struct error *err);

/* The value of a form field as text of at most size - 1 bytes.
 * Errors: ST_NOTFOUND (there is none), ST_INVALID (too long, or not text). */
MUST_USE enum status multipart_field(const struct multipart *m, const char *name, char *ret, size_t size,
                                     struct error *err);

#endif
