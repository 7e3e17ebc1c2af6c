/* model/kernels/simd.h - vectors, for the sources that are compiled once for each instruction set.
 *
 * GCC's and clang's vector extensions: the same source becomes 512-, 256- or 128-bit instructions, whatever the
 * target has. The build defines KERNELS_ISA (a name) and VL (floats in a vector). */
#ifndef MODEL_KERNELS_SIMD_H
#define MODEL_KERNELS_SIMD_H

#include "kernels.h"

#if VL > 4
#include <immintrin.h>
#endif

#if !defined KERNELS_ISA || !defined VL
#error "compiled once for each instruction set, see CMakeLists.txt"
#endif

enum {
    NV = 2,     /* vectors in a panel */
    P = NV * VL /* floats in a panel's row */
};

typedef float vf __attribute__((vector_size(VL * 4), may_alias));
typedef float v4 __attribute__((vector_size(16), may_alias));
typedef int32_t vi __attribute__((vector_size(VL * 4), may_alias));
typedef uint8_t vb __attribute__((vector_size(VL), may_alias, aligned(VL)));

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* KERNEL(name) is name_avx512 and so on: each set's functions under names of their own. */
#define KERNEL_PASTE(name, isa)  name##_##isa
#define KERNEL_EXPAND(name, isa) KERNEL_PASTE(name, isa)
#define KERNEL(name)             KERNEL_EXPAND(name, KERNELS_ISA)

/* Those of which the avx512 set has two. */
#if !defined KERNELS_PRODUCTS
#define KERNELS_PRODUCTS KERNELS_ISA
#endif
#define PRODUCTS(name) KERNEL_EXPAND(name, KERNELS_PRODUCTS)

ALWAYS_INLINE vf load(const float *p) { return *(const vf *)p; }
ALWAYS_INLINE void store(float *p, vf v) { *(vf *)p = v; }

/* v where the mask is all ones, 0 where it is all zeros */
ALWAYS_INLINE vf where(vi mask, vf v) { return (vf)((vi)v & mask); }

/* a where it is larger, or smaller, else b: so b where either is NaN */
ALWAYS_INLINE vf larger(vf a, vf b)
{
#if VL == 16
    return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif VL == 8
    return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#else
    return (vf)(((vi)a & (a > b)) | ((vi)b & ~(a > b)));
#endif
}

ALWAYS_INLINE vf smaller(vf a, vf b)
{
#if VL == 16
    return (vf)_mm512_min_ps((__m512)a, (__m512)b);
#elif VL == 8
    return (vf)_mm256_min_ps((__m256)a, (__m256)b);
#else
    return (vf)(((vi)a & (a < b)) | ((vi)b & ~(a < b)));
#endif
}

/* table[k] for every k; of a k above 3 any of the four */
ALWAYS_INLINE vf look_up(const v4 *table, vi k)
{
#if VL == 16
    return (vf)_mm512_permutevar_ps(_mm512_broadcast_f32x4((__m128)*table), (__m512i)k);
#elif VL == 8
    return (vf)_mm256_permutevar_ps(_mm256_broadcast_ps((const __m128 *)table), (__m256i)k);
#else
    vf v;

    for (size_t i = 0; i < VL; i++)
        v[i] = (*table)[k[i] & 3];
    return v;
#endif
}

/* Row t of column panel k in a panel matrix with `rows` rows. */
ALWAYS_INLINE size_t panel_at(size_t k, size_t rows, size_t t) { return (k * rows + t) * P; }

/* Floats from one of the 36 matrices to the next. */
ALWAYS_INLINE size_t matrix_step(size_t rows, size_t columns) { return rows * columns + PANEL_PAD; }

/* ReLU and max-pool of four results; which of them won, if anyone asks. Of equal values the first wins. Comparing
 * would lose a NaN, and a sum that overflowed would end as an ordinary probability: so the four are added up, and the
 * sum minus itself, 0 for finite numbers and NaN for all others, is added to what won. */
ALWAYS_INLINE vf pool4(const vf q[4], uint8_t *won)
{
    const vf best = larger(larger(q[0], q[1]), larger(q[2], q[3])), sum = (q[0] + q[1]) + (q[2] + q[3]);
    const vi alive = best > 0;

    if (won) {
        vi k = 3 - (vi){ 0 };

        for (int i = 2; i >= 0; i--) {
            const vi is = q[i] == best;

            k = (is & i) | (~is & k);
        }
        k = (alive & k) | (~alive & NO_WINNER);
        *(vb *)won = __builtin_convertvector(k, vb);
    }
    return where(alive, best) + (sum - sum); /* NOLINT(misc-redundant-expression): see above */
}

/* ---- the functions of one set: struct kernels says what they do ---- */

#define KERNEL_DECLARE(name) __typeof__(*((struct kernels *)0)->name) KERNEL(name)

KERNEL_DECLARE(weights_transform);
KERNEL_DECLARE(gradient_transform);
KERNEL_DECLARE(block_forward);
KERNEL_DECLARE(block_backward);
KERNEL_DECLARE(int12_weights);
KERNEL_DECLARE(block_forward_int12);
KERNEL_DECLARE(first_forward);
KERNEL_DECLARE(first_backward);
KERNEL_DECLARE(head_sums);
KERNEL_DECLARE(convolution);
KERNEL_DECLARE(winograd);
KERNEL_DECLARE(winograd_int12);
KERNEL_DECLARE(depthwise);
KERNEL_DECLARE(max_pool);
KERNEL_DECLARE(mean_pool);
KERNEL_DECLARE(global_mean);
KERNEL_DECLARE(add);
KERNEL_DECLARE(multiply);
KERNEL_DECLARE(norm);
KERNEL_DECLARE(activate);
KERNEL_DECLARE(batch_sums);
KERNEL_DECLARE(batch_norm);
KERNEL_DECLARE(batch_slope_sums);
KERNEL_DECLARE(batch_slopes);
KERNEL_DECLARE(filters_slope);
KERNEL_DECLARE(winograd_slope);
KERNEL_DECLARE(depthwise_slope);
KERNEL_DECLARE(max_pool_slope);
KERNEL_DECLARE(mean_pool_slope);
KERNEL_DECLARE(add_slope);
KERNEL_DECLARE(multiply_slope);
KERNEL_DECLARE(activate_slope);

int12_products PRODUCTS(int12_products);
extern const struct kernels PRODUCTS(kernels);

/* c = a b: a [T x K], b [K x N], c [T x N], all in panels. */
void KERNEL(gemm_nn)(size_t T, size_t K, size_t N, const float *a, const float *b, float *c);

/* c += a' b: a [T x M], b [T x N], c [M x N], all in panels. */
void KERNEL(gemm_tn)(size_t T, size_t M, size_t N, const float *a, const float *b, float *c);

#endif
