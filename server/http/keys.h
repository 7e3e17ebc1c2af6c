/* server/http/keys.h - the keys file: who there is, and what each may.
 *
 * A line a key, three words apart: its role, a name for logs, and the SHA-256 of the key in hexadecimal. The key itself is
 * never stored. '#' begins a comment.
 *
 *     # role   name        SHA-256 of the key
 *     admin    operator    5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5
 *     predict  pacs-7      8d969eef6ecad3c29a3a629280e686cf0c3f5d5a86aff3ca12020c923adc6c92
 *
 * Keys are long and random (`cxrd key` makes them), so a plain digest is as good as a slow one. */
#ifndef SERVER_HTTP_KEYS_H
#define SERVER_HTTP_KEYS_H

#include "cxrd/digest.h"
#include "http.h"

enum { KEYS_MAX = 1024, KEYS_MAX_BYTES = 256 * 1024, KEY_MAX_BYTES = 200 };

struct key {
    enum role role; /* ROLE_PREDICT or ROLE_ADMIN */
    char name[KEY_NAME_SIZE];
    char sha256[DIGEST_TEXT_SIZE];
};

struct keys {
    struct key *keys; /* [n] */
    size_t n;         /* 1..KEYS_MAX */
};

/* Read the lines of a keys file; strict: whatever is not as above is an error that names its line.
 * Errors: ST_FORMAT (a line that is no key, a name or a digest twice, no key at all), ST_LIMIT, ST_NOMEM. */
MUST_USE enum status keys_parse(const char *text, size_t n, struct keys **ret_keys, struct error *err);

/* The same from a file. Also ST_NOTFOUND, ST_IO. */
MUST_USE enum status keys_read(const char *path, struct keys **ret_keys, struct error *err);
void keys_free(struct keys *k); /* NULL is fine */

/* The key whose digest is that of these bytes, or NULL. Takes the same time for every key that is presented. */
const struct key *keys_find(const struct keys *k, const char *presented, size_t n);

#endif
