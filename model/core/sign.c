/* model/core/sign.c - see cxrd/sign.h. */
#include "cxrd/sign.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

enum status sign_hmac(const void *key, size_t n_key, const void *bytes, size_t n, char text[SIGN_TEXT_SIZE])
{
    unsigned char code[EVP_MAX_MD_SIZE];
    unsigned length = 0;

    if (!HMAC(EVP_sha256(), key, (int)n_key, bytes, n, code, &length) || length != 32) {
        ERR_clear_error();
        return ST_NOMEM;
    }
    EVP_EncodeBlock((unsigned char *)text, code, 32);
    return ST_OK;
}
