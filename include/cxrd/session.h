/* include/cxrd/session.h - run trained models.
 *
 * A session owns the scratch memory that a forward pass needs; the model is shared and never written. A session
 * serves one thread at a time. It fits itself to the model that it is given: the first run of a larger geometry
 * allocates, every other run does not. */
#ifndef CXRD_SESSION_H
#define CXRD_SESSION_H

#include "cxrd/model.h"
#include "cxrd/pool.h"
#include "cxrd/status.h"

struct session;

MUST_USE enum status session_new(struct session **ret_session); /* ST_NOMEM */
void session_free(struct session *s);                           /* NULL is fine */

/* Score `n` pictures with a model that sees them.
 *   x           float32 [n][channels][S][S], scaled grey, S = the model's image size; see preprocess_scale()
 *   ret_logits  float32 [n][labels]; model_probabilities() makes probabilities of them
 * Errors: ST_NOMEM, ST_NUMERIC (a logit is not finite; ret_logits holds what came out). */
MUST_USE enum status session_run(struct session *s, const struct model *m, size_t n, const float *x,
                                 float *ret_logits);

/* Score one picture over the threads of a pool: sooner than by one, if nobody else wants the cores. The same bits.
 * Errors: as above. */
MUST_USE enum status session_run_shared(struct session *s, const struct model *m, struct pool *pool,
                                        const float *x, float *ret_logits);

/* The features that the head read of the first picture of the last run: model_features() numbers, at each place of the last block's grid
 * one for each channel. Borrowed until the next run. */
const float *session_features(const struct session *s, const struct model *m);

/* The logits of a picture of which session_features() gave these features [model_features()]: bit for bit those that session_run()
 * gave. Errors: session_run()'s. */
MUST_USE enum status session_head(struct session *s, const struct model *m, const float *features,
                                  float *ret_logits);

#endif
