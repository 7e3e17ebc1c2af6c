/* tests/fuzz/fuzz.c - see fuzz.h. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void fuzz_broken(const char *property, const char *file, int line, const char *function)
{
    fprintf(stderr, "%s:%d: %s: it does not hold that %s\n", file, line, function, property);
    abort();
}

void *fuzz_copy(const void *bytes, size_t n)
{
    void *copy = malloc(n ? n : 1);

    FUZZ_CHECK(copy != NULL);
    if (n > 0)
        memcpy(copy, bytes, n);
    return copy;
}

struct fuzz_part fuzz_cut(struct fuzz_part *rest, uint8_t separator)
{
    struct fuzz_part first = *rest;
    const uint8_t *at = rest->size ? memchr(rest->data, separator, rest->size) : NULL;

    if (at) {
        first.size = (size_t)(at - rest->data);
        rest->data = at + 1;
        rest->size -= first.size + 1;
    } else {
        *rest = (struct fuzz_part){ rest->data + rest->size, 0 };
    }
    return first;
}
