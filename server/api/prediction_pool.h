/* server/api/prediction_pool.h - one image over all cores while nobody else predicts, an image a core otherwise: decided anew for each
 * request. Any thread may call. */
#ifndef SERVER_API_PREDICTION_POOL_H
#define SERVER_API_PREDICTION_POOL_H

#include "cxrd/session.h"

struct prediction_pool;

MUST_USE enum status prediction_pool_new(size_t threads, struct prediction_pool **ret_pool,
                                         struct error *err);
void prediction_pool_free(struct prediction_pool *p); /* NULL is fine */

/* Between these two a request predicts. */
void prediction_pool_enter(struct prediction_pool *p);
void prediction_pool_leave(struct prediction_pool *p);

/* How many are between the two at this moment. */
size_t prediction_pool_predicting(const struct prediction_pool *p);

/* As session_run() for one image; p may be NULL. Only between prediction_pool_enter() and prediction_pool_leave(). */
MUST_USE enum status prediction_pool_run(struct prediction_pool *p, struct session *s, const struct model *m,
                                         const float *x, float *ret_logits);

#endif
