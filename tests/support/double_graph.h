/* tests/support/double_graph.h - a batch through any network in float64, forward and backward: what float32 is measured by, and the
 * measure itself.
 *
 * How far off a result in float32 may be depends on the graph: behind a normalisation that sees no variance, or a pool whose cells
 * are equal but for a rounding, no figure of float32 is right. So the same batch is computed again with roundings: whatever a
 * layer that rounds reads - values, weights, slopes - is moved at random by as little as float32 moves it (Monte Carlo arithmetic:
 * Parker, Pierce & Eggert, Computing in Science & Engineering 2(4), 2000). How far that moves a result is what its graph makes of
 * roundings, and an implementation may be off by a few times as much, no more. */
#ifndef TESTS_SUPPORT_DOUBLE_GRAPH_H
#define TESTS_SUPPORT_DOUBLE_GRAPH_H

#include "cxrd/training.h"

/* The normalisations' settings, see training_new() and training_follow(). */
struct double_norms {
    size_t n_shards; /* 1..n */
    enum norms norms;
    double momentum;
};

/* The results of a batch of n pictures, one part after the other in one block, in the order of outcome_part(). */
struct double_outcome {
    double *logits;    /* [n][labels]; owns the others */
    double *gradients; /* [n_params] */
    double *state;     /* [n_state]: what follows the batch's statistics */
};

/* Numbers that are judged together: the logits, or those of one tensor. */
struct outcome_part {
    const char *name;
    size_t at, count; /* in the block */
};

size_t outcome_size(const struct network *net, size_t n); /* numbers of the block */
size_t outcome_parts(const struct network *net);
struct outcome_part outcome_part(const struct network *net, size_t n, size_t i);

/* As training_batch_gradient() and training_follow(); with b->y NULL forward alone.
 *   values     [n_params + n_state]
 *   roundings  0: none; else the seed of those that are drawn */
struct double_outcome double_graph(const struct network *net, const float *values,
                                   const struct training_batch *b, const struct double_norms *norms,
                                   uint64_t roundings);
void double_outcome_release(struct double_outcome *o);

#endif
