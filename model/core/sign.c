/* model/core/sign.c - see cxrd/sign.h. */
#include "cxrd/sign.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

enum { MAX_DECODED = 768 };

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

enum status sign_decode(const char *text, void *ret, size_t max, size_t *ret_n)
{
    unsigned char decoded[MAX_DECODED + 3];
    const size_t n = strlen(text);
    size_t pads = 0;
    int length;

    if (n == 0 || n % 4 != 0)
        return ST_FORMAT;
    if (n / 4 * 3 > MAX_DECODED)
        return ST_LIMIT;
    while (pads < 2 && text[n - 1 - pads] == '=')
        pads++;
    length = EVP_DecodeBlock(decoded, (const unsigned char *)text, (int)n);
    if (length < (int)pads) {
        ERR_clear_error();
        return ST_FORMAT;
    }
    if ((size_t)length - pads > max)
        return ST_LIMIT;
    *ret_n = (size_t)length - pads;
    memcpy(ret, decoded, *ret_n);
    return ST_OK;
}
