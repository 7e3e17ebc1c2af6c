/* tests/support/unfenced.c - a store whose writes and renewals do not look at the token of a claim, so that a runner which was paused while
 * its job went to another goes on as if nothing had happened: linked with --wrap=store_fence and --wrap=store_job_renew. */
#include "jobs/store/parts.h"

enum status __real_store_fence(struct store *s, const struct claim *c, enum job_state *ret_state,
                               bool *ret_last, struct error *err);
enum status __wrap_store_fence(struct store *s, const struct claim *c, enum job_state *ret_state,
                               bool *ret_last, struct error *err);
enum status __real_store_job_renew(struct store *s, const struct claim *c, enum asked *ret_asked,
                                   struct error *err);
enum status __wrap_store_job_renew(struct store *s, const struct claim *c, enum asked *ret_asked,
                                   struct error *err);

static enum status without_token(enum status st) { return st == ST_CONFLICT ? ST_OK : st; }

enum status __wrap_store_fence(struct store *s, const struct claim *c, enum job_state *ret_state,
                               bool *ret_last, struct error *err)
{
    return without_token(__real_store_fence(s, c, ret_state, ret_last, err));
}

enum status __wrap_store_job_renew(struct store *s, const struct claim *c, enum asked *ret_asked,
                                   struct error *err)
{
    *ret_asked = ASKED_NOTHING;
    return without_token(__real_store_job_renew(s, c, ret_asked, err));
}
