/* model/kernels/int12_weights.c - Winograd's filters as words of integers, see int12.h. Each is transformed twice, once to find the
 * scales and once to be rounded: a model is prepared once, and needs no memory beside the words for that. */
#include "int12.h"
#include "winograd_filters.h"

/* U of input channel c to VL results from o on. */
ALWAYS_INLINE void points_of(size_t C, const float *w, const float *scale, size_t o, size_t c,
                             vf u[WINOGRAD_POINTS])
{
    vf g[9];

    gather_filters(w + (o * C + c) * 9, C * 9, g);
    for (size_t k = 0; k < 9 && scale; k++)
        g[k] *= load(scale + o);
    filter_transform(g, u);
}

static void scales_find(size_t C, const float *w, const float *scale, size_t o, vf ret[WINOGRAD_POINTS])
{
    vi most[WINOGRAD_POINTS];
    vf u[WINOGRAD_POINTS];

    for (size_t p = 0; p < WINOGRAD_POINTS; p++)
        most[p] = magnitude((vf){ 0 } + INT12_LEAST);
    for (size_t c = 0; c < C; c++) {
        points_of(C, w, scale, o, c, u);
        for (size_t p = 0; p < WINOGRAD_POINTS; p++)
            most[p] = most_of(most[p], magnitude(u[p]));
    }
    for (size_t p = 0; p < WINOGRAD_POINTS; p++)
        ret[p] = (vf)most[p] / int12_most(C);
}

void KERNEL(int12_weights)(size_t C, size_t O, const float *w, const float *scale, int32_t *words,
                           float *ret_scale)
{
    vf scales[WINOGRAD_POINTS], lower[WINOGRAD_POINTS], upper[WINOGRAD_POINTS];

    for (size_t o = 0; o < O; o += VL) {
        scales_find(C, w, scale, o, scales);
        for (size_t p = 0; p < WINOGRAD_POINTS; p++)
            store(ret_scale + p * O + o, scales[p]);
        for (size_t i = 0; i < C / 2; i++) {
            const size_t c = i / VL * P + i % VL;

            points_of(C, w, scale, o, c, lower);
            points_of(C, w, scale, o, c + VL, upper);
            for (size_t p = 0; p < WINOGRAD_POINTS; p++)
                *(vi *)(words + p * C * O / 2 + panel_at(o / P, C / 2, i) + o % P) =
                    words_of(lower[p] / scales[p], upper[p] / scales[p]);
        }
    }
}
