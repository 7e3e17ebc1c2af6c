/* model/core/id.c - see cxrd/id.h. */
#include "cxrd/id.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
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
    snprintf(id, ID_SIZE, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
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
