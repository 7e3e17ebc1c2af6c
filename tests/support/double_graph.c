/* tests/support/double_graph.c - see double_graph.h. */
#include "double_graph.h"

#include "double_layers.h"
#include "model/net/layer.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDING 0x1p-24 /* of a float */

struct pass {
    const struct network *net;
    const struct double_norms *norms;
    const double *values;
    size_t n;             /* pictures */
    double **y, **slopes; /* [nodes][n] */
    void **tapes;         /* [nodes][n] */
    double *factors;      /* [n][features of the head]; NULL: 1 */
    struct rng *rng;      /* NULL: nothing is rounded */
};

size_t outcome_size(const struct network *net, size_t n)
{
    return n * net->n_labels + net->n_params + net->n_state;
}

size_t outcome_parts(const struct network *net) { return 1 + net->n_tensors; }

struct outcome_part outcome_part(const struct network *net, size_t n, size_t i)
{
    const size_t logits = n * net->n_labels;
    const struct tensor *t = i > 0 ? &net->tensors[i - 1] : NULL;

    return t ? (struct outcome_part){ t->name, logits + t->offset, t->count }
             : (struct outcome_part){ "logits", 0, logits };
}

static void *room(size_t n, size_t size)
{
    void *memory = calloc(n + 1, size);

    assert(memory);
    return memory;
}

static double *widened(size_t n, const float *values)
{
    double *wide = room(n, sizeof *wide);

    for (size_t i = 0; i < n; i++)
        wide[i] = (double)values[i];
    return wide;
}

/* ---- roundings ---- */

/* Kinds that pass on what they read, or compare it, round nothing. */
static bool rounds(const struct node *l)
{
    static const struct layer_ops *const EXACT[] = { &LAYER_REPLICATE, &LAYER_RELU,     &LAYER_RELU6,
                                                     &LAYER_CLIP,      &LAYER_MAX_POOL, &LAYER_CONCAT,
                                                     &LAYER_FLATTEN,   &LAYER_SLICE,    &LAYER_SHUFFLE };

    for (size_t i = 0; i < sizeof EXACT / sizeof EXACT[0]; i++)
        if (l->ops == EXACT[i])
            return false;
    return true;
}

static double largest(size_t n, const double *values)
{
    double most = 0;

    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(values[i]));
    return most;
}

/* A number that was rounded once. */
static double nearly(struct rng *rng, double value)
{
    return rng ? value * (1 + ROUNDING * (2 * rng_unit(rng) - 1)) : value;
}

static double more(double a, double b) { return a > b ? a : b; }

/* By how much what a layer reads is moved: a sum of K products of no sign is off by sqrt(K / 2) roundings of one of them times
 * sqrt(K), which is what its K factors make of sqrt(K / 2) roundings each. K is the longest of its sums: over the window and the
 * channels, there and back, and over all results of n pictures. */
static double roundings_of(const struct node *l, size_t n)
{
    const double groups = l->groups ? (double)l->groups : 1;
    const double window = (double)(l->window.h * l->window.w), results = (double)(l->out.h * l->out.w);
    double terms = (double)n * results;

    if (l->ops == &LAYER_CONV)
        terms = more(terms, window * (double)(l->in[0].c > l->out.c ? l->in[0].c : l->out.c) / groups);
    if (l->ops == &LAYER_DENSE || l->ops == &LAYER_GLOBAL_POOL)
        terms = more(terms, (double)shape_size(l->in[0]));
    return ROUNDING * sqrt(4 + terms / 2);
}

/* The number that a kind adds to all that it reads before it goes on: x + 3 is rounded as what it is. */
static double added_by(const struct node *l)
{
    return l->ops == &LAYER_HARD_SIGMOID || l->ops == &LAYER_HARD_SWISH ? 3 : 0;
}

/* n numbers as the layer reads them, a plane after the other, to be freed: each is moved by a part of the plane's largest, since a
 * kernel may add up what lies side by side, and of what is added to it. */
static double *rounded(struct rng *rng, double part, double added, size_t n, size_t plane,
                       const double *values)
{
    double *others = room(n, sizeof *others);

    for (size_t first = 0; first < n; first += plane) {
        const double most = part * (added + largest(plane, values + first));

        for (size_t i = first; i < first + plane; i++)
            others[i] = values[i] + most * (2 * rng_unit(rng) - 1);
    }
    return others;
}

/* The values that a node reads: its own copies where it rounds. */
struct read {
    double *params, *x[NODE_MAX_INPUTS];
};

static struct read read_new(const struct pass *p, const struct node *l)
{
    struct read r = { NULL };

