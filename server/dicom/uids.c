/* server/dicom/uids.c - see uids.h. */
#include "uids.h"

#include "cxrd/digest.h"
#include "cxrd/encoding.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum { UUID_BYTES = 16, UUID_DIGITS = 39 };

/* RFC 9562: 4 is random, 8 is what its maker says. */
static void mark(uint8_t b[UUID_BYTES], unsigned version)
{
    b[6] = (uint8_t)(version << 4 | (b[6] & 0x0f));
    b[8] = (uint8_t)(0x80 | (b[8] & 0x3f));
}

/* The last decimal digit of a number of 128 bits, which is divided by 10. */
static unsigned digit_take(uint8_t b[UUID_BYTES])
{
    unsigned rest = 0;

    for (size_t i = 0; i < UUID_BYTES; i++) {
        const unsigned v = rest << 8 | b[i];

        b[i] = (uint8_t)(v / 10);
        rest = v % 10;
    }
    return rest;
}

static void write(uint8_t b[UUID_BYTES], char ret[UID_SIZE])
{
    char digits[UUID_DIGITS + 1] = { 0 };
    size_t at = UUID_DIGITS;

    for (size_t i = 0; i < UUID_DIGITS; i++)
        digits[--at] = (char)('0' + digit_take(b));
    while (digits[at] == '0')
        at++;
    snprintf(ret, UID_SIZE, "2.25.%s", digits + at);
}

void uid_new(char ret[UID_SIZE])
{
    uint8_t b[UUID_BYTES];
    const ssize_t n = getrandom(b, sizeof b, 0);

    assert(n == (ssize_t)sizeof b); /* see id_new() */
    (void)n;
    mark(b, 4);
    write(b, ret);
}

enum status uid_of(const char *const *words, char ret[UID_SIZE])
{
    struct digest *d;
    char text[DIGEST_TEXT_SIZE];
    uint8_t b[UUID_BYTES];
    enum status st = digest_new(&d);

    if (st != ST_OK)
        return st;
    for (; *words; words++)
        digest_add(d, *words, strlen(*words) + 1); /* with its NUL: "a", "bc" is not "ab", "c" */
    digest_finish(d, text);
    for (size_t i = 0; i < UUID_BYTES; i++)
        b[i] = (uint8_t)(hex_value(text[2 * i]) << 4 | hex_value(text[2 * i + 1]));
    mark(b, 8);
    write(b, ret);
    return ST_OK;
}

bool uid_ok(const char *text)
{
    const size_t n = strlen(text);

    if (n == 0 || n >= UID_SIZE || strspn(text, "0123456789.") != n)
        return false;
    for (const char *at = text; at; at = strchr(at, '.') ? strchr(at, '.') + 1 : NULL)
        if (*at == '.' || *at == '\0' || (at[0] == '0' && at[1] != '.' && at[1] != '\0'))
            return false;
    return true;
}
