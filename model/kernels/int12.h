/* model/kernels/int12.h - Winograd's products in integers of 12 bits: half as many instructions as in float32.
 *
 * A word is two integers of 16 bits, of channels that lie VL apart in their panel: c in the lower half, c + VL in the upper one. One
 * instruction multiplies both with the two of another word and adds the products up. With INT12_CHANNELS the sums of 32 bits leave
 * room for 12 bits, with fewer channels for more: int12_most(). V has a scale for each tile and point, so that a tile's results
 * depend on nothing beside it; U has one for each point and result. */
#ifndef MODEL_KERNELS_INT12_H
#define MODEL_KERNELS_INT12_H

#include "winograd_tiles.h"

#include <math.h>

/* The largest integer, of either sign: C products of two of them are less than 2^31. */
ALWAYS_INLINE float int12_most(size_t C) { return (float)(int)sqrt((double)INT32_MAX / (double)C); }

/* Below it numbers count as zero: a scale is never 0, and its inverse is finite. */
static const float INT12_LEAST = 1e-30f;

/* The bits of |v|: as integers they are ordered as the numbers are, infinity and NaN above all others. */
ALWAYS_INLINE vi magnitude(vf v) { return (vi)v & 0x7fffffff; }

ALWAYS_INLINE vi most_of(vi a, vi b)
{
#if VL == 16
    return (vi)_mm512_max_epi32((__m512i)a, (__m512i)b);
#elif VL == 8
    return (vi)_mm256_max_epi32((__m256i)a, (__m256i)b);
#else
    return (a & (a > b)) | (b & ~(a > b));
#endif
}

/* The largest of a vector's magnitudes, as a number. */
ALWAYS_INLINE float most_in(vi v)
{
    union {
        int32_t bits;
        float number;
    } most;

#if VL == 16
    most.bits = _mm512_reduce_max_epi32((__m512i)v);
#elif VL == 8
    __m128i half = _mm_max_epi32(_mm256_castsi256_si128((__m256i)v), _mm256_extracti128_si256((__m256i)v, 1));

    half = _mm_max_epi32(half, _mm_shuffle_epi32(half, 0x4e));
    most.bits = _mm_cvtsi128_si32(_mm_max_epi32(half, _mm_shuffle_epi32(half, 0xb1)));
#else
    most.bits = v[0];
    for (size_t i = 1; i < VL; i++)
        most.bits = v[i] > most.bits ? v[i] : most.bits;
#endif
    return most.number;
}

/* Two vectors of numbers no larger than int12_most(), to the nearest integers: added to 1.5 * 2^23 a float32 has no digits behind the
 * point left, and its lower 16 bits are the integer's. */
ALWAYS_INLINE vi words_of(vf lower, vf upper)
{
    const vf magic = (vf){ 0 } + 12582912;

    return ((vi)(lower + magic) & 0xffff) | ((vi)(upper + magic) << 16);
}

/* Words from one of the 36 matrices of V to the next. */
ALWAYS_INLINE size_t word_step(size_t rows, size_t columns) { return rows * columns / 2 + PANEL_PAD; }

/* A block's scratch. */
struct int12_scratch {
    float *m;     /* [36] matrices T x O */
    float *tile;  /* [36][C], with matrix_step(1, C) between them: V of one tile, before it is rounded */
    float *scale; /* [36][T] */
    int32_t *v;   /* [36][C / P][T][VL] */
};

ALWAYS_INLINE struct int12_scratch int12_scratch(float *scratch, size_t T, size_t C, size_t O)
{
    struct int12_scratch s = { .m = scratch, .tile = scratch + WINOGRAD_POINTS * matrix_step(T, O) };

    s.v = (int32_t *)(void *)(s.tile + WINOGRAD_POINTS * matrix_step(1, C));
    s.scale = s.tile + WINOGRAD_POINTS * (matrix_step(1, C) + word_step(T, C));
    return s;
}

/* V of a tile, as s->tile has it, into row t of words. */
ALWAYS_INLINE void tile_round(const struct int12_scratch *s, size_t T, size_t C, size_t t)
{
    const float largest = int12_most(C);

    for (size_t p = 0; p < WINOGRAD_POINTS; p++) {
        const float *v = s->tile + p * matrix_step(1, C);
        int32_t *words = s->v + p * word_step(T, C) + t * VL;
        vi magnitudes = magnitude((vf){ 0 } + INT12_LEAST);
        float most, inverse;

        for (size_t c = 0; c < C; c += VL)
            magnitudes = most_of(magnitudes, magnitude(load(v + c)));
        most = most_in(magnitudes);
        inverse = largest / most;
        s->scale[p * T + t] = most * (1 / largest);
        for (size_t c = 0; c < C; c += P, words += T * VL)
            *(vi *)words = words_of(load(v + c) * inverse, load(v + c + VL) * inverse);
    }
}

/* M from V and U, for all points. */
ALWAYS_INLINE void int12_multiply(const struct int12_scratch *s, size_t T, size_t C, size_t O,
                                  const struct int12_filters *u)
{
    for (size_t p = 0; p < WINOGRAD_POINTS; p++)
        u->products(T, C, O, s->v + p * word_step(T, C), u->words + p * C * O / 2, s->scale + p * T,
                    u->scale + p * O, s->m + p * matrix_step(T, O));
}

#endif
