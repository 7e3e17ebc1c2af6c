/* model/net/ops/gemm.h - matrix products over OpenBLAS at one thread; row-major, all add to c [m][n]. A matrix is a pointer
 * and the floats from one of its rows to the next.
 *   gemm_nn  a [m][k]  b [k][n]      gemm_tn  a [k][m]  b [k][n]      gemm_nt  a [m][k]  b [n][k] */
#ifndef MODEL_NET_OPS_GEMM_H
#define MODEL_NET_OPS_GEMM_H

#include <stddef.h>

void gemm_nn(size_t m, size_t n, size_t k, const float *a, size_t a_row, const float *b, size_t b_row,
             float *c, size_t c_row);
void gemm_tn(size_t m, size_t n, size_t k, const float *a, size_t a_row, const float *b, size_t b_row,
             float *c, size_t c_row);
void gemm_nt(size_t m, size_t n, size_t k, const float *a, size_t a_row, const float *b, size_t b_row,
             float *c, size_t c_row);

#endif
