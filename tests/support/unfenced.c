/* tests/support/unfenced.c - a store whose writes do not look at the token of a claim: linked with --wrap=store_fence. */
#include "jobs/store/parts.h"

enum status __real_store_fence(struct store *s, const struct claim *c, enum job_state *ret_state,
                               bool *ret_last, struct error *err);
enum status __wrap_store_fence(struct store *s, const struct claim *c, enum job_state *ret_state,
                               bool *ret_last, struct error *err);

enum status __wrap_store_fence(struct store *s, const struct claim *c, enum job_state *ret_state,
                               bool *ret_last, struct error *err)
{
    const enum status st = __real_store_fence(s, c, ret_state, ret_last, err);

    return st == ST_CONFLICT ? ST_OK : st;
}
