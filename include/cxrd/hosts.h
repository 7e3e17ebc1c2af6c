/* include/cxrd/hosts.h - hosts and origins as an operator writes them, and as a request names them: one parser for both.
 *
 * A list is a text with commas between its items; blanks around an item do not count. An item that could never match a request is
 * refused with its reason: an empty item, a wildcard, a path, a name that is no ASCII. No memory but the caller's, any
 * thread. */
#ifndef CXRD_HOSTS_H
#define CXRD_HOSTS_H

#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>

enum { HOST_NAME_SIZE = 256 };

enum host_scheme { SCHEME_NONE, SCHEME_HTTP, SCHEME_HTTPS };

struct host {
    enum host_scheme scheme;
    /* lower case; an address as inet_ntop() writes it, IPv6 in brackets: "a.example", "192.0.2.1", "[2001:db8::1]" */
    char name[HOST_NAME_SIZE];
    unsigned port; /* 0: none is given; with a scheme never 0 */
    bool literal;  /* the name is an address */
};

/* The forms that an item may have. */
enum host_form {
    FORM_HOST,     /* HOST or HOST:PORT: a Host header */
    FORM_ORIGIN,   /* SCHEME://HOST or SCHEME://HOST:PORT: an Origin header */
    FORM_OUTGOING, /* HOST or HOST:PORT, over https, or http://HOST:PORT where HOST is loopback */
};

/* Read one item of `n` bytes. NULL: it is in *ret; else what is wrong with it, such as "it has a path". Never fails for
 * want of memory. */
const char *host_read(const char *text, size_t n, enum host_form form, struct host *ret);

bool host_is_loopback(const struct host *h); /* localhost, 127.0.0.0/8, [::1]; nothing is resolved */

struct host_list {
    struct host *hosts; /* owned; [n] */
    size_t n;
};

/* Read a list; NULL is an empty one.
 *   ret  an empty list before, see host_list_release()
 * Errors: ST_INVALID: the sentence is to follow the name of an option, "must be HOST or HOST:PORT, …", and quotes the item;
 * ST_NOMEM. */
MUST_USE enum status host_list_read(const char *list, enum host_form form, struct host_list *ret,
                                    struct error *err);
void host_list_release(struct host_list *list);

/* Whether a list allows what a request named: schemes and names are the same, and so are the ports unless the list's item
 * has none. Named without scheme and port, 80 and 443 are meant. */
bool host_list_has(const struct host_list *list, const struct host *named);

#endif
