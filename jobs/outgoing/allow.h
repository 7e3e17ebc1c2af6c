/* jobs/outgoing/allow.h - what the files behind cxrd/outgoing.h share: allow.c knows who may be asked, address.c which
 * network addresses are no strangers' business, send.c asks. */
#ifndef JOBS_OUTGOING_ALLOW_H
#define JOBS_OUTGOING_ALLOW_H

#include "cxrd/outgoing.h"

#include <curl/curl.h>
#include <sys/socket.h>

enum { MAX_HOST = 256 };

/* Scheme, host and port: what is compared with the operator's lists. */
struct place {
    char host[MAX_HOST]; /* lower case; a number as it is written, IPv6 in brackets */
    unsigned port;
    bool http;
    bool literal; /* the host is an address, not a name */
};

/* How far the operator trusts an address. */
enum trust {
    TRUST_PUBLIC,   /* an address of the public Internet */
    TRUST_PRIVATE,  /* or of a private network, or loopback */
    TRUST_LITERAL,  /* or whatever the operator wrote as a number */
    TRUST_LOOPBACK, /* nothing but loopback */
};

struct hosts {
    struct place *places; /* owned */
    size_t n;
};

struct outgoing {
    struct hosts allowed[N_OUTGOING_USES], private_hosts;
    char *ca; /* NULL: the system's */
};

/* Read an address and find what is allowed of it.
 *   ret_url  the address as libcurl understood it, to be asked and no other; the caller's, curl_url_cleanup()
 * Errors: ST_INVALID, ST_NOMEM. */
MUST_USE enum status allow_find(const struct outgoing *o, enum outgoing_use use, const char *url,
                                CURLU **ret_url, enum trust *ret_trust, struct error *err);

/* Why a socket to this address is not made, or NULL when it may be. */
const char *address_refusal(const struct sockaddr *address, enum trust trust);

#endif
