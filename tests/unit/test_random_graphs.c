/* tests/unit/test_random_graphs.c - networks that nobody would draw, by the kernels: answers, gradients and a few steps of training,
 * on every instruction set, against the same in float64. See tests/support/double_graph.h for how far off they may be.
 *
 * Of 200 graphs each; GRAPHS=10000 in the environment is of so many, FIRST=2501 begins with another than the first, so that a machine
 * of four cores goes through ten thousand with
 *   for first in 1 2501 5001 7501; do GRAPHS=2500 FIRST=$first build/release/tests/test_random_graphs --verbose & done; wait
 * The steps of training go by the widest set there is, or by that which CXRD_SIMD names. Each test says what it found. */
#include "cxrd/labels.h"
#include "double_graph.h"
#include "double_net.h"
#include "leaks.h"
#include "model/core/floats.h"
#include "picture.h"
#include "plain_network.h"
#include "plan_run.h"
#include "random_graph.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const SETS[] = { "avx512vnni", "avx512", "avx2", "generic" };
enum { N_SETS = 4, MOST_IMAGES = 5, MOST_INPUTS = 3, STEPS = 3 };

/* How often roundings are drawn, and how often before a difference is one. */
enum { ROUNDINGS = 1, MANY_ROUNDINGS = 512 };

#define FACTOR   4       /* what is off by more than so many times the largest of them is wrong */
#define STORED   0x1p-22 /* of the largest number, besides: the result itself is a float */
#define MOMENTUM 0.3

static size_t number(const char *name, size_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoul(text, NULL, 10) : otherwise;
}

/* ---- a batch ---- */

struct drawn {
    const struct network *net;
    struct rng rng;
    float *values;
    float *x, y[MOST_IMAGES * MAX_LABELS], weights[MOST_IMAGES * MAX_LABELS],
        inputs[MOST_IMAGES * MOST_INPUTS];
    struct training_batch batch;
    struct double_norms norms;
};

static void fill(struct rng *rng, size_t n, float low, float high, float *values)
{
    for (size_t i = 0; i < n; i++)
        values[i] = rng_uniform(rng, low, high);
}

/* Another batch for the same network; its shards stay. */
static void batch_draw(struct drawn *d)
{
    const size_t n = between(&d->rng, 1, MOST_IMAGES);

    fill(&d->rng, n * shape_size(d->net->nodes[0].out), -1, 1, d->x);
    for (size_t i = 0; i < n * d->net->n_labels; i++)
        d->y[i] = rng_unit(&d->rng) < 0.3;
    d->batch = (struct training_batch){ .n = n, .x = d->x, .y = d->y };
}

static struct drawn *drawn_new(uint64_t seed, size_t nodes, int what)
{
    struct drawn *d = calloc(1, sizeof *d);

    cr_assert_not_null(d);
    d->net = random_graph(seed, nodes, random_graph_side(seed), what);
    d->values = random_graph_values(d->net, seed);
    d->x = floats_new(MOST_IMAGES * shape_size(d->net->nodes[0].out));
    rng_seed(&d->rng, seed, 4);
    d->norms = (struct double_norms){ (size_t)1 << below(&d->rng, 3),
                                      coin(&d->rng) ? NORMS_BATCH : NORMS_FROZEN, MOMENTUM };
    batch_draw(d);
    return d;
}

static void drawn_free(struct drawn *d)
{
    network_unref(d->net);
    free(d->values);
    free(d->x);
    free(d);
}

/* ---- the measure ---- */

/* The truth of a batch, and how far roundings move each part of it. */
struct truth {
    const struct drawn *of;
    const float *values;
    struct double_outcome exact;
    double *moved; /* [parts] */
    uint64_t roundings;
};

static void truth_round(struct truth *t, uint64_t roundings)
{
    const struct network *net = t->of->net;

    for (; t->roundings < roundings; t->roundings++) {
        struct double_outcome o =
            double_graph(net, t->values, &t->of->batch, &t->of->norms, t->roundings + 1);

        for (size_t i = 0; i < outcome_parts(net); i++) {
            const struct outcome_part p = outcome_part(net, t->of->batch.n, i);

            for (size_t k = p.at; k < p.at + p.count; k++)
                t->moved[i] = fmax(t->moved[i], fabs(o.logits[k] - t->exact.logits[k]));
        }
        double_outcome_release(&o);
    }
}

/* d->batch at these values. */
static struct truth truth_of(const struct drawn *d, const float *values)
{
    struct truth t = { .of = d, .values = values };

    t.exact = double_graph(d->net, values, &d->batch, &d->norms, 0);
    t.moved = calloc(outcome_parts(d->net), sizeof *t.moved);
    cr_assert_not_null(t.moved);
    truth_round(&t, ROUNDINGS);
    return t;
}

