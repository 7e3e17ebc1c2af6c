/* include/cxrd/training.h - what a training step is made of: gradients, Adam, clipping, and the average of weights.
 *
 * A training owns its parameters, their gradients and everything in between. It cuts a batch into shards by place, whose
 * gradients the threads of a pool compute and add along one fixed binary tree: the same parameters and batch give the same
 * gradients bit for bit with any number of threads, and of ranks that share the shards out. One thread at a time may call it. */
#ifndef CXRD_TRAINING_H
#define CXRD_TRAINING_H

#include "cxrd/network.h"
#include "cxrd/pool.h"
#include "cxrd/ranks.h"
#include "cxrd/status.h"

#include <stdbool.h>
#include <stdint.h>

struct training;

enum { TRAINING_MAX_SHARDS = 32 };

/* The statistics that normalisations go by, forward and backward. Their weights and biases learn either way, unless the backbone is frozen. */
enum norms {
    NORMS_BATCH, /* mean and variance of the shard ("ghost batches": Hoffer et al., "Train longer, generalize better", NIPS 2017) */
    NORMS_FROZEN, /* the running ones, which are constants */
    NORMS_FROZEN_BACKBONE, /* these too, and only the head learns (its weights, its bias, and what multiplies the inputs): all before
                              it is run as at inference and nothing goes back through it. Its gradients are 0 */
};

/* Allocates all that it will ever need; parameters and gradients start at 0.
 *   net       shared
 *   n_shards  a power of two: parts of a batch whose gradients are summed apart, so that as many threads find work. 0: one a
 *             thread, added in the threads' order, as before there were shards: the sums are rounded otherwise with another
 *             number of threads
 *   most      images of a batch
 *   norms     not read where the network has no normalisation
 *   pool      borrowed; must outlive the training; NULL: one thread
 *   ranks     borrowed, too: all of them have the same training, with shards, and make the same calls; NULL: alone
 * Errors: ST_LIMIT (where a shard's pictures share their statistics they are all in memory at once, and that is more than
 * memory_usable() of cxrd/memory.h), ST_NOMEM. */
MUST_USE enum status training_new(const struct network *net, size_t n_shards, size_t most, enum norms norms,
                                  struct pool *pool, struct ranks *ranks, struct training **ret_training,
                                  struct error *err);
void training_free(struct training *t); /* NULL is fine */

float *training_params(struct training *t); /* [n_params + n_state]: read and write between steps */
const float *training_gradients(const struct training *t); /* [n_params]: of the last training_gradient() */

/* The mean loss of a batch and its gradient by all parameters.
 *   x           float32 [n][channels][S][S], scaled grey
 *   y           float32 [n][labels], 0 or 1
 *   ret_logits  float32 [n][labels], before the step
 *   ret_loss    binary cross-entropy averaged over pictures and findings
 * Errors: ST_NUMERIC (the loss is not a finite number). */
MUST_USE enum status training_gradient(struct training *t, size_t n, const float *x, const float *y,
                                       float *ret_logits, double *ret_loss);

/* A batch, and what a recipe does to it besides. */
struct training_batch {
    size_t n;
    const float *x, *y;   /* as for training_gradient() */
    const float *inputs;  /* [n][k] extra inputs, standardised; NULL where the network has none */
    const float *weights; /* [n][labels]: of every term of the loss; NULL: 1 */
    double
        dropout; /* share of the head's features that are 0 in this step; the others grow by as much. 0: none */
    uint64_t dropout_seed;        /* which ones; see training_dropout() */
    bool (*cancelled)(void *arg); /* every few pictures, by any of the threads, one at a time; NULL: never */
    void *cancelled_arg;
};

/* As training_gradient(); the mean is over pictures and findings, whatever the weights. Of several ranks each reads the pictures of its
 * own shards, training_images(), and all else of all of them; the logits are of all pictures.
 * Errors: ST_NUMERIC (the loss is not a finite number), ST_CANCELLED (the gradients mean nothing then), those of ranks. */
MUST_USE enum status training_batch_gradient(struct training *t, const struct training_batch *b,
                                             float *ret_logits, double *ret_loss);

/* Of a batch of n pictures this rank's are *ret_begin up to the result. */
size_t training_images(const struct training *t, size_t n, size_t *ret_begin);

/* The factors [n] that the features of picture number `i` of a batch are multiplied with: 0 or 1 / (1 - dropout). In the order of
 * "head.weight": channel, row, column. */
void training_dropout(const struct training_batch *b, size_t i, size_t n, float *ret_factors);

/* The running statistics follow those of the last training_gradient(), whose result was ST_OK, by NORMS_BATCH; otherwise nothing
 * happens. As a whole batch is one shard's in PyTorch:
 *   running = (1 - momentum) running + momentum (mean of the shards', by their pictures)
 * with the variance of n values taken n / (n - 1) times. It does not depend on the number of threads either. */
void training_follow(struct training *t, double momentum);

/* Adam (Kingma & Ba, ICLR 2015, algorithm 1) in Keras' form: epsilon is added after the bias correction has moved
 * into the step size. beta 0.9 and 0.999, epsilon 1e-7. */
struct adam {
    size_t n;       /* parameters */
    uint64_t steps; /* taken so far */
    float *m, *v;   /* [n], owned: running means of the gradient and of its square */
};

MUST_USE enum status adam_init(struct adam *a, size_t n, struct error *err); /* ST_NOMEM */
void adam_release(struct adam *a);                                           /* safe on zeroes */

/* Parameters begin..end-1 of the block, which move alike. */
struct adam_group {
    size_t begin, end;
    double learning_rate;
    double
        weight_decay; /* decoupled (Loshchilov & Hutter, ICLR 2019): params *= 1 - learning_rate * weight_decay
                            first; 0 for plain Adam */
};

/* One step: the parameters of the groups, which do not overlap, move against gradients [n]. A parameter of no group stays as
 * it is, bit for bit, and so do its means.
 *   scale   the gradients are multiplied with it; 1: they are taken as they are
 *   params  [n]
 *   pool    shares the work; NULL: the caller does it all. The result is the same, bit for bit */
void adam_update(struct adam *a, const float *gradients, double scale, const struct adam_group *groups,
                 size_t n_groups, struct pool *pool, float *params);

/* The root of the sum of all squares of gradients [n]: what clipping holds against its limit (Pascanu, Mikolov & Bengio, ICML
 * 2013). Summed in double in one fixed order: the same bits for any number of threads. */
double gradient_norm(size_t n, const float *gradients, struct pool *pool);

/* An exponential moving average of a network's values (Polyak & Juditsky, SIAM J. Control Optim. 1992, with a window that
 * moves on), one step on: ema = d * ema + (1 - d) * values.
 *   n       parameters and state: the averaged weights need averaged running statistics, too
 *   values  [n], after the step
 *   decay   0..1. d is the smaller of it and (1 + steps) / (10 + steps), TensorFlow's warm-up: the weights of the beginning
 *           are forgotten as t^-9, and a short training is averaged over about its last tenth
 *   steps   taken so far, this one included
 *   ema     [n], read and written; begins as the values before the first step. A value that never moves stays as it is, bit for bit
 * The same bits for any number of threads. */
void ema_update(size_t n, const float *values, double decay, uint64_t steps, struct pool *pool, float *ema);

#endif
