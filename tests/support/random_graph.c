/* tests/support/random_graph.c - see random_graph.h. */
#include "random_graph.h"

#include "cxrd/labels.h"
#include "model/kernels/kernels.h"
#include "picture.h"

#include <criterion/criterion.h>
#include <stdlib.h>

enum {
    MOST_CHANNELS = 5,
    MOST_PANELS = 2,
    BLOCK_ONE_IN = 6,
    CHAIN_ONE_IN = 4,
    EXCITATION_ONE_IN = 12,
    MOST_INPUTS = 3
};

static bool refuses(const struct graph *g, const struct node *l)
{
    struct described ignored[LAYER_MAX_TENSORS];
    struct node tried = *l;
    size_t n;

    for (size_t i = 0; i < NODE_MAX_INPUTS; i++)
        tried.in[i] = g->net->nodes[l->from[i]].out;
    return l->ops->shape(&tried, ignored, &n) != NULL;
}

/* One that divides n. */
static size_t divisor(struct rng *rng, size_t n)
{
    size_t d = 1 + below(rng, n);

    while (n % d != 0)
        d--;
    return d;
}

/* Numbers that only one or a few kinds take: bounds of a clip, the slope of a leaky ReLU, the epsilon of a variance. */
static struct node with_numbers(struct rng *rng, const struct layer_ops *ops)
{
    struct node l = { .ops = ops, .bias = coin(rng), .epsilon = coin(rng) ? 1e-3 : 1e-5 };

    l.low = (double)rng_uniform(rng, -1, 0.5f);
    l.high = (double)((float)l.low + rng_uniform(rng, 0.1f, 3));
    l.slope = (double)rng_uniform(rng, 0, 1);
    return l;
}

/* Which channels a slice takes, by how many a shuffle goes. Groups of a convolution, now and then; as many as channels is depthwise. Its results become as many as fit. */
static void draw_groups(const struct graph *g, struct rng *rng, struct node *l)
{
    const size_t channels = g->net->nodes[l->from[0]].out.c;

    if (l->ops == &LAYER_SHUFFLE)
        l->groups = divisor(rng, channels);
    if (l->ops == &LAYER_SLICE) {
        l->first = below(rng, channels);
        l->channels = 1 + below(rng, channels - l->first);
    }
    if (l->ops != &LAYER_CONV || below(rng, 3) > 0)
        return;
    l->groups = divisor(rng, g->net->nodes[l->from[0]].out.c);
    l->channels = l->groups * ((l->channels + l->groups - 1) / l->groups);
}

/* One node more behind random earlier ones; what its kind refuses is left out. */
static void random_node(struct graph *g, struct rng *rng)
{
    const size_t a = below(rng, g->net->n_nodes), b = below(rng, g->net->n_nodes);
    struct node l = with_numbers(rng, LAYER_KINDS[below(rng, N_LAYER_KINDS)]);

    l.from[0] = a;
    l.from[1] = b;
    l.channels = 1 + below(rng, MOST_CHANNELS);
    l.window = window_drawn(rng, 3);
    draw_groups(g, rng, &l);
    if (!refuses(g, &l))
        graph_add(g, &l, graph_name(g, "n%zu", g->net->n_nodes));
}

/* Convolution, ReLU and pool, each now and then not quite as a kernel wants it. */
static void random_block(struct graph *g, struct rng *rng)
{
    const size_t from = below(rng, g->net->n_nodes), channels = MAX_PANEL * (1 + below(rng, MOST_PANELS));
    const struct node conv = { .ops = &LAYER_CONV,
                               .from = { from },
                               .channels = channels,
                               .window = WINDOW(3, 3, 1, 1, 1),
                               .bias = below(rng, 8) > 0 };
    const size_t side = 2 + (below(rng, 8) == 0);
    const struct node pool = { .ops = &LAYER_MAX_POOL, .window = WINDOW(side, side, 2, 0, 0) };
    const struct shape in = g->net->nodes[from].out;
    size_t at;

    if (in.h < 4 || in.w < 4 || refuses(g, &conv))
        return;
    at = graph_add(g, &conv, graph_name(g, "n%zu", g->net->n_nodes));
    at = graph_apply(g, below(rng, 8) ? &LAYER_RELU : &LAYER_RELU6, at);
    graph_pool(g, pool.ops, at, side, 2, 0);
}

/* Channels weighed by what is in them all: squeeze and excitation, as MobileNetV3 and EfficientNet have it. */
static void random_excitation(struct graph *g, struct rng *rng)
{
    const size_t from = below(rng, g->net->n_nodes), channels = g->net->nodes[from].out.c;
    struct node squeeze = with_numbers(rng, &LAYER_CONV), excite = with_numbers(rng, &LAYER_CONV);

    squeeze.window = excite.window = (struct window)WINDOW(1, 1, 1, 0, 0);
    squeeze.channels = 1 + below(rng, MOST_CHANNELS);
    excite.channels = channels;
    squeeze.from[0] = graph_apply(g, &LAYER_GLOBAL_POOL, from);
    excite.from[0] = graph_add(g, &squeeze, graph_name(g, "n%zu", g->net->n_nodes));
    excite.from[0] = graph_apply(g, coin(rng) ? &LAYER_RELU : &LAYER_SILU, excite.from[0]);
    graph_join(g, &LAYER_MUL, from,
               graph_apply(g, coin(rng) ? &LAYER_HARD_SIGMOID : &LAYER_SIGMOID,
                           graph_add(g, &excite, graph_name(g, "n%zu", g->net->n_nodes))));
}

