/* model/core/encoding.c - see cxrd/encoding.h. */
#include "cxrd/encoding.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

enum {
    ENCODED_AT_ONCE = 3 << 10, /* bytes, a multiple of three */
    MAX_DECODED = 768,
};

void base64_put(struct buf *out, const void *bytes, size_t n)
{
    const unsigned char *in = bytes;
    unsigned char text[ENCODED_AT_ONCE / 3 * 4 + 1];

    while (n > 0) {
        const size_t some = n < ENCODED_AT_ONCE ? n : ENCODED_AT_ONCE;

        buf_put(out, text, (size_t)EVP_EncodeBlock(text, in, (int)some));
        in += some;
        n -= some;
    }
    if (out->secret)
        explicit_bzero(text, sizeof text);
}

enum status base64_decode(const char *text, void *ret, size_t max, size_t *ret_n)
{
    unsigned char decoded[MAX_DECODED + 3];
    const size_t n = strlen(text);
    size_t pads = 0;
    enum status st = ST_OK;
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
        st = ST_FORMAT;
    } else if ((size_t)length - pads > max) {
        st = ST_LIMIT;
    } else {
        *ret_n = (size_t)length - pads;
        memcpy(ret, decoded, *ret_n);
    }
    explicit_bzero(decoded, sizeof decoded); /* what is kept as base64 is a secret, mostly */
    return st;
}

void hex_encode(const void *bytes, size_t n, char *text)
{
    static const char DIGITS[] = "0123456789abcdef";
    const unsigned char *in = bytes;

    for (size_t i = 0; i < n; i++) {
        *text++ = DIGITS[in[i] >> 4];
        *text++ = DIGITS[in[i] & 15];
    }
    *text = '\0';
}

int hex_value(char digit)
{
    const int value = OPENSSL_hexchar2int((unsigned char)digit);

    if (value < 0)
        ERR_clear_error();
    return value;
}
