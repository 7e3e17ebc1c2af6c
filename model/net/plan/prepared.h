/* model/net/plan/prepared.h - a network's weights as the kernels read them. */
#ifndef MODEL_NET_PLAN_PREPARED_H
#define MODEL_NET_PLAN_PREPARED_H

#include "cxrd/pool.h"
#include "plan.h"

struct prepared {
    float *ops;       /* [n_weights of the plan] */
    float *head;      /* [labels][row], the features as they lie in memory */
    float *head_bias; /* [labels] */
};

MUST_USE enum status prepared_init(struct prepared *w, const struct plan *p); /* ST_NOMEM */
void prepared_release(struct prepared *w);                                    /* safe on zeroes */

/* values: the network's, its state behind its parameters where the plan has ops that read it. */
void prepared_update(struct prepared *w, const struct plan *p, const float *values, struct pool *pool);

#endif
