/* include/cxrd/cpu.h - what the arithmetic runs on. */
#ifndef CXRD_CPU_H
#define CXRD_CPU_H

/* The instruction set that the network runs in: "avx512", "avx2" or "generic". The widest that the processor has,
 * or what the environment variable CXRD_SIMD asks for. */
const char *cpu_simd(void);

/* The BLAS library and the core type that it chose, such as "OpenBLAS 0.3.21 SkylakeX". Static memory. */
const char *cpu_blas(void);

#endif
