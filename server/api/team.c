/* server/api/team.c - see team.h. The pool belongs to one request at a time; a request that finds itself alone takes it,
 * all others compute in the thread they have. */
#include "team.h"

#include <stdatomic.h>
#include <stdlib.h>

struct team {
    struct pool *pool;
    atomic_size_t predicting; /* requests between enter and leave, those that only decode too */
    atomic_flag taken;        /* the pool is in use */
};

enum status team_new(size_t threads, struct team **ret_team, struct error *err)
{
    struct team *t = calloc(1, sizeof *t);
    enum status st;

    if (!t)
        return error_nomem(err);
    atomic_flag_clear(&t->taken);
    st = pool_new(threads, POOL_NORMAL, &t->pool, err);
    if (st != ST_OK) {
        team_free(t);
        return st;
    }
    *ret_team = t;
    return ST_OK;
}

void team_free(struct team *t)
{
    if (!t)
        return;
    pool_free(t->pool);
    free(t);
}

void team_enter(struct team *t) { atomic_fetch_add(&t->predicting, 1); }
void team_leave(struct team *t) { atomic_fetch_sub(&t->predicting, 1); }

size_t team_predicting(const struct team *t) { return atomic_load(&t->predicting); }

enum status team_run(struct team *t, struct session *s, const struct model *m, const float *x,
                     float *ret_logits)
{
    enum status st;

    if (!t || pool_threads(t->pool) == 1 || atomic_load(&t->predicting) > 1 ||
        atomic_flag_test_and_set(&t->taken))
        return session_run(s, m, 1, x, ret_logits);
    st = session_run_shared(s, m, t->pool, x, ret_logits);
    atomic_flag_clear(&t->taken);
    return st;
}
