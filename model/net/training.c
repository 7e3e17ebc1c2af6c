/* model/net/training.c - gradients of a batch.
 *
 * The mean loss is a sum over pictures, so a lane takes its share of the batch one picture at a time, forward and
 * backward, and only ever holds the activations of one. Lane i takes the pictures i*n/lanes up to (i+1)*n/lanes and
 * adds into gradients of its own; these are summed in lane order. */
#include "cxrd/training.h"

#include "cxrd/labels.h"
#include "layer.h"
#include "loss.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* What one thread works in. */
struct lane {
    float *activations[NETWORK_MAX_LAYERS]; /* of each layer's result */
    unsigned char *tapes[NETWORK_MAX_LAYERS];
    float *slopes[2]; /* loss by activation, backwards from one into the other */
    float *work;
    float *gradients; /* [n_params] */
    double loss;      /* summed over the lane's pictures */
};

struct training {
    struct network net;
    struct pool *pool;
    size_t n_lanes;
    struct lane *lanes;
    float *params, *gradients;
};

struct batch {
    struct training *t;
    size_t n;
    const float *x, *y;
    float *logits;
};

static void lane_release(struct lane *lane)
{
    for (size_t i = 0; i < NETWORK_MAX_LAYERS; i++) {
        free(lane->activations[i]);
        free(lane->tapes[i]);
    }
    free(lane->slopes[0]);
    free(lane->slopes[1]);
    free(lane->work);
    free(lane->gradients);
}

static bool lane_init(struct lane *lane, const struct network *net)
{
    size_t largest = 0, work = 0;
    bool ok = true;

    for (size_t i = 0; i < net->n_layers; i++) {
        const struct layer *l = &net->layers[i];

        lane->activations[i] = malloc(shape_size(l->out) * sizeof(float));
        lane->tapes[i] = malloc(l->tape_bytes + 1);
        ok = ok && lane->activations[i] && lane->tapes[i];
        largest = shape_size(l->out) > largest ? shape_size(l->out) : largest;
        work = l->work_floats > work ? l->work_floats : work;
    }
    lane->slopes[0] = malloc(largest * sizeof(float));
    lane->slopes[1] = malloc(largest * sizeof(float));
    lane->work = malloc((work + 1) * sizeof(float));
    lane->gradients = malloc(net->n_params * sizeof(float));
    return ok && lane->slopes[0] && lane->slopes[1] && lane->work && lane->gradients;
}

enum status training_new(const struct network *net, struct pool *pool, struct training **ret_training,
                         struct error *err)
{
    struct training *t = calloc(1, sizeof *t);
    bool ok = t != NULL;

    if (ok) {
        t->net = *net;
        t->pool = pool;
        t->n_lanes = pool_threads(pool);
        t->lanes = calloc(t->n_lanes, sizeof *t->lanes);
        t->params = calloc(net->n_params, sizeof *t->params);
        t->gradients = calloc(net->n_params, sizeof *t->gradients);
        ok = t->lanes && t->params && t->gradients;
        for (size_t i = 0; ok && i < t->n_lanes; i++)
            ok = lane_init(&t->lanes[i], net);
    }
    if (!ok) {
        training_free(t);
        return error_nomem(err);
    }
    *ret_training = t;
    return ST_OK;
}

void training_free(struct training *t)
{
    if (!t)
        return;
    for (size_t i = 0; t->lanes && i < t->n_lanes; i++)
        lane_release(&t->lanes[i]);
    free(t->lanes);
    free(t->params);
    free(t->gradients);
    free(t);
}

float *training_params(struct training *t) { return t->params; }
const float *training_gradients(const struct training *t) { return t->gradients; }

static void forward(const struct training *t, struct lane *lane, const float *x)
{
    for (size_t i = 0; i < t->net.n_layers; i++) {
        const struct layer *l = &t->net.layers[i];

        l->ops->run.forward(l, 1, t->params + l->params, i ? lane->activations[i - 1] : x,
                            lane->activations[i], lane->tapes[i], lane->work);
    }
}

/* From slopes[0], the loss by the logits, down to the first layer with parameters. */
static void backward(const struct training *t, struct lane *lane, const float *x)
{
    size_t first = 0, side = 0;

    while (t->net.layers[first].n_params == 0)
        first++; /* nobody asks for the gradient of the picture */
    for (size_t i = t->net.n_layers; i-- > first; side = 1 - side) {
        const struct layer *l = &t->net.layers[i];

        l->ops->run.backward(l, 1, t->params + l->params, i ? lane->activations[i - 1] : x, lane->tapes[i],
                             lane->slopes[side], i > first ? lane->slopes[1 - side] : NULL,
                             lane->gradients + l->params, lane->work);
    }
}

static void lane_task(void *arg, size_t task, size_t unused)
{
    const struct batch *b = arg;
    struct training *t = b->t;
    struct lane *lane = &t->lanes[task];
    const size_t begin = b->n * task / t->n_lanes, end = b->n * (task + 1) / t->n_lanes;
    const float scale = 1 / (float)(b->n * N_LABELS);

    (void)unused; /* scratch goes by task here: there are as many tasks as lanes */
    memset(lane->gradients, 0, t->net.n_params * sizeof(float));
    lane->loss = 0;
    for (size_t i = begin; i < end; i++) {
        const float *x = b->x + i * shape_size(t->net.layers[0].in), *y = b->y + i * N_LABELS;
        float *logits = lane->activations[t->net.n_layers - 1];

        forward(t, lane, x);
        lane->loss += bce_sum(N_LABELS, logits, y);
        bce_gradient(N_LABELS, logits, y, scale, lane->slopes[0]);
        memcpy(b->logits + i * N_LABELS, logits, N_LABELS * sizeof(float));
        backward(t, lane, x);
    }
}

enum status training_gradient(struct training *t, size_t n, const float *x, const float *y, float *ret_logits,
                              double *ret_loss)
{
    struct batch b = { .t = t, .n = n, .x = x, .y = y, .logits = ret_logits };
    double loss = 0;

    pool_run(t->pool, t->n_lanes, lane_task, &b);
    memset(t->gradients, 0, t->net.n_params * sizeof(float));
    for (size_t k = 0; k < t->n_lanes; k++) {
        for (size_t i = 0; i < t->net.n_params; i++)
            t->gradients[i] += t->lanes[k].gradients[i];
        loss += t->lanes[k].loss;
    }
    *ret_loss = loss / (double)(n * N_LABELS);
    return isfinite(*ret_loss) ? ST_OK : ST_NUMERIC;
}