    if (!p->rng || !rounds(l))
        return r;
    r.params = rounded(p->rng, roundings_of(l, p->n), 0, l->n_params, 1, p->values + l->params);
    for (size_t i = 0; i < l->ops->n_from; i++)
        r.x[i] = rounded(p->rng, roundings_of(l, p->n), added_by(l), p->n * shape_size(l->in[i]),
                         l->in[i].h * l->in[i].w, p->y[l->from[i]]);
    return r;
}

static void read_release(struct read *r)
{
    free(r->params);
    for (size_t i = 0; i < NODE_MAX_INPUTS; i++)
        free(r->x[i]);
}

/* ---- a shard ---- */

static const struct node *head_of(const struct network *net) { return &net->nodes[net->n_nodes - 1]; }

static const double *state_of(const struct pass *p, const struct node *l)
{
    return l->ops == &LAYER_NORM && p->norms->norms == NORMS_BATCH ? NULL : p->values + l->state;
}

/* Mean and variance of channel c of what a node reads. */
static void moments_of(const struct pass *p, const struct node *l, size_t c, double ret[2])
{
    const size_t C = l->in[0].c, plane = l->in[0].h * l->in[0].w, count = p->n * plane;
    const double *x = p->y[l->from[0]];

    ret[0] = ret[1] = 0;
    for (size_t i = 0; i < count; i++)
        ret[0] += x[(i / plane * C + c) * plane + i % plane] / (double)count;
    for (size_t i = 0; i < count; i++)
        ret[1] += pow(x[(i / plane * C + c) * plane + i % plane] - ret[0], 2) / (double)count;
}

/* ---- what a normalisation rounds: differences, of which nothing is left where they cancel ---- */

/* The factor of channel c. */
static double gain_of(const struct pass *p, const struct node *l, size_t c)
{
    const double *state = state_of(p, l);
    double moments[2] = { 0 };

    if (state)
        moments[1] = state[l->in[0].c + c];
    else
        moments_of(p, l, c, moments);
    return fabs(p->values[l->params + c]) / sqrt(moments[1] + l->epsilon);
}

/* A mean that was rounded is taken from all values of a channel alike. */
static void norm_rounds(struct pass *p, const struct node *l, double *y)
{
    const size_t C = l->in[0].c, plane = l->in[0].h * l->in[0].w;
    const double *x = p->y[l->from[0]];

    for (size_t c = 0; c < C; c++) {
        double most = 0, off;

        for (size_t s = 0; s < p->n; s++)
            most = more(most, largest(plane, x + (s * C + c) * plane));
        off = roundings_of(l, p->n) * gain_of(p, l, c) * most * (2 * rng_unit(p->rng) - 1);
        for (size_t i = 0; i < p->n * plane; i++)
            y[(i / plane * C + c) * plane + i % plane] += off;
    }
}

/* Back, the means of the slopes are taken from the slopes. */
static void norm_rounds_back(struct pass *p, const struct node *l, const double *slope, double *dx)
{
    const size_t C = l->in[0].c, plane = l->in[0].h * l->in[0].w;

    for (size_t i = 0; i < p->n * C; i++) {
        const double most = roundings_of(l, p->n) * gain_of(p, l, i % C) * largest(plane, slope + i * plane);

        for (size_t k = i * plane; k < (i + 1) * plane; k++)
            dx[k] += most * (2 * rng_unit(p->rng) - 1);
    }
}

/* ---- a node ---- */

static void inputs_of(const struct pass *p, const struct node *l, const struct read *r,
                      const double *x[NODE_MAX_INPUTS])
{
    for (size_t i = 0; i < l->ops->n_from; i++)
        x[i] = r->x[i] ? r->x[i] : p->y[l->from[i]];
}

static void node_forward(struct pass *p, size_t i)
{
    const struct node *l = &p->net->nodes[i];
    struct read r = read_new(p, l);
    const double *x[NODE_MAX_INPUTS] = { NULL };

    inputs_of(p, l, &r, x);
    double_forward(l, p->n, r.params ? r.params : p->values + l->params, state_of(p, l), x, p->y[i],
                   p->tapes[i]);
    if (p->rng && l->ops == &LAYER_NORM)
        norm_rounds(p, l, p->y[i]);
    for (size_t f = 0; p->factors && i == head_of(p->net)->from[0] && f < p->n * shape_size(l->out); f++)
        p->y[i][f] *= p->factors[f];
    read_release(&r);
}

