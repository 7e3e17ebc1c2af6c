/* include/cxrd/signature.h - Ed25519 (RFC 8032, by libcrypto): the signature of a profile or a model.
 *
 * An operator has a private key, which no server needs, and tells servers the public ones, as PEM files (RFC 8410):
 *
 *     openssl genpkey -algorithm ed25519 -out site.pem
 *     openssl pkey -in site.pem -pubout -out keys/site.pub.pem
 *
 * A context, its NUL and the bytes are signed together: a signature of one kind is not valid for another.
 *
 *   SIGNED_PROFILE  the canonical bytes of a profile's document, see jobs/site/document.c
 *   SIGNED_MODEL    the 64 hexadecimal digits of the SHA-256 of a model's file as it is sent. A card is made of its model's file
 *                   alone, so a signature of the one is one of the other.
 *
 * A signature is 128 hexadecimal digits. A key that is taken away no longer counts, whatever was signed with it; to change keys,
 * give the new one beside the old, sign anew, and take the old one away. */
#ifndef CXRD_SIGNATURE_H
#define CXRD_SIGNATURE_H

#include "cxrd/status.h"

#include <stddef.h>

#define SIGNED_PROFILE "cxrd-profile/1"
#define SIGNED_MODEL   "cxrd-model/1"

enum {
    SIGNATURE_TEXT_SIZE = 129,
    SIGNER_TEXT_SIZE = 17, /* what a key is called: the first 16 digits of the SHA-256 of its 32 bytes */
    SIGNERS_MOST = 64
};

/* Public keys. Immutable; any thread. */
struct signers;

/* Read one PEM file, or every *.pem of a folder; at least one key.
 * Errors: ST_NOTFOUND, ST_FORMAT (a file that is no public Ed25519 key), ST_LIMIT, ST_IO, ST_NOMEM. */
MUST_USE enum status signers_load(const char *path, struct signers **ret, struct error *err);
void signers_free(struct signers *s); /* NULL is fine */
size_t signers_count(const struct signers *s);

/* Whether one of the keys has signed this.
 *   signature   NULL: there is none
 *   ret_signer  which key; may be NULL
 * Errors: ST_CONFLICT (none has, or there is no signature; the sentence says which), ST_FORMAT (no signature's form), ST_NOMEM. */
MUST_USE enum status signers_verify(const struct signers *s, const char *context, const void *bytes, size_t n,
                                    const char *signature, char ret_signer[SIGNER_TEXT_SIZE],
                                    struct error *err);

/* Errors: ST_FORMAT: the text does not look like a signature. */
MUST_USE enum status signature_check(const char *text, struct error *err);

/* Sign with the private key of a PEM file. Errors: ST_NOTFOUND, ST_FORMAT, ST_IO, ST_NOMEM. */
MUST_USE enum status signature_make(const char *private_key, const char *context, const void *bytes, size_t n,
                                    char ret_signature[SIGNATURE_TEXT_SIZE],
                                    char ret_signer[SIGNER_TEXT_SIZE], struct error *err);

#endif
