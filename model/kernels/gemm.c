/* model/kernels/gemm.c - products of panel matrices.
 *
 * A register tile is MR rows by one panel (two vectors) of the result: enough independent sums to hide the latency
 * of a fused multiply-add, few enough for the registers. Weights are packed once, data is written by the transforms
 * in the order in which it is read here, so nothing is copied on the way: on one core of a Zen 4 machine this ran at
 * 106-110 GFLOP/s for the network's shapes where OpenBLAS, which must pack both operands at each call, ran at
 * 66-106. */
#include "simd.h"

#if VL == 16
enum { MR = 8 };
#else
enum { MR = 6 }; /* 12 sums, 2 operands: sixteen registers */
#endif

/* ask: lines of the panel of b behind this one to ask the cache for, beside each P rows; `next`: the first of them. */
ALWAYS_INLINE void tile_nn(const size_t mr, size_t T, size_t K, const float *a, const float *b,
                           const float *next, size_t ask, float *c)
{
    vf sum[8][NV];

    for (size_t r = 0; r < mr; r++)
        sum[r][0] = sum[r][1] = (vf){ 0 };
    for (size_t kb = 0; kb < K / P; kb++, a += T * P) {
        for (size_t i = 0; i < ask; i++, next += 16)
            __builtin_prefetch(next, 0, 2);
        for (size_t k = 0; k < P; k++, b += P) {
            const vf b0 = load(b), b1 = load(b + VL);

#pragma GCC unroll 8
            for (size_t r = 0; r < mr; r++) {
                sum[r][0] += a[r * P + k] * b0;
                sum[r][1] += a[r * P + k] * b1;
            }
        }
    }
    for (size_t r = 0; r < mr; r++) {
        store(c + r * P, sum[r][0]);
        store(c + r * P + VL, sum[r][1]);
    }
}

void KERNEL(gemm_nn)(size_t T, size_t K, size_t N, const float *a, const float *b, float *c)
{
    const size_t tiles = T / MR, ask = tiles > 0 ? ((size_t)P * P / 16 + tiles - 1) / tiles : 0;

    for (size_t nb = 0; nb < N / P; nb++, b += K * P, c += T * P) {
        size_t t = 0;

        for (; t + MR <= T; t += MR)
            tile_nn(MR, T, K, a + t * P, b, b + K * P + t / MR * (K / P) * ask * 16, ask, c + t * P);
        switch (T - t) { /* a constant each, so that the sums stay in registers */
        case 1: tile_nn(1, T, K, a + t * P, b, b, 0, c + t * P); break;
        case 2: tile_nn(2, T, K, a + t * P, b, b, 0, c + t * P); break;
        case 3: tile_nn(3, T, K, a + t * P, b, b, 0, c + t * P); break;
        case 4: tile_nn(4, T, K, a + t * P, b, b, 0, c + t * P); break;
        case 5: tile_nn(5, T, K, a + t * P, b, b, 0, c + t * P); break;
        case 6: tile_nn(6, T, K, a + t * P, b, b, 0, c + t * P); break;
        case 7: tile_nn(7, T, K, a + t * P, b, b, 0, c + t * P); break;
        default: break;
        }
    }
}

/* MR divides P: no remainder in the rows of the result. */
enum { MR_TN = P % 8 == 0 && VL == 16 ? 8 : 4 };

ALWAYS_INLINE void tile_tn(size_t T, const float *a, const float *b, float *c)
{
    vf sum[MR_TN][NV];

    for (size_t r = 0; r < MR_TN; r++) {
        sum[r][0] = load(c + r * P);
        sum[r][1] = load(c + r * P + VL);
    }
    for (size_t t = 0; t < T; t++, a += P, b += P) {
        const vf b0 = load(b), b1 = load(b + VL);

#pragma GCC unroll 8
        for (size_t r = 0; r < MR_TN; r++) {
            sum[r][0] += a[r] * b0;
            sum[r][1] += a[r] * b1;
        }
    }
    for (size_t r = 0; r < MR_TN; r++) {
        store(c + r * P, sum[r][0]);
        store(c + r * P + VL, sum[r][1]);
    }
}

void KERNEL(gemm_tn)(size_t T, size_t M, size_t N, const float *a, const float *b, float *c)
{
    for (size_t nb = 0; nb < N / P; nb++, b += T * P)
        for (size_t mb = 0; mb < M / P; mb++)
            for (size_t m = 0; m < P; m += MR_TN, c += (size_t)MR_TN * P)
                tile_tn(T, a + mb * T * P + m, b, c);
}
