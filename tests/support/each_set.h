/* tests/support/each_set.h - a test once for every instruction set that the kernels are compiled for. */
#ifndef TESTS_SUPPORT_EACH_SET_H
#define TESTS_SUPPORT_EACH_SET_H

#include "model/kernels/kernels.h"
#include "support.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>

/* A test of kernels that have a set more says so before it includes this. */
#ifndef KERNEL_SETS
#define KERNEL_SETS "avx512", "avx2", "generic"
#endif
static const char *const SETS[] = { KERNEL_SETS };
enum { N_SETS = sizeof SETS / sizeof SETS[0] };

#define EACH_SET(suite, name)                                                       \
    ParameterizedTestParameters(suite, name)                                        \
    {                                                                               \
        return cr_make_param_array(size_t, index_upto(N_SETS), N_SETS, index_free); \
    }                                                                               \
    static void name(const struct kernels *k);                                      \
    ParameterizedTest(size_t *index, suite, name)                                   \
    {                                                                               \
        const struct kernels *k = kernels_named(SETS[*index]);                      \
                                                                                    \
        if (!k)                                                                     \
            cr_skip_test("this processor has no %s", SETS[*index]);                 \
        name(k);                                                                    \
    }                                                                               \
    static void name(const struct kernels *k)

#endif