static void node_backward(struct pass *p, size_t i, double *gradients)
{
    const struct node *l = &p->net->nodes[i];
    const size_t size = p->n * shape_size(l->out);
    struct read r = read_new(p, l);
    double *slope =
        r.params ? rounded(p->rng, roundings_of(l, p->n), 0, size, l->out.h * l->out.w, p->slopes[i]) : NULL;
    const double *x[NODE_MAX_INPUTS] = { NULL };
    double *dx[NODE_MAX_INPUTS];

    inputs_of(p, l, &r, x);
    for (size_t k = 0; k < l->ops->n_from; k++)
        dx[k] = room(p->n * shape_size(l->in[k]), sizeof **dx);
    double_backward(l, p->n, r.params ? r.params : p->values + l->params, state_of(p, l), x, p->tapes[i],
                    slope ? slope : p->slopes[i], dx, gradients + l->params);
    if (p->rng && l->ops == &LAYER_NORM)
        norm_rounds_back(p, l, slope, dx[0]);
    for (size_t k = 0; k < l->ops->n_from; k++) {
        for (size_t j = 0; j < p->n * shape_size(l->in[k]); j++)
            p->slopes[l->from[k]][j] += dx[k][j];
        free(dx[k]);
    }
    free(slope);
    read_release(&r);
}

static void backward(struct pass *p, const double *dlogits, double *gradients)
{
    const struct network *net = p->net;
    const size_t features = head_of(net)->from[0];

    memcpy(p->slopes[net->n_nodes - 1], dlogits, p->n * net->n_labels * sizeof *dlogits);
    for (size_t i = net->n_nodes; i-- > 1;) {
        for (size_t f = 0; p->factors && i == features && f < p->n * shape_size(net->nodes[i].out); f++)
            p->slopes[i][f] *= p->factors[f];
        if (i + 1 == net->n_nodes || p->norms->norms != NORMS_FROZEN_BACKBONE)
            node_backward(p, i, gradients);
    }
}

/* ---- what normalisations read ---- */

static void nodes_read(const struct network *net, bool ret[NETWORK_MAX_NODES])
{
    memset(ret, 0, net->n_nodes * sizeof *ret);
    ret[net->n_nodes - 1] = true;
    for (size_t i = net->n_nodes; i-- > 1;)
        for (size_t k = 0; ret[i] && k < net->nodes[i].ops->n_from; k++)
            ret[net->nodes[i].from[k]] = true;
}

/* Weighted by a shard's pictures, which are counted; of one value there is no variance. */
static void statistics_add(const struct pass *p, double *sums, double *pictures)
{
    bool read[NETWORK_MAX_NODES];

    nodes_read(p->net, read);
    for (size_t i = 1; i < p->net->n_nodes; i++) {
        const struct node *l = &p->net->nodes[i];
        const size_t C = l->ops == &LAYER_NORM && read[i] ? l->n_state / 2 : 0;
        const double count = (double)(p->n * l->in[0].h * l->in[0].w);

        for (size_t c = 0; c < C; c++) {
            double moments[2];

            moments_of(p, l, c, moments);
            moments[1] *= count / (count - 1);
            for (size_t k = 0; k < (count > 1 ? 2 : 1); k++) {
                sums[l->state - p->net->n_params + k * C + c] += (double)p->n * moments[k];
                pictures[l->state - p->net->n_params + k * C + c] += (double)p->n;
            }
        }
    }
}

/* ---- a batch ---- */

/* Of pictures i..: w (p - y) / (n labels), with the rounding of p. */
static void slopes_of_logits(const struct pass *p, const struct training_batch *b, size_t i,
                             const double *logits, double *ret)
{
    const size_t L = p->net->n_labels;

    for (size_t j = 0; j < p->n * L; j++) {
        const double unit = (b->weights ? (double)b->weights[i * L + j] : 1) / (double)(b->n * L);
        const double off = p->rng ? 2 * ROUNDING * (2 * rng_unit(p->rng) - 1) : 0;

        ret[j] = unit * (1 / (1 + exp(-logits[j])) - (double)b->y[i * L + j] + off);
    }
}

/* logits += w inputs; and dw += dlogits inputs. */
static void inputs_forward(const struct pass *p, const float *inputs, double *logits)
{
    const size_t L = p->net->n_labels, k = p->net->n_inputs;

    for (size_t at = 0; at < p->n * L * k; at++)
        logits[at / k] +=
            p->values[p->net->head_inputs + at % (L * k)] * (double)inputs[at / (L * k) * k + at % k];
}