static void truth_release(struct truth *t)
{
    double_outcome_release(&t->exact);
    free(t->moved);
}

static double largest(size_t n, const double *values)
{
    double most = 0;

    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(values[i]));
    return most;
}

/* How far a part is off, as a multiple of what it may be. */
static double off_of_part(const struct truth *t, const float *found, size_t i)
{
    const struct outcome_part p = outcome_part(t->of->net, t->of->batch.n, i);
    const double *exact = t->exact.logits + p.at;
    const double allowed = FACTOR * t->moved[i] + STORED * largest(p.count, exact);
    double most = 0;

    for (size_t k = 0; k < p.count; k++) {
        const double gap = fabs((double)found[p.at + k] - exact[k]);

        most = isfinite(gap) ? fmax(most, gap) : INFINITY;
    }
    return most > 0 ? most / allowed : 0;
}

/* Which parts of an outcome somebody computed. */
enum judged { LOGITS = 1, BEFORE_HEAD = 2, HEAD = 4, STATE = 8 };

static bool is_judged(const struct network *net, size_t i, int what)
{
    const struct tensor *t = i > 0 ? &net->tensors[i - 1] : NULL;

    if (!t)
        return what & LOGITS;
    if (t->state)
        return what & STATE;
    return what & (t->offset < net->nodes[net->n_nodes - 1].params ? BEFORE_HEAD : HEAD);
}

/* The part that is off by most, as a multiple of what it may be. A part that seems wrong is held against more roundings first: where a
 * value lies beside a kink, few of them cross it. */
static double off_by(struct truth *t, const float *found, int what, const char **ret_part)
{
    double worst = 0;

    for (size_t i = 0; i < outcome_parts(t->of->net); i++) {
        double off = is_judged(t->of->net, i, what) ? off_of_part(t, found, i) : 0;

        while (off > 1 && off < INFINITY && t->roundings < MANY_ROUNDINGS) {
            truth_round(t, 2 * t->roundings);
            off = off_of_part(t, found, i);
        }
        if (off > worst) {
            worst = off;
            *ret_part = outcome_part(t->of->net, t->of->batch.n, i).name;
        }
    }
    return worst;
}

/* Whether roundings move a part that is judged by more than a thousandth of the largest number of its kind: then little is said of it. */
static bool is_loose(const struct truth *t, int what)
{
    const struct network *net = t->of->net;
    const size_t n_logits = t->of->batch.n * net->n_labels;
    const double logits = largest(n_logits, t->exact.logits),
                 slopes = largest(net->n_params, t->exact.gradients),
                 state = largest(net->n_state, t->exact.state);

    for (size_t i = 0; i < outcome_parts(net); i++) {
        const double size = i == 0 ? logits : net->tensors[i - 1].state ? state : slopes;

        if (is_judged(net, i, what) && t->moved[i] > 1e-3 * size)
            return true;
    }
    return false;
}

/* ---- all graphs ---- */

/* The findings about one graph. */
struct found {
    double off; /* of what it may be */
    char where[80];
    bool loose;
};

static void found_take(struct found *f, double off, const char *who, const char *part)
{
    if (off <= f->off)
        return;
    f->off = off;
    snprintf(f->where, sizeof f->where, "%s, %s", who, part);
}

typedef struct found graph_check(uint64_t seed, size_t nodes);

/* The fewest nodes of a seed with which it still fails. */
static size_t fewest(graph_check *check, uint64_t seed, size_t nodes)
{
    size_t least = 2;

    while (least < nodes && check(seed, least).off <= 1)
        least++;
    return least;
}

static void check_all(const char *what, graph_check *check)
{
    const size_t first = number("FIRST", 1), graphs = number("GRAPHS", 200);
    struct found worst = { 0 };
    size_t loose = 0, wrong = 0;

    for (uint64_t seed = first; seed < first + graphs; seed++) {
        const size_t nodes = random_graph_nodes(seed);
        const struct found f = check(seed, nodes);

        loose += f.loose;
        if (f.off > 1) {
            const size_t least = fewest(check, seed, nodes);
            const struct found small = check(seed, least);

            wrong++;
            cr_expect_fail(
                "%s, seed %zu: %.3g of what roundings allow with %zu nodes (%s), %.3g with %zu (%s)", what,
                (size_t)seed, f.off, nodes, f.where, small.off, least, small.where);
        }
        if (f.off > worst.off)
            worst = f;
    }
    printf("%s: graphs %zu to %zu, %zu wrong, at worst %.3g of what roundings allow (%s); %zu say little\n",
           what, first, first + graphs - 1, wrong, worst.off, worst.where, loose);
    check_no_leaks();
}

