/* model/net/gemm.c - the only door to OpenBLAS. Threads are ours: each calls it for its own part of the work, so
 * the library is told to start none. */
#include "gemm.h"

#include <cblas.h>

__attribute__((constructor)) static void one_blas_thread(void) { openblas_set_num_threads(1); }

void gemm_nn(size_t m, size_t n, size_t k, const float *a, const float *b, float *c)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)m, (int)n, (int)k, 1, a, (int)k, b, (int)n, 1,
                c, (int)n);
}

void gemm_nt(size_t m, size_t n, size_t k, const float *a, const float *b, float *c)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)m, (int)n, (int)k, 1, a, (int)k, b, (int)k, 1,
                c, (int)n);
}

void gemm_tn(size_t m, size_t n, size_t k, const float *a, const float *b, float *c)
{
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)m, (int)n, (int)k, 1, a, (int)m, b, (int)n, 1,
                c, (int)n);
}
