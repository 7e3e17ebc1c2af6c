/* model/core/floats.c - see floats.h. */
#include "floats.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { LINE = 64, HUGE_PAGE = 2 << 20 };

/* A large block is asked for in huge pages: weights are read from end to end for every picture, and in pages of 4 kB a processor looks up
 * a page for every 32 rows of a panel. The kernel may refuse, and all works as before. */
static void *block_new(size_t bytes)
{
    void *p;

    if (posix_memalign(&p, bytes < HUGE_PAGE ? LINE : HUGE_PAGE, bytes) != 0)
        return NULL;
    if (bytes >= HUGE_PAGE)
        (void)madvise(p, bytes, MADV_HUGEPAGE);
    return p;
}

float *floats_new(size_t n)
{
    const size_t bytes = (n * sizeof(float) + LINE) / LINE * LINE; /* at least one line */
    float *p = block_new(bytes);

    if (p)
        memset(p, 0, bytes);
    return p;
}
