/* model/net/adam.c - see cxrd/training.h. The bias corrections are computed in double once a step, so that long
 * runs do not lose them to rounding; the moments are float32. */
#include "cxrd/training.h"

#include <math.h>
#include <stdlib.h>

static const double BETA1 = 0.9, BETA2 = 0.999;
static const float EPSILON = 1e-7f;

enum { TASKS = 64 };

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

struct update {
    struct adam *a;
    const float *gradients;
    float step, keep, *params;
};

static void update_task(void *arg, size_t task, size_t thread)
{
    const struct update *u = arg;
    float *m = u->a->m, *v = u->a->v;
    const float to_m = (float)(1 - BETA1), to_v = (float)(1 - BETA2);
    const size_t end = task + 1 < TASKS ? (task + 1) * (u->a->n / TASKS) : u->a->n;

    (void)thread;
    for (size_t i = task * (u->a->n / TASKS); i < end; i++) {
        const float g = u->gradients[i];

        m[i] += (g - m[i]) * to_m;
        v[i] += (g * g - v[i]) * to_v;
        u->params[i] = u->params[i] * u->keep - u->step * m[i] / (sqrtf(v[i]) + EPSILON);
    }
}

void adam_update(struct adam *a, const float *gradients, double learning_rate, double weight_decay,
                 struct pool *pool, float *params)
{
    const double t = (double)++a->steps;
    struct update u = { .a = a,
                        .gradients = gradients,
                        .step = (float)(learning_rate * sqrt(1 - pow(BETA2, t)) / (1 - pow(BETA1, t))),
                        .keep = (float)(1 - learning_rate * weight_decay),
                        .params = params };

    pool_run(pool, TASKS, update_task, &u);
}
