/* server/api/prediction_pool.c - the threads belong to one request at a time: a request that finds itself alone takes them, all others
 * compute in the thread they have. Two requests that shared the threads would each wait for the other's part. */
#include "prediction_pool.h"

#include <stdatomic.h>
#include <stdlib.h>

struct prediction_pool {
    struct pool *pool;
    atomic_size_t predicting; /* requests between enter and leave, those that only decode too */
    atomic_flag taken;        /* the pool is in use */
};

enum status prediction_pool_new(size_t threads, struct prediction_pool **ret_pool, struct error *err)
{
    struct prediction_pool *p = calloc(1, sizeof *p);
    enum status st;

    if (!p)
        return error_nomem(err);
    atomic_flag_clear(&p->taken);
    st = pool_new(threads, POOL_NORMAL, &p->pool, err);
    if (st != ST_OK) {
        prediction_pool_free(p);
        return st;
    }
    *ret_pool = p;
    return ST_OK;
}

void prediction_pool_free(struct prediction_pool *p)
{
    if (!p)
        return;
    pool_free(p->pool);
    free(p);
}

void prediction_pool_enter(struct prediction_pool *p) { atomic_fetch_add(&p->predicting, 1); }
void prediction_pool_leave(struct prediction_pool *p) { atomic_fetch_sub(&p->predicting, 1); }

size_t prediction_pool_predicting(const struct prediction_pool *p) { return atomic_load(&p->predicting); }

enum status prediction_pool_run(struct prediction_pool *p, struct session *s, const struct model *m,
                                const float *x, float *ret_logits)
{
    enum status st;

    if (!p || pool_threads(p->pool) == 1 || atomic_load(&p->predicting) > 1 ||
        atomic_flag_test_and_set(&p->taken))
        return session_run(s, m, 1, x, ret_logits);
    st = session_run_shared(s, m, p->pool, x, ret_logits);
    atomic_flag_clear(&p->taken);
    return st;
}
