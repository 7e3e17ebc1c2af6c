/* tests/support/plain_network.h - the network by its layers' plain loops, for tests. Slow: seconds an image. */
#ifndef SUPPORT_PLAIN_NETWORK_H
#define SUPPORT_PLAIN_NETWORK_H

#include "cxrd/labels.h"
#include "cxrd/network.h"
#include "cxrd/training.h"
#include "model/net/loss.h"

/* As session_run(), with the values as they are; normalisations use their state, as at inference. ST_NOMEM. */
MUST_USE enum status plain_forward(const struct network *net, const float *values, size_t n, const float *x,
                                   float *ret_logits);

/* As training_gradient(). ST_NOMEM. */
MUST_USE enum status plain_gradient(const struct network *net, const float *values, size_t n, const float *x,
                                    const float *y, float *ret_logits, float *ret_dparams);

/* A training's normalisations: training_new()'s n_shards and norms, and the state as training_follow() leaves it
 * afterwards, [n_state], or NULL. */
struct plain_norms {
    size_t n_shards;
    enum norms norms;
    double momentum;
    float *state;
};

/* As training_batch_gradient(). norms: NULL: by the running statistics. ST_NOMEM. */
MUST_USE enum status plain_batch_gradient(const struct network *net, const float *values,
                                          const struct training_batch *b, const struct plain_norms *norms,
                                          float *ret_logits, float *ret_dparams);

#endif