/* ---- answers ---- */

static struct found answers(uint64_t seed, size_t nodes)
{
    struct drawn *d = drawn_new(seed, nodes, RANDOM_BLOCKS);
    float *logits = floats_new(d->batch.n * d->net->n_labels);
    struct found f = { 0 };
    struct truth t;
    const char *part;

    d->norms.norms = NORMS_FROZEN;
    d->batch.y = NULL;
    t = truth_of(d, d->values);
    f.loose = is_loose(&t, LOGITS);
    cr_assert_eq(plain_forward(d->net, d->values, d->batch.n, d->x, logits), ST_OK);
    found_take(&f, off_by(&t, logits, LOGITS, &part), "layers", "logits");
    for (size_t i = 0; i < N_SETS; i++) {
        const struct kernels *k = kernels_named(SETS[i]);

        if (!k)
            continue;
        plan_forward(d->net, k, d->values, NULL, d->batch.n, d->x, NULL, logits);
        found_take(&f, off_by(&t, logits, LOGITS, &part), k->name, "logits");
    }
    truth_release(&t);
    free(logits);
    drawn_free(d);
    return f;
}

Test(random_graphs, answer_as_in_float64) { check_all("answers", answers); }

/* ---- gradients ---- */

/* The block of an outcome in float32, the state as it is before. */
static float *outcome_new(const struct drawn *d, const float *values)
{
    const size_t logits = d->batch.n * d->net->n_labels;
    float *found = floats_new(outcome_size(d->net, d->batch.n));

    memcpy(found + logits + d->net->n_params, values + d->net->n_params, d->net->n_state * sizeof *values);
    return found;
}

static double off_of_layers(struct truth *t, const char **ret_part)
{
    const struct drawn *d = t->of;
    const size_t n_logits = d->batch.n * d->net->n_labels;
    float *found = outcome_new(d, d->values);
    const struct plain_norms norms = { d->norms.n_shards, d->norms.norms, MOMENTUM,
                                       d->norms.norms == NORMS_BATCH ? found + n_logits + d->net->n_params
                                                                     : NULL };
    double off;

    cr_assert_eq(plain_batch_gradient(d->net, d->values, &d->batch, &norms, found, found + n_logits), ST_OK);
    off = off_by(t, found, LOGITS | BEFORE_HEAD | HEAD | STATE, ret_part);
    free(found);
    return off;
}

static double off_of_set(struct truth *t, const struct kernels *k, const char **ret_part)
{
    const struct drawn *d = t->of;
    const size_t n_logits = d->batch.n * d->net->n_labels;
    float *found = outcome_new(d, d->values);
    double off;

    plan_gradient(d->net, k, d->norms.norms, MOMENTUM, d->values, &d->batch, found + n_logits,
                  found + n_logits + d->net->n_params);
    off = off_by(t, found, BEFORE_HEAD | STATE, ret_part);
    free(found);
    return off;
}

/* One shard: what a thread does with its pictures. */
static struct found gradients(uint64_t seed, size_t nodes)
{
    struct drawn *d = drawn_new(seed, nodes, RANDOM_BLOCKS);
    struct found f = { 0 };
    struct truth t;
    const char *part = "";
    double off;

    d->norms.n_shards = 1;
    t = truth_of(d, d->values);
    f.loose = is_loose(&t, BEFORE_HEAD | HEAD | STATE);
    off = off_of_layers(&t, &part);
    found_take(&f, off, "layers", part);
    for (size_t i = 0; i < N_SETS; i++) {
        const struct kernels *k = kernels_named(SETS[i]);

        if (!k)
            continue;
        off = off_of_set(&t, k, &part);
        found_take(&f, off, k->name, part);
    }
    truth_release(&t);
    drawn_free(d);
    return f;
}

Test(random_graphs, have_the_gradients_of_float64) { check_all("gradients", gradients); }

/* ---- steps of training ---- */

static const enum norms NORMS[] = { NORMS_BATCH, NORMS_FROZEN, NORMS_FROZEN_BACKBONE };

/* All that a recipe does to a batch, each now and then. */
static void recipe_draw(struct drawn *d)
{
    const size_t L = d->net->n_labels, k = d->net->n_inputs;

    batch_draw(d);
    fill(&d->rng, MOST_IMAGES * L, 0.1f, 5, d->weights);
    fill(&d->rng, MOST_IMAGES * k, -2, 2, d->inputs);
    d->batch.weights = coin(&d->rng) ? d->weights : NULL;
    d->batch.inputs = k > 0 ? d->inputs : NULL;
    d->batch.dropout = coin(&d->rng) ? 0.4 : 0;
    d->batch.dropout_seed = rng_next(&d->rng);
}