static void inputs_backward(const struct pass *p, const float *inputs, const double *dlogits,
                            double *gradients)
{
    const size_t L = p->net->n_labels, k = p->net->n_inputs;

    for (size_t at = 0; at < p->n * L * k; at++)
        gradients[p->net->head_inputs + at % (L * k)] +=
            dlogits[at / k] * (double)inputs[at / (L * k) * k + at % k];
}

static double *factors_of(const struct network *net, const struct training_batch *b, size_t i, size_t n)
{
    const size_t features = shape_size(head_of(net)->in[0]);
    float *factors = room(n * features, sizeof *factors);
    double *wide;

    for (size_t j = 0; j < n; j++)
        training_dropout(b, i + j, features, factors + j * features);
    wide = widened(n * features, factors);
    free(factors);
    return wide;
}

static struct pass pass_new(const struct network *net, const double *values, const struct training_batch *b,
                            const struct double_norms *norms, size_t i, size_t n, struct rng *rng)
{
    struct pass p = { .net = net, .norms = norms, .values = values, .n = n, .rng = rng };

    p.y = room(net->n_nodes, sizeof *p.y);
    p.slopes = room(net->n_nodes, sizeof *p.slopes);
    p.tapes = room(net->n_nodes, sizeof *p.tapes);
    for (size_t k = 0; k < net->n_nodes; k++) {
        p.y[k] = room(n * shape_size(net->nodes[k].out), sizeof **p.y);
        p.slopes[k] = room(n * shape_size(net->nodes[k].out), sizeof **p.slopes);
        p.tapes[k] = room(n * net->nodes[k].tape_bytes, 1);
    }
    for (size_t k = 0; k < n * shape_size(net->nodes[0].out); k++)
        p.y[0][k] = (double)b->x[i * shape_size(net->nodes[0].out) + k];
    p.factors = b->dropout > 0 ? factors_of(net, b, i, n) : NULL;
    return p;
}

static void pass_release(struct pass *p)
{
    for (size_t k = 0; k < p->net->n_nodes; k++) {
        free(p->y[k]);
        free(p->slopes[k]);
        free(p->tapes[k]);
    }
    free(p->y);
    free(p->slopes);
    free(p->tapes);
    free(p->factors);
}

static void shard(struct pass *p, const struct training_batch *b, size_t i, struct double_outcome *o)
{
    const struct network *net = p->net;
    double *logits = o->logits + i * net->n_labels, *dlogits = room(p->n * net->n_labels, sizeof *dlogits);
    const float *inputs = b->inputs ? b->inputs + i * net->n_inputs : NULL;

    for (size_t k = 1; k < net->n_nodes; k++)
        node_forward(p, k);
    memcpy(logits, p->y[net->n_nodes - 1], p->n * net->n_labels * sizeof *logits);
    inputs_forward(p, inputs, logits);
    if (b->y) {
        slopes_of_logits(p, b, i, logits, dlogits);
        inputs_backward(p, inputs, dlogits, o->gradients);
        backward(p, dlogits, o->gradients);
    }
    free(dlogits);
}

struct double_outcome double_graph(const struct network *net, const float *values,
                                   const struct training_batch *b, const struct double_norms *norms,
                                   uint64_t roundings)
{
    const bool learn = norms->norms == NORMS_BATCH;
    double *wide = widened(net->n_params + net->n_state, values);
    double *sums = room(net->n_state, sizeof *sums), *pictures = room(net->n_state, sizeof *pictures);
    struct double_outcome o = { .logits = room(outcome_size(net, b->n), sizeof *o.logits) };
    struct rng rng;

    o.gradients = o.logits + b->n * net->n_labels;
    o.state = o.gradients + net->n_params;
    rng_seed(&rng, roundings, 6);
    for (size_t k = 0; k < norms->n_shards; k++) {
        const size_t i = b->n * k / norms->n_shards, n = b->n * (k + 1) / norms->n_shards - i;
        struct pass p;

        if (n == 0)
            continue;
        p = pass_new(net, wide, b, norms, i, n, roundings ? &rng : NULL);
        shard(&p, b, i, &o);
        if (learn)
            statistics_add(&p, sums, pictures);
        pass_release(&p);
    }
    for (size_t i = 0; i < net->n_state; i++) {
        const double before = nearly(roundings ? &rng : NULL, wide[net->n_params + i]);

        o.state[i] = pictures[i] > 0
                         ? (1 - norms->momentum) * before +
                               norms->momentum * nearly(roundings ? &rng : NULL, sums[i] / pictures[i])
                         : wide[net->n_params + i];
    }
    free(wide);
    free(sums);
    free(pictures);
    return o;
}

void double_outcome_release(struct double_outcome *o) { free(o->logits); }
