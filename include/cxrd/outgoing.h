/* include/cxrd/outgoing.h - the only way out: to whom this server may speak, and one request to one of them.
 *
 * An address that a client sent is a door into the operator's network. So the operator names the hosts; only https goes
 * out, but to an http receiver on loopback that the operator spelt out; no redirect is followed, no proxy asked; and what a name
 * resolves to is looked at when the socket is made, after which nobody is asked again. Any thread may call. */
#ifndef CXRD_OUTGOING_H
#define CXRD_OUTGOING_H

#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct outgoing;

enum outgoing_use { OUTGOING_NOTICE, OUTGOING_DATA, OUTGOING_RESULT, N_OUTGOING_USES };
enum {
    OUTGOING_MAX_URL = 512,  /* bytes of an address */
    OUTGOING_SLOWEST = 1024, /* bytes a second; a slower peer counts as silent */
};

/* Lists are texts with commas between their entries, NULL for none. An entry is HOST (port 443), HOST:PORT, or
 * http://HOST:PORT where HOST is loopback. */
struct outgoing_options {
    const char *hosts[N_OUTGOING_USES];
    const char *notice_url;    /* the operator's own receiver, whose host is allowed with it; NULL: none */
    const char *results_url;   /* the operator's own archive, likewise; NULL: none */
    const char *private_hosts; /* HOST[:PORT] that may be in a private network, or on loopback */
    const char *ca;            /* certificates to trust in place of the system's, PEM; NULL: the system's */
};

/* Errors: ST_INVALID (the sentence names the entry), ST_NOMEM. */
MUST_USE enum status outgoing_open(const struct outgoing_options *options, struct outgoing **ret_outgoing,
                                   struct error *err);
void outgoing_close(struct outgoing *o); /* NULL is fine */

/* Whether any host is allowed at all. NULL: none is. */
bool outgoing_enabled(const struct outgoing *o, enum outgoing_use use);

/* Whether an address may be asked, as far as its words say. Nothing is resolved. Errors: ST_INVALID, ST_NOMEM. */
MUST_USE enum status outgoing_check(const struct outgoing *o, enum outgoing_use use, const char *url,
                                    struct error *err);

/* The beginning of a reply. Texts are "" where the header is missing, and end with the callback. */
struct outgoing_head {
    long status;
    const char *etag;
    int64_t length;      /* of the body that follows; -1 unknown */
    int64_t range_start; /* of a 206; -1 unknown */
};

struct outgoing_request {
    enum outgoing_use use;
    const char *url;
    const char *const *headers; /* "Name: value", NULL at the end; NULL: none */
    const char *body;           /* NULL: GET, else POST */
    size_t body_len;
    const char *sigv4;          /* "aws:amz:REGION:s3": sign with `credentials`; NULL: do not */
    const char *credentials;    /* "ID:SECRET" */
    long seconds;               /* the whole of it may take; 0: any time */
    long slow_seconds;          /* slower than OUTGOING_SLOWEST for so long is ST_IO; 0: is not */
    bool (*stopped)(void *arg); /* asked about every second and at every piece; may be NULL */
    bool (*head)(void *arg,
                 const struct outgoing_head *head); /* once, before any byte; false: enough. May be NULL */
    bool (*data)(void *arg, const void *bytes,
                 size_t n); /* false: enough. NULL: the body is not waited for */
    void *arg;
};

/* Ask, and hand what comes to the callbacks.
 *   ret_status  of the reply, when there was one
 * Errors: ST_INVALID (outgoing_check()'s), ST_UNUSABLE (the name leads to an address that is refused; nothing was sent),
 * ST_CANCELLED (a callback had enough), ST_IO (no connection, or it broke), ST_NOMEM. */
MUST_USE enum status outgoing_send(const struct outgoing *o, const struct outgoing_request *request,
                                   long *ret_status, struct error *err);

#endif
