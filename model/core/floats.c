/* model/core/floats.c - see floats.h. */
#include "floats.h"

#include <stdlib.h>
#include <string.h>

enum { LINE = 64 };

float *floats_new(size_t n)
{
    const size_t bytes = (n * sizeof(float) + LINE) / LINE * LINE; /* at least one line */
    float *p = aligned_alloc(LINE, bytes);

    if (p)
        memset(p, 0, bytes);
    return p;
}
