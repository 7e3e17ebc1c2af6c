/* model/net/gemm.h - the products a network needs, over OpenBLAS at one thread; row-major, all add to c [m][n].
 *   gemm_nn  a [m][k]  b [k][n]      gemm_nt  a [m][k]  b [n][k]      gemm_tn  a [k][m]  b [k][n] */
#ifndef MODEL_NET_GEMM_H
#define MODEL_NET_GEMM_H

#include <stddef.h>

void gemm_nn(size_t m, size_t n, size_t k, const float *a, const float *b, float *c);
void gemm_nt(size_t m, size_t n, size_t k, const float *a, const float *b, float *c);
void gemm_tn(size_t m, size_t n, size_t k, const float *a, const float *b, float *c);

#endif
