/* server/http/auth.h - who may come in, decided before a path says whether there is anything behind it.
 *
 * With a keys file, everything that is not public needs one of its keys. Without, the server is for those who reach it,
 * this machine only unless the operator insists, and what remains to be kept out is a page from elsewhere in a browser of
 * theirs: it can send a form anywhere (Origin gives it away) or point its own name at this server (Host gives it away). */
#ifndef SERVER_HTTP_AUTH_H
#define SERVER_HTTP_AUTH_H

#include "head.h"

#include "cxrd/digest.h"

struct auth;

struct auth_options {
    const char *keys; /* path of the keys file; NULL: none, everyone may everything */
    size_t rate;      /* requests a second that one key may make, and burst; 0: any number */
    /* a list of FORM_HOST, see cxrd/hosts.h: the only Host values accepted, loopback aside; NULL: any with keys; without,
     * see loopback */
    const char *hosts;
    bool loopback; /* listening on loopback: Host must be a loopback name; elsewhere an address will do */
    /* a list of FORM_ORIGIN: pages that may call from a browser; NULL: none but our own */
    const char *origins;
};

/* Errors: host_list_read()'s, keys_read()'s. The options' texts are borrowed. */
MUST_USE enum status auth_open(const struct auth_options *options, struct auth **ret_auth, struct error *err);
void auth_close(struct auth *a); /* NULL is fine */

/* Read the keys file again; on failure the keys of before stay. Any thread may call. */
MUST_USE enum status auth_reload(struct auth *a, struct error *err);

/* The key that let a request in. It is the holder's; one thread at a time. */
struct pass {
    char sha256[DIGEST_TEXT_SIZE]; /* of its key; "" where none was asked for */
    enum role role;                /* that it needed */
    unsigned checked;              /* which reading of the keys it was last compared with */
};

struct verdict {
    int status;              /* 0: come in; 401, 403 or 429 */
    unsigned retry_after;    /* seconds, with 429 */
    struct error why;        /* the sentence, where status is not 0 */
    char who[KEY_NAME_SIZE]; /* the key's name, "" where there is none */
    struct pass pass;        /* where status is 0 */
};

/* May this request come in?
 *   route  NULL: there is none (or it is OPTIONS), which only those may learn who have a key, and the preflight of a
 *          page that may call */
void auth_check(struct auth *a, const struct head *head, const struct route *route, struct verdict *ret);

/* Whether the key that let a request in still would: it is there, with that role. Costs next to nothing while the keys
 * have not been read again. Any thread. */
bool auth_still_allows(struct auth *a, struct pass *pass);

/* Whether a page of this origin may read the reply ("" never). */
bool auth_shares_with(const struct auth *a, const char *origin);

#endif
