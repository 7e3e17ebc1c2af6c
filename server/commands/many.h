/* server/commands/many.h - many pictures asked about by several threads, and told of in their order. */
#ifndef SERVER_COMMANDS_MANY_H
#define SERVER_COMMANDS_MANY_H

#include "pictures.h"
#include "predictor.h"

/* The result for one picture.
 *   path   NULL: the model was asked without a picture
 *   reply  borrowed; NULL: `why` says why there is none */
struct told {
    const char *path;
    const json_t *reply;
    const struct error *why;
};

struct listener {
    enum status (*tell)(void *arg, const struct told *t, struct error *err); /* a failure ends it all */
    void (*wait)(void *arg); /* every so often while there is nothing to tell */
    void *arg;
};

/* Ask about every picture, or once without one. A thread reads, decodes and computes one picture at a time, so that the cores are
 * as busy as those of a server with as many workers; the calling thread only tells. Those that ask are never further ahead of
 * it than 16 pictures a thread.
 * Errors: a picture's that is no fault of the picture's, tell()'s, ST_IO (no thread), ST_NOMEM. */
MUST_USE enum status ask_many(const struct predictor *a, const struct path_list *pictures, size_t threads,
                              const struct listener *listener, struct error *err);

#endif
