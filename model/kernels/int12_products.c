/* model/kernels/int12_products.c - products of panel matrices of words, see int12.h: the register tile of gemm.c, in integers. The
 * build compiles it once more for processors that multiply and add words in one instruction (AVX-512 VNNI). */
#include "int12.h"

#if VL == 16
enum { MR = 8 };
#else
enum { MR = 6 };
#endif

/* sum + the products of a word's lower and upper halves */
ALWAYS_INLINE vi dot(vi sum, vi a, vi b)
{
#if VL == 16 && defined __AVX512VNNI__
    return (vi)_mm512_dpwssd_epi32((__m512i)sum, (__m512i)a, (__m512i)b);
#elif VL == 16
    return sum + (vi)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif VL == 8
    return sum + (vi)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#else
    return sum + (((a << 16) >> 16) * ((b << 16) >> 16) + (a >> 16) * (b >> 16));
#endif
}

ALWAYS_INLINE vf scaled(vi sum, vf scale, float by) { return __builtin_convertvector(sum, vf) * scale * by; }

ALWAYS_INLINE void tile(const size_t mr, size_t T, size_t K, const int32_t *a, const int32_t *b,
                        const float *a_scale, const float *b_scale, float *c)
{
    const vf scale0 = load(b_scale), scale1 = load(b_scale + VL);
    vi sum[8][NV];

    for (size_t r = 0; r < mr; r++)
        sum[r][0] = sum[r][1] = (vi){ 0 };
    for (size_t kb = 0; kb < K / P; kb++, a += T * VL)
        for (size_t k = 0; k < VL; k++, b += P) {
            const vi b0 = *(const vi *)b, b1 = *(const vi *)(b + VL);

#pragma GCC unroll 8
            for (size_t r = 0; r < mr; r++) {
                const vi word = a[r * VL + k] + (vi){ 0 };

                sum[r][0] = dot(sum[r][0], word, b0);
                sum[r][1] = dot(sum[r][1], word, b1);
            }
        }
    for (size_t r = 0; r < mr; r++) {
        store(c + r * P, scaled(sum[r][0], scale0, a_scale[r]));
        store(c + r * P + VL, scaled(sum[r][1], scale1, a_scale[r]));
    }
}

void PRODUCTS(int12_products)(size_t T, size_t K, size_t N, const int32_t *a, const int32_t *b,
                              const float *a_scale, const float *b_scale, float *c)
{
    for (size_t nb = 0; nb < N / P; nb++, b += K * VL, b_scale += P, c += T * P) {
        size_t t = 0;

        for (; t + MR <= T; t += MR)
            tile(MR, T, K, a + t * VL, b, a_scale + t, b_scale, c + t * P);
        switch (T - t) { /* a constant each, so that the sums stay in registers */
        case 1: tile(1, T, K, a + t * VL, b, a_scale + t, b_scale, c + t * P); break;
        case 2: tile(2, T, K, a + t * VL, b, a_scale + t, b_scale, c + t * P); break;
        case 3: tile(3, T, K, a + t * VL, b, a_scale + t, b_scale, c + t * P); break;
        case 4: tile(4, T, K, a + t * VL, b, a_scale + t, b_scale, c + t * P); break;
        case 5: tile(5, T, K, a + t * VL, b, a_scale + t, b_scale, c + t * P); break;
        case 6: tile(6, T, K, a + t * VL, b, a_scale + t, b_scale, c + t * P); break;
        case 7: tile(7, T, K, a + t * VL, b, a_scale + t, b_scale, c + t * P); break;
        default: break;
        }
    }
}
