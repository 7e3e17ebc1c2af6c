/* bench/peak.c - the most this processor can multiply and add; compiled once for each instruction set. */
#include "cxrd/clock.h"

#if VL == 16
#define SET(name) name##_avx512
#elif VL == 8
#define SET(name) name##_avx2
#else
#define SET(name) name##_generic
#endif

typedef float vf __attribute__((vector_size(VL * 4)));

double SET(peak)(double seconds);

/* Twelve sums that wait for nobody but themselves: enough to hide the latency of one. */
double SET(peak)(double seconds)
{
    enum { SUMS = 12, TURNS = 100000 };
    vf s0 = { 0 }, s1 = s0 + 1, s2 = s0 + 2, s3 = s0 + 3, s4 = s0 + 4,
       s5 = s0 + 5; /* all different, or they are one */
    vf s6 = s0 + 6, s7 = s0 + 7, s8 = s0 + 8, s9 = s0 + 9, s10 = s0 + 10, s11 = s0 + 11;
    vf a = s0 + 0.999f, b = s0 + 1e-6f;
    double turns = 0, begin = clock_seconds(), now = begin;

    for (; now - begin < seconds; now = clock_seconds(), turns += TURNS)
        for (int i = 0; i < TURNS; i++) {
            __asm__ volatile("" : "+x"(a), "+x"(b)); /* not known to be the same in every turn */
            s0 = s0 * a + b, s1 = s1 * a + b, s2 = s2 * a + b, s3 = s3 * a + b, s4 = s4 * a + b,
            s5 = s5 * a + b;
            s6 = s6 * a + b, s7 = s7 * a + b, s8 = s8 * a + b, s9 = s9 * a + b, s10 = s10 * a + b,
            s11 = s11 * a + b;
        }
    s0 += s1 + s2 + s3 + s4 + s5 + s6 + s7 + s8 + s9 + s10 + s11;
    __asm__ volatile("" : : "x"(s0));
    return turns * SUMS * VL * 2 / (now - begin) / 1e9;
}
