/* model/core/mathematics.c - how the C library rounds, see cxrd/cpu.h: glibc has several of each function, and chooses by the processor. */
#include "cxrd/cpu.h"

#include <math.h>
#include <string.h>

static void mix(uint64_t *h, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    *h = (*h ^ bits) * 0x100000001b3u; /* FNV-1a, by words */
}

uint64_t cpu_mathematics(void)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (int i = 1; i <= 4096; i++) {
        const double x = i * 0.0021537;

        mix(&h, exp(-x));
        mix(&h, log(x));
        mix(&h, log1p(x));
        mix(&h, pow(0.9, x));
        mix(&h, cos(x));
        mix(&h, (double)expf((float)-x));
        mix(&h, (double)logf((float)x));
    }
    return h;
}
