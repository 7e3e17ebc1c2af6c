/* model/net/adam.c - see cxrd/training.h. The bias corrections are computed in double once a step, so that long
 * runs do not lose them to rounding; the moments are float32. */
#include "cxrd/training.h"

#include "stretch.h"

#include <assert.h>
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

struct update {
    struct adam *a;
    const float *gradients;
    float scale;
    double correction; /* of the step size, for moments that began at 0 */
    const struct adam_group *groups;
    size_t n_groups;
    float *params;
};

/* Parameters begin..end-1, all of one group. */
static void move(const struct update *u, const struct adam_group *group, size_t begin, size_t end)
{
    const float to_m = (float)(1 - BETA1), to_v = (float)(1 - BETA2), scale = u->scale;
    const float step = (float)(group->learning_rate * u->correction);
    const float keep = (float)(1 - group->learning_rate * group->weight_decay);
    float *restrict m = u->a->m, *restrict v = u->a->v, *restrict params = u->params;

    for (size_t i = begin; i < end; i++) {
        const float g = u->gradients[i] * scale;

        m[i] += (g - m[i]) * to_m;
        v[i] += (g * g - v[i]) * to_v;
        params[i] = params[i] * keep - step * m[i] / (sqrtf(v[i]) + EPSILON);
    }
}

static void update_task(void *arg, size_t task, size_t thread)
{
    const struct update *u = arg;
    const size_t begin = stretch_begin(u->a->n, task), end = stretch_begin(u->a->n, task + 1);

    (void)thread;
    for (size_t i = 0; i < u->n_groups; i++) {
        const struct adam_group *g = &u->groups[i];

        move(u, g, g->begin > begin ? g->begin : begin, g->end < end ? g->end : end);
    }
}

void adam_update(struct adam *a, const float *gradients, double scale, const struct adam_group *groups,
                 size_t n_groups, struct pool *pool, float *params)
{
    const double t = (double)++a->steps;
    struct update u = { .a = a,
                        .gradients = gradients,
                        .scale = (float)scale,
                        .correction = sqrt(1 - pow(BETA2, t)) / (1 - pow(BETA1, t)),
                        .groups = groups,
                        .n_groups = n_groups,
                        .params = params };

    for (size_t i = 0; i < n_groups; i++)
        assert(groups[i].begin <= groups[i].end && groups[i].end <= a->n);
    pool_run(pool, STRETCHES, update_task, &u);
}
