/* bench/learner.c - see learner.h. */
#include "learner.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

void check(enum status st, const struct error *err)
{
    if (st == ST_OK)
        return;
    fprintf(stderr, "bench: %s\n", err->text);
    exit(EXIT_FAILURE);
}

/* As many as a job has that does not say: of networks with normalisations a shard has eight pictures. */
static size_t shards_of(const char *architecture)
{
    enum { SHARDS = 16, GHOST_BATCH = 8 };

    return network_normalises(architecture) ? BATCH / GHOST_BATCH : SHARDS;
}

void learner_make(struct learner *l, const char *architecture, const float *x, struct pool *pool)
{
    struct error err = { 0 };
    struct rng rng;

    *l = (struct learner){ .x = x,
                           .pool = pool,
                           .y = calloc((size_t)BATCH * N_NIH_LABELS, sizeof(float)),
                           .logits = calloc((size_t)BATCH * N_NIH_LABELS, sizeof(float)) };
    assert(l->y && l->logits);
    check(network_new(&(struct network_spec){ architecture, SIZE, N_NIH_LABELS, 0 }, &l->net, &err), &err);
    check(training_new(l->net, shards_of(architecture), BATCH, NORMS_BATCH, pool, NULL, &l->training, &err),
          &err);
    check(adam_init(&l->adam, l->net->n_params, &err), &err);
    rng_seed(&rng, 1, 2);
    network_initialise(l->net, INIT_HE, &rng, training_params(l->training));
    for (size_t i = 0; i < (size_t)BATCH * N_NIH_LABELS; i += 5)
        l->y[i] = 1;
}

void learner_release(struct learner *l)
{
    adam_release(&l->adam);
    training_free(l->training);
    network_unref(l->net);
    free(l->y);
    free(l->logits);
}

void learner_step(void *learner)
{
    static const struct error diverged = { .text = "the loss is not a finite number" };
    struct learner *l = learner;
    const struct adam_group all = { 0, l->net->n_params, 1e-4, 0 };
    double loss;

    check(training_gradient(l->training, BATCH, l->x, l->y, l->logits, &loss), &diverged);
    adam_update(&l->adam, training_gradients(l->training), 1, &all, 1, l->pool, training_params(l->training));
    training_follow(l->training, 0.1);
}
