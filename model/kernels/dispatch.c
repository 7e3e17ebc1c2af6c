/* model/kernels/dispatch.c - which instruction set: the widest that the processor has, decided once. */
#include "kernels.h"

#include "cxrd/cpu.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

extern const struct kernels kernels_generic;
#if defined __x86_64__
extern const struct kernels kernels_avx512vnni, kernels_avx512, kernels_avx2;
#endif

#if defined __x86_64__
static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

static bool has_avx512vnni(void) { return has_avx512() && __builtin_cpu_supports("avx512vnni"); }

static bool has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#endif

static bool has_generic(void) { return true; }

/* Widest first. */
static const struct {
    const char *name;
    bool (*possible)(void);
    const struct kernels *set;
} SETS[] = {
#if defined __x86_64__
    { "avx512vnni", has_avx512vnni, &kernels_avx512vnni },
    { "avx512", has_avx512, &kernels_avx512 },
    { "avx2", has_avx2, &kernels_avx2 },
#endif
    { "generic", has_generic, &kernels_generic },
};

enum { N_SETS = sizeof SETS / sizeof SETS[0] };

const struct kernels *kernels_named(const char *name)
{
    for (size_t i = 0; i < N_SETS; i++)
        if (strcmp(SETS[i].name, name) == 0)
            return SETS[i].possible() ? SETS[i].set : NULL;
    return NULL;
}

size_t block_scratch(const struct block *b)
{
    return WINOGRAD_POINTS * ((size_t)TILE_BLOCK * (b->in_c + b->out_c) + (size_t)2 * PANEL_PAD);
}

static const struct kernels *chosen;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void choose(void)
{
    const char *asked = getenv("CXRD_SIMD");

    chosen = asked ? kernels_named(asked) : NULL; /* one that is not to be had is as good as none asked for */
    for (size_t i = 0; !chosen; i++)
        chosen = SETS[i].possible() ? SETS[i].set : NULL;
}

const struct kernels *kernels(void)
{
    pthread_once(&once, choose);
    return chosen;
}

const char *cpu_simd(void) { return kernels()->name; }

/* The first set of a kernel's name; the number of sets for another name. */
static size_t set_named(const char *name)
{
    size_t i = 0;

    while (i < N_SETS && strcmp(SETS[i].set->name, name) != 0)
        i++;
    return i;
}

void cpu_simd_limit(const char *name)
{
    size_t i = set_named(name);

    if (i == N_SETS || i <= set_named(cpu_simd()))
        return;
    while (!SETS[i].possible())
        i++;
    chosen = SETS[i].set;
}
