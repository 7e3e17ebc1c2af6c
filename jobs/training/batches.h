/* jobs/training/batches.h - which rows come next, and their pictures and labels as arrays. */
#ifndef JOBS_TRAINING_BATCHES_H
#define JOBS_TRAINING_BATCHES_H

#include "../dataset/pictures.h"
#include "cxrd/pool.h"
#include "cxrd/rng.h"

/* Rows in an order: shuffled afresh at each restart, or as they are. */
struct order {
    uint32_t *rows;            /* [n], owned */
    size_t n, at, given;       /* given: how many order_next() gave last */
    const struct rows *source; /* borrowed */
    struct rng *rng;           /* borrowed; NULL: table order */
    const float *weights;      /* [n], borrowed: how often each row is taken, as shares; NULL: each once */
};

MUST_USE enum status order_init(struct order *o, const struct rows *source, const float *weights,
                                struct rng *rng); /* ST_NOMEM */
void order_release(struct order *o);              /* safe on zeroes */
void order_restart(struct order *o);

/* The next rows, up to n of them; 0 at the end. *ret_rows is borrowed from the order. */
size_t order_next(struct order *o, size_t n, const uint32_t **ret_rows);
void order_back(struct order *o); /* what order_next() gave last is still to come */

/* Room for a batch, and what loads it. */
struct batch {
    size_t capacity, n, n_labels;
    uint32_t *rows;        /* [n]: those whose pictures could be read */
    float *x;              /* [n][S][S], scaled */
    uint8_t *truth;        /* [n][n_labels]: 0, 1 or TRUTH_UNKNOWN, as metrics.h has them */
    float *y;              /* [n][n_labels]: the same as the loss takes them; 0 where nothing is known */
    size_t *first;         /* [capacity]: the place at which the same row comes first */
    uint8_t *grey;         /* [capacity][S][S]: of these places */
    uint8_t *taken;        /* [capacity][S][S]: as augmented */
    bool *unreadable;      /* [capacity]: of each place */
    bool *loaded, *wanted; /* [capacity]: its input is there; is to be there, and is not yet */

    bool augment;          /* each picture, by `seed` and `number` + its place in the batch */
    uint64_t seed, number; /* the caller's to set before batch_load() */
};

MUST_USE enum status batch_init(struct batch *b, size_t capacity, const struct preprocess *pre,
                                size_t n_labels, struct error *err);
void batch_release(struct batch *b); /* safe on zeroes */

/* The ranks whose pictures are wanted, where ranks share a batch out. */
struct batch_share {
    struct ranks *ranks; /* borrowed; they agree on what is readable */
    /* Of a batch of n pictures those *ret_begin up to the result. */
    size_t (*images)(const void *arg, size_t n, size_t *ret_begin);
    const void *arg;
};

/* Load rows into the batch, over the pool's threads; a row that is there more than once is loaded once. Rows whose
 * picture cannot be read are left out, unless `strict`.
 *   share  `x` is filled in at the places of this rank alone, all else at all of them; NULL: it is all wanted
 * Errors: with `strict`, picture_load()'s; ST_NOMEM; those of ranks. */
MUST_USE enum status batch_load(struct batch *b, const struct pictures *pictures, struct pool *pool,
                                const struct batch_share *share, const uint32_t *rows, size_t n, bool strict,
                                struct error *err);

/* A row's truth by the table: ret_truth [labels], 0, 1 or TRUTH_UNKNOWN. */
void row_truth(const struct table *t, size_t row, uint8_t *ret_truth);

#endif
