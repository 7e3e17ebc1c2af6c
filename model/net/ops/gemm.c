/* model/net/ops/gemm.c - the door to OpenBLAS; principal.c asks it for eigenvectors. Threads are ours: each calls it for its own part of the work, so
 * the library is told to start none. */
#include "gemm.h"

#include "cxrd/cpu.h"

#include <cblas.h>
#include <stdio.h>

static char name[64]; /* written before there are threads, then read only */

__attribute__((constructor)) static void blas_begin(void)
{
    openblas_set_num_threads(1);
    snprintf(name, sizeof name, "%.20s %.20s", openblas_get_config(), openblas_get_corename());
}

void gemm_nn(size_t m, size_t n, size_t k, const float *a, size_t a_row, const float *b, size_t b_row,
             float *c, size_t c_row)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)m, (int)n, (int)k, 1, a, (int)a_row, b,
                (int)b_row, 1, c, (int)c_row);
}

void gemm_tn(size_t m, size_t n, size_t k, const float *a, size_t a_row, const float *b, size_t b_row,
             float *c, size_t c_row)
{
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)m, (int)n, (int)k, 1, a, (int)a_row, b,
                (int)b_row, 1, c, (int)c_row);
}

void gemm_nt(size_t m, size_t n, size_t k, const float *a, size_t a_row, const float *b, size_t b_row,
             float *c, size_t c_row)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)m, (int)n, (int)k, 1, a, (int)a_row, b,
                (int)b_row, 1, c, (int)c_row);
}

const char *cpu_blas(void) { return name; }
