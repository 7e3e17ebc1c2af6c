/* server/http/raw_head.h - the head of a request as it was sent: read strictly by RFC 9112, and written anew.
 *
 * A head that two servers in a row read differently smuggles one request inside another, so a head with any fault is
 * refused, and one without reaches libmicrohttpd only as we write it: no header that we do not know, each at most once, in
 * one spelling. That library cannot understand it otherwise than we did. */
#ifndef SERVER_HTTP_RAW_HEAD_H
#define SERVER_HTTP_RAW_HEAD_H

#include "syntax.h"

#include "cxrd/buf.h"

#include <stdint.h>

enum {
    MAX_HEAD = 16 << 10,     /* bytes of a head */
    MAX_DROPPED = 128 << 20, /* of a refused body: a client that is still sending it does not hear us */
};

/* The headers that handlers or auth.c want, in the form in which they were sent. */
enum header {
    HEADER_ACCEPT,
    HEADER_ACCEPT_ENCODING,
    HEADER_AUTHORIZATION,
    HEADER_CONTENT_ENCODING,
    HEADER_CONTENT_TYPE,
    HEADER_HOST,
    HEADER_IDEMPOTENCY_KEY,
    HEADER_IF_MODEL_EPOCH,
    HEADER_IF_NONE_MATCH,
    HEADER_LAST_EVENT_ID,
    HEADER_ORIGIN,
    HEADER_PREFLIGHT, /* Access-Control-Request-Method */
    HEADER_REQUEST_ID,
    HEADER_TRACEPARENT,
    N_HEADERS
};
extern const char *const HEADER_NAMES[N_HEADERS];

/* Names that only we write: a client's header of that name is dropped with all that we do not know. */
#define HEADER_TARGET "Cxrd-Target" /* the path and the query, raw */
#define HEADER_FAULT  "Cxrd-Fault" /* "400 the sentence": why the head, or as a trailer the body, is refused */

struct fault {
    int status;     /* 0: none; the first one stays */
    char text[112]; /* a sentence for the client */
};

/* Note a fault, unless there is one already. */
void fault_set(struct fault *f, int status, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Spans point into the bytes that were read. */
struct raw_head {
    struct fault fault;
    struct span method, path; /* path: with the query; "*" of OPTIONS */
    bool slash;               /* '/' belongs before the path: http://host?query */
    bool http_1_0, close, keep_alive, expects, chunked, has_length;
    bool unframed;   /* what is wrong is what says where it ends */
    uint64_t length; /* of the body */
    struct span values[N_HEADERS];
    unsigned seen[N_HEADERS], lengths, encodings;
};

/* Look for the end of the head that begins at `bytes`.
 *   from   what was looked at before, 0 at first; moves on
 *   fault  set as soon as nothing that follows can make the head a valid one
 * Returns its size with the empty line that ends it, or 0: not there yet. */
size_t raw_head_end(const char *bytes, size_t n, size_t *from, struct fault *fault);

/* Read a head, with the empty line that ends it. Of one that was cut off because of `fault`, what came before it. */
void raw_head_read(struct raw_head *h, const char *bytes, size_t n, const struct fault *fault);

/* How many bytes of body belong to it; of one that is refused, only where nothing makes that doubtful: they are to be
 * taken off the connection, since a client that is still sending them would not hear the refusal. */
uint64_t raw_head_length(const struct raw_head *h);

/* Append it as libmicrohttpd is to see it. With a fault, that is a head of ours which says so. */
void raw_head_write(const struct raw_head *h, struct buf *out);

#endif
