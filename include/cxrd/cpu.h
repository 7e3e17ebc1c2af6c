/* include/cxrd/cpu.h - what the arithmetic runs on. */
#ifndef CXRD_CPU_H
#define CXRD_CPU_H

#include <stdint.h>

/* The instruction set that the network runs in: "avx512", "avx2" or "generic". The widest that the processor has,
 * or what the environment variable CXRD_SIMD asks for. */
const char *cpu_simd(void);

/* From now on no wider one than that of this name; before there is a network, and in one thread. A name that is not known changes nothing. */
void cpu_simd_limit(const char *name);

/* A number that is another where the C library's mathematical functions round otherwise: they go by the processor, too. */
uint64_t cpu_mathematics(void);

/* The BLAS library and the core type that it chose, such as "OpenBLAS 0.3.21 SkylakeX". Static memory. */
const char *cpu_blas(void);

#endif