/* The kinds of a chain, in an order in which networks have them. */
static const struct layer_ops *const CHAIN[] = {
    &LAYER_REPLICATE,  &LAYER_NORM,  &LAYER_RELU,         &LAYER_CONV,     &LAYER_NORM,      &LAYER_RELU,
    &LAYER_CONV,       &LAYER_ADD,   &LAYER_ADD,          &LAYER_RELU,     &LAYER_MEAN_POOL, &LAYER_CONCAT,
    &LAYER_CONV,       &LAYER_SCALE, &LAYER_CLIP,         &LAYER_CONV,     &LAYER_SILU,      &LAYER_CONV,
    &LAYER_LEAKY_RELU, &LAYER_CONV,  &LAYER_HARD_SIGMOID, &LAYER_MAX_POOL, &LAYER_CONV,      &LAYER_NORM,
    &LAYER_HARD_SWISH, &LAYER_CONV,  &LAYER_SIGMOID,      &LAYER_MUL,      &LAYER_CONV,      &LAYER_NORM,
    &LAYER_RELU6,      &LAYER_SLICE, &LAYER_CONV,         &LAYER_RELU,     &LAYER_CONCAT,    &LAYER_SHUFFLE,
    &LAYER_SLICE,      &LAYER_CONV
};
enum { N_CHAIN = sizeof CHAIN / sizeof CHAIN[0] };

static struct node random_link(const struct graph *g, struct rng *rng, const struct layer_ops *ops,
                               size_t from)
{
    const size_t side = 1 + 2 * below(rng, 2);
    struct node l = with_numbers(rng, ops);

    l.from[0] = from;
    l.from[1] = below(rng, g->net->n_nodes);
    l.channels = ops == &LAYER_REPLICATE ? MAX_CHANNELS : below(rng, 3) ? MAX_PANEL : MOST_CHANNELS;
    l.window = (struct window)WINDOW(side, side, 1, side / 2, side / 2);
    if ((ops == &LAYER_MEAN_POOL || ops == &LAYER_MAX_POOL) && below(rng, 4))
        l.window = (struct window)WINDOW(2, 2, 2, 0, 0);
    else if (ops != &LAYER_CONV || below(rng, 4) == 0)
        l.window = window_drawn(rng, 3);
    draw_groups(g, rng, &l);
    for (size_t i = 0; i < 10 && refuses(g, &l); i++) /* another second operand */
        l.from[1] = below(rng, g->net->n_nodes);
    return l;
}

/* A few nodes that each read the one before, of kinds that passes like to put together; what does not fit is left out. */
static void random_chain(struct graph *g, struct rng *rng)
{
    const size_t wanted = 2 + below(rng, 8);
    size_t at = below(rng, 4) ? below(rng, g->net->n_nodes) : 0, kind = below(rng, N_CHAIN);

    for (size_t i = 0; i < wanted; i++) {
        const struct node l = random_link(g, rng, CHAIN[kind], at);

        if (!refuses(g, &l))
            at = graph_add(g, &l, graph_name(g, "n%zu", g->net->n_nodes));
        kind = below(rng, 4) ? (kind + 1) % N_CHAIN : below(rng, N_CHAIN);
    }
}

size_t random_graph_nodes(uint64_t seed)
{
    struct rng rng;

    rng_seed(&rng, seed, 1);
    return 2 + below(&rng, RANDOM_GRAPH_NODES - 2);
}

size_t random_graph_side(uint64_t seed) { return 7 + seed % 11; }

const struct network *random_graph(uint64_t seed, size_t wanted, size_t side, int what)
{
    const struct network *net = NULL;
    struct error err = { 0 };
    struct graph g;
    struct rng rng;
    size_t inputs;

    rng_seed(&rng, seed, 0);
    graph_begin(&g, "random", side, seed % 4 == 3 ? MAX_CHANNELS : 1, 1 + (size_t)(seed * 29 % MAX_LABELS),
                &err);
    while (g.st == ST_OK && g.net->n_nodes < wanted)
        if (what & RANDOM_BLOCKS && below(&rng, BLOCK_ONE_IN) == 0)
            random_block(&g, &rng);
        else if (what & RANDOM_BLOCKS && below(&rng, CHAIN_ONE_IN) == 0)
            random_chain(&g, &rng);
        else if (what & RANDOM_BLOCKS && below(&rng, EXCITATION_ONE_IN) == 0)
            random_excitation(&g, &rng);
        else
            random_node(&g, &rng);
    graph_dense(&g, g.net->n_nodes - 1, "head", g.net->n_labels);
    inputs = what & RANDOM_INPUTS && seed % 2 ? 1 + (size_t)(seed / 2 % MOST_INPUTS) : 0;
    cr_assert_eq(graph_finish(&g, inputs, &net), ST_OK, "seed %zu: %s", (size_t)seed, err.text);
    return net;
}

float *random_graph_values(const struct network *net, uint64_t seed)
{
    float *values = calloc(net->n_params + net->n_state, sizeof *values);
    struct rng rng;

    cr_assert_not_null(values);
    rng_seed(&rng, seed, 2);
    network_initialise(net, INIT_GLOROT, &rng, values);
    for (size_t i = 0; i < net->n_params; i++)
        values[i] += rng_uniform(&rng, -0.1f, 0.1f);
    for (size_t i = 0; i < net->n_state; i++)
        values[net->n_params + i] += rng_uniform(&rng, 0, 0.3f);
    return values;
}
