/* model/core/digest.c - SHA-256 through libcrypto, see cxrd/digest.h. */
#include "cxrd/digest.h"

#include "cxrd/encoding.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>

struct digest {
    EVP_MD_CTX *ctx;
};

enum status digest_new(struct digest **ret_digest)
{
    struct digest *d = calloc(1, sizeof *d);

    if (!d)
        return ST_NOMEM;
    d->ctx = EVP_MD_CTX_new();
    if (!d->ctx || EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL) != 1) {
        digest_free(d);
        ERR_clear_error(); /* its list of what went wrong takes memory too */
        return ST_NOMEM;
    }
    *ret_digest = d;
    return ST_OK;
}

void digest_add(struct digest *d, const void *bytes, size_t n)
{
    const int ok = EVP_DigestUpdate(d->ctx, bytes, n);

    assert(ok == 1); /* SHA-256 has no failing update */
    (void)ok;
}

void digest_finish(struct digest *d, char text[DIGEST_TEXT_SIZE])
{
    unsigned char sum[EVP_MAX_MD_SIZE] = { 0 };
    unsigned n = 0;
    const int ok = EVP_DigestFinal_ex(d->ctx, sum, &n);

    assert(ok == 1 && n == 32);
    (void)ok;
    hex_encode(sum, 32, text);
    digest_free(d);
}

void digest_free(struct digest *d)
{
    if (!d)
        return;
    EVP_MD_CTX_free(d->ctx);
    free(d);
}

enum status digest_bytes(const void *bytes, size_t n, char text[DIGEST_TEXT_SIZE])
{
    struct digest *d = NULL;
    const enum status st = digest_new(&d);

    if (st != ST_OK)
        return st;
    digest_add(d, bytes, n);
    digest_finish(d, text);
    return ST_OK;
}

bool digest_equal(const char a[DIGEST_TEXT_SIZE], const char b[DIGEST_TEXT_SIZE])
{
    return CRYPTO_memcmp(a, b, DIGEST_TEXT_SIZE) == 0;
}
