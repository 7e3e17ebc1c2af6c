/* jobs/report/base64.c - see base64.h. */
#include "base64.h"

#include <stdint.h>

void base64_put(struct buf *out, const void *bytes, size_t n)
{
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *in = bytes;

    for (size_t i = 0; i < n; i += 3) {
        const size_t left = n - i;
        const uint32_t v = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
                           (left > 2 ? (uint32_t)in[i + 2] : 0);
        const char four[4] = { DIGITS[v >> 18], DIGITS[v >> 12 & 63], left > 1 ? DIGITS[v >> 6 & 63] : '=',
                               left > 2 ? DIGITS[v & 63] : '=' };

        buf_put(out, four, 4);
    }
}
