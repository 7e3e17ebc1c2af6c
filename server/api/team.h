/* server/api/team.h - one image over all cores while nobody else predicts, an image a core otherwise: decided anew for each
 * request. Any thread may call. */
#ifndef SERVER_API_TEAM_H
#define SERVER_API_TEAM_H

#include "cxrd/session.h"

struct team;

MUST_USE enum status team_new(size_t threads, struct team **ret_team, struct error *err);
void team_free(struct team *t); /* NULL is fine */

/* Between these two a request predicts. */
void team_enter(struct team *t);
void team_leave(struct team *t);

/* How many are between the two at this moment. */
size_t team_predicting(const struct team *t);

/* As session_run() for one image; t may be NULL. Only between team_enter() and team_leave(). */
MUST_USE enum status team_run(struct team *t, struct session *s, const struct model *m, const float *x,
                              float *ret_logits);

#endif