/* Adam in float64 beside that of the training, from the same gradients. */
struct twin {
    struct adam adam;
    double *gradients, *m, *v, *params;
};

static double *doubles(size_t n)
{
    double *values = calloc(n + 1, sizeof *values);

    cr_assert_not_null(values);
    return values;
}

static struct twin twin_new(size_t n)
{
    struct twin t = { { 0 }, doubles(n), doubles(n), doubles(n), doubles(n) };

    cr_assert_eq(adam_init(&t.adam, n, NULL), ST_OK);
    return t;
}

static void twin_release(struct twin *t)
{
    adam_release(&t->adam);
    free(t->gradients);
    free(t->m);
    free(t->v);
    free(t->params);
}

#define RATE 1e-3

/* One step of the parameters of a group, which the gradients of `training` move; returns how far off it is, of a rounding of the
 * parameter and a ten thousandth of a step. */
static double twin_step(struct twin *t, const struct adam_group *group, struct training *training,
                        struct pool *pool)
{
    const size_t n = group->end - group->begin;
    float *params = training_params(training) + group->begin;
    const float *gradients = training_gradients(training);
    double worst = 0;

    for (size_t i = 0; i < n; i++) {
        t->gradients[i] = (double)gradients[group->begin + i];
        t->params[i] = (double)params[i];
    }
    adam_update(&t->adam, gradients, 1, group, 1, pool, training_params(training));
    double_adam(n, (double)t->adam.steps, group->learning_rate, group->weight_decay, t->gradients, t->m, t->v,
                t->params);
    for (size_t i = 0; i < n; i++)
        worst = fmax(worst, fabs((double)params[i] - t->params[i]) /
                                (0x1p-22 * fabs(t->params[i]) + 1e-4 * group->learning_rate));
    return worst;
}

/* Every step from where the training stands: what it computes there, and where it goes. */
static void step(struct drawn *d, struct training *t, struct twin *twin, const struct adam_group *group,
                 struct pool *pool, struct found *f)
{
    const size_t n_values = d->net->n_params + d->net->n_state, n_logits = d->batch.n * d->net->n_labels;
    float *values = floats_new(n_values), *found = floats_new(outcome_size(d->net, d->batch.n));
    const char *part = "";
    struct truth truth;
    double loss, off;

    memcpy(values, training_params(t), n_values * sizeof *values);
    cr_assert_eq(training_batch_gradient(t, &d->batch, found, &loss), ST_OK);
    training_follow(t, MOMENTUM);
    memcpy(found + n_logits, training_gradients(t), d->net->n_params * sizeof *found);
    memcpy(found + n_logits + d->net->n_params, training_params(t) + d->net->n_params,
           d->net->n_state * sizeof *found);
    truth = truth_of(d, values);
    f->loose = f->loose || is_loose(&truth, LOGITS | BEFORE_HEAD | HEAD | STATE);
    off = off_by(&truth, found, LOGITS | BEFORE_HEAD | HEAD | STATE, &part);
    found_take(f, off, "training", part);
    found_take(f, twin_step(twin, group, t, pool), "training", "Adam's step");
    truth_release(&truth);
    free(found);
    free(values);
}

static struct found trainings(uint64_t seed, size_t nodes)
{
    struct drawn *d = drawn_new(seed, nodes, RANDOM_BLOCKS | RANDOM_INPUTS);
    const struct network *net = d->net;
    struct adam_group group = { 0, net->n_params, RATE, 0.1 };
    struct found f = { 0 };
    struct pool *pool = NULL;
    struct training *t;
    struct twin twin;

    d->norms.norms = NORMS[below(&d->rng, 3)];
    if (d->norms.norms == NORMS_FROZEN_BACKBONE)
        group.begin = net->nodes[net->n_nodes - 1].params;
    twin = twin_new(net->n_params);
    cr_assert_eq(pool_new(between(&d->rng, 1, 3), POOL_NORMAL, &pool, NULL), ST_OK);
    cr_assert_eq(training_new(net, d->norms.n_shards, MOST_IMAGES, d->norms.norms, pool, NULL, &t, NULL),
                 ST_OK);
    memcpy(training_params(t), d->values, (net->n_params + net->n_state) * sizeof *d->values);
    for (size_t i = 0; i < STEPS; i++) {
        recipe_draw(d);
        step(d, t, &twin, &group, pool, &f);
    }
    training_free(t);
    pool_free(pool);
    twin_release(&twin);
    drawn_free(d);
    return f;
}

Test(random_graphs, learn_as_in_float64) { check_all("training", trainings); }
