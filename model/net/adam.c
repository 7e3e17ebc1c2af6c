/* model/net/adam.c - see cxrd/training.h. The bias corrections are computed in double once a step, so that long
 * runs do not lose them to rounding; the moments are float32. */
#include "cxrd/training.h"

#include <math.h>
#include <stdlib.h>

static const double BETA1 = 0.9, BETA2 = 0.999;
static const float EPSILON = 1e-7f;

enum status adam_init(struct adam *a, size_t n, struct error *err)
{
    *a = (struct adam){ .n = n, .m = calloc(n, sizeof *a->m), .v = calloc(n, sizeof *a->v) };
    if (!a->m || !a->v) {
        adam_release(a);
        return error_nomem(err);
    }
    return ST_OK;
}

void adam_release(struct adam *a)
{
    free(a->m);
    free(a->v);
    *a = (struct adam){ 0 };
}

void adam_update(struct adam *a, const float *gradients, double learning_rate, double weight_decay,
                 float *params)
{
    const double t = (double)++a->steps;
    const float step = (float)(learning_rate * sqrt(1 - pow(BETA2, t)) / (1 - pow(BETA1, t)));
    const float keep = (float)(1 - learning_rate * weight_decay);
    const float to_m = (float)(1 - BETA1), to_v = (float)(1 - BETA2);

    for (size_t i = 0; i < a->n; i++) {
        const float g = gradients[i];

        a->m[i] += (g - a->m[i]) * to_m;
        a->v[i] += (g * g - a->v[i]) * to_v;
        params[i] = params[i] * keep - step * a->m[i] / (sqrtf(a->v[i]) + EPSILON);
    }
}
