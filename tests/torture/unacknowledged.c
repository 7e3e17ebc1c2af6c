/* tests/torture/unacknowledged.c - a server that answers an activation before the others answer by it: linked with --wrap=follower_await. */
#include "jobs/registry/follower.h"

enum status __wrap_follower_await(struct follower *f, int64_t epoch, struct error *err);

enum status __wrap_follower_await(struct follower *f, int64_t epoch, struct error *err)
{
    (void)f, (void)epoch, (void)err;
    return ST_OK;
}
