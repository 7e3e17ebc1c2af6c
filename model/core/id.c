/* model/core/id.c - see cxrd/id.h. */
#include "cxrd/id.h"

#include "cxrd/encoding.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

void id_new(char id[ID_SIZE])
{
    uint8_t b[16];
    const ssize_t n = getrandom(b, sizeof b, 0);

    assert(n == (ssize_t)sizeof b); /* so few bytes are never cut short once the system has booted */
    (void)n;
    b[6] = (uint8_t)(0x40 | (b[6] & 0x0f));
    b[8] = (uint8_t)(0x80 | (b[8] & 0x3f));
    for (size_t i = 0; i < sizeof b; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *id++ = '-';
        hex_encode(&b[i], 1, id);
        id += 2;
    }
}

bool id_ok(const char *text, size_t n)
{
    if (n < 8 || n >= ID_SIZE)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!strchr("0123456789abcdef-", text[i]) || text[i] == '\0')
            return false;
    return true;
}
