/* tests/support/plan_gap.c - see plan_gap.h. */
#include "plan_gap.h"

#include "cxrd/labels.h"
#include "cxrd/rng.h"
#include "model/core/floats.h"
#include "plain_network.h"
#include "plan_run.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

float *random_floats(size_t n, uint64_t seed)
{
    float *values = floats_new(n);
    struct rng rng;

    rng_seed(&rng, seed, 4);
    for (size_t i = 0; i < n; i++)
        values[i] = rng_uniform(&rng, -1, 1);
    return values;
}

/* The largest difference, of the largest of both or 1. */
double difference(const float *a, const float *b, size_t n)
{
    double most = 0, scale = 1;

    for (size_t i = 0; i < n; i++) {
        const double gap = fabs((double)a[i] - (double)b[i]);

        most = isnan(gap) ? INFINITY : fmax(most, gap);
        scale = fmax(scale, fmax(fabs((double)a[i]), fabs((double)b[i])));
    }
    return most / scale;
}

/* How far the plan's logits are from the layers'. */
double gap_of_logits(const struct network *net, const struct kernels *k, const float *values, const float *x)
{
    float logits[IMAGES * MAX_LABELS], truth[IMAGES * MAX_LABELS];

    plan_forward(net, k, values, NULL, IMAGES, x, NULL, logits);
    cr_assert_eq(plain_forward(net, values, IMAGES, x, truth), ST_OK);
    return difference(logits, truth, IMAGES * net->n_labels);
}

/* The largest difference of a tensor, of its largest slope or the tenth part of the largest of all: of
 * slopes that cancel only rounding is left. */
static double difference_by_tensor(const struct network *net, const float *a, const float *b)
{
    double all = 1e-6, worst = 0;

    for (size_t i = 0; i < net->n_params; i++)
        all = fmax(all, fabs((double)b[i]));
    for (size_t i = 0; i < net->n_tensors; i++) {
        const struct tensor *t = &net->tensors[i];
        double most = 0, scale = all / 10;

        for (size_t j = t->offset; j < t->offset + t->count && !t->state; j++) {
            const double gap = fabs((double)a[j] - (double)b[j]);

            most = isnan(gap) ? INFINITY : fmax(most, gap);
            scale = fmax(scale, fabs((double)b[j]));
        }
        worst = fmax(worst, most / scale);
    }
    return worst;
}

/* The statistics of a few pictures can be the difference of nearly equal numbers: what a slope loses there is told of the largest of
 * all alone. */
static double difference_of_slopes(const struct network *net, enum norms norms, const float *a,
                                   const float *b)
{
    return norms == NORMS_BATCH && net->n_state > 0 ? difference(a, b, net->n_params)
                                                    : difference_by_tensor(net, a, b);
}

/* The results of a batch: the gradient [n_params] and the running statistics [n_state]. */
struct outcome {
    float *gradients, *state;
};

static struct outcome outcome_new(const struct network *net, const float *values)
{
    const struct outcome o = { floats_new(net->n_params), floats_new(net->n_state) };

    memcpy(o.state, values + net->n_params, net->n_state * sizeof *o.state);
    return o;
}

static void outcome_release(struct outcome *o)
{
    free(o->gradients);
    free(o->state);
}

static double outcome_gap(const struct network *net, enum norms norms, const struct outcome *a,
                          const struct outcome *b)
{
    return fmax(difference_of_slopes(net, norms, a->gradients, b->gradients),
                difference(a->state, b->state, net->n_state));
}

/* Truths of random pictures and labels: some findings. */
static void truths_fill(float *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (float)(i % 3 == 0);
}

/* The layers' outcome; k: NULL: in the shards of a training, else in one. */
static struct outcome outcome_by_layers(const struct network *net, const struct kernels *k,
                                        const struct way *way, const float *values, const float *x)
{
    struct outcome o = outcome_new(net, values);
    float logits[MOST_IMAGES * MAX_LABELS], y[MOST_IMAGES * MAX_LABELS];
    const struct plain_norms norms = { k ? 1 : way->shards, way->norms, MOMENTUM,
                                       way->norms == NORMS_BATCH ? o.state : NULL };

    truths_fill(y, way->images * net->n_labels);
    cr_assert_eq(plain_batch_gradient(net, values,
                                      &(struct training_batch){ .n = way->images, .x = x, .y = y }, &norms,
                                      logits, o.gradients),
                 ST_OK);
    return o;
}

/* The plan's. k: an instruction set's, but for the head's gradient, which is the layers'; NULL: a training's. */
static struct outcome outcome_by_plan(const struct network *net, const struct kernels *k,
                                      const struct way *way, const float *values, const float *x,
                                      const struct outcome *layers)
{
    struct outcome o = outcome_new(net, values);
    float logits[MOST_IMAGES * MAX_LABELS], y[MOST_IMAGES * MAX_LABELS];
    const struct training_batch batch = { .n = way->images, .x = x, .y = y };
    struct training *t;
    double loss;

    truths_fill(y, way->images * net->n_labels);
    if (k) {
        const size_t before_head =
            net->nodes[net->n_nodes - 1].params; /* of what nobody reads there is no op */

        memcpy(o.gradients + before_head, layers->gradients + before_head,
               (net->n_params - before_head) * sizeof *o.gradients);
        plan_gradient(net, k, way->norms, MOMENTUM, values, &batch, o.gradients, o.state);
        return o;
    }
    cr_assert_eq(training_new(net, way->shards, way->images, way->norms, NULL, NULL, &t, NULL), ST_OK);
    memcpy(training_params(t), values, (net->n_params + net->n_state) * sizeof *values);
    cr_assert_eq(training_batch_gradient(t, &batch, logits, &loss), ST_OK);
    training_follow(t, MOMENTUM);
    memcpy(o.gradients, training_gradients(t), net->n_params * sizeof *o.gradients);
    memcpy(o.state, training_params(t) + net->n_params, net->n_state * sizeof *o.state);
    training_free(t);
    return o;
}

/* How far the plan's gradient and running statistics are from the layers'. */
double gradient_gap_at(const struct network *net, const struct kernels *k, const struct way *way,
                       const float *values, const float *x)
{
    struct outcome layers = outcome_by_layers(net, k, way, values, x);
    struct outcome found = outcome_by_plan(net, k, way, values, x, &layers);
    const double gap = outcome_gap(net, way->norms, &found, &layers);

    outcome_release(&layers);
    outcome_release(&found);
    return gap;
}
