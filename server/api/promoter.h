/* server/api/promoter.h - takes the models that trainings have put into the shadow of the active one (promote "after_shadow") to its place, or
 * says why not.
 *
 * A thread that looks once a second whether the pictures are all looked at, or the time is over. It decides once
 * (cxrd/shadow_decision.h). All that it goes by is in the store, so it goes on after a restart; DELETE /models/{id}/shadow ends it. */
#ifndef SERVER_API_PROMOTER_H
#define SERVER_API_PROMOTER_H

#include "shadow.h"

struct promoter;

/* Both borrowed; they must outlive it. */
MUST_USE enum status promoter_start(struct registry *registry, struct shadow *shadow,
                                    struct promoter **ret_promoter, struct error *err);
void promoter_stop(struct promoter *p); /* NULL is fine */

#endif
