/* server/api/sessions.h - inference sessions for the workers that predict: taken for a request, then given back. Any thread
 * may call. */
#ifndef SERVER_API_SESSIONS_H
#define SERVER_API_SESSIONS_H

#include "cxrd/session.h"

struct sessions;

MUST_USE enum status sessions_new(size_t n, struct sessions **ret_sessions, struct error *err); /* ST_NOMEM */
void sessions_free(struct sessions *all);            /* NULL is fine; all must have been given back */
struct session *sessions_take(struct sessions *all); /* waits for one */
void sessions_give(struct sessions *all, struct session *s);

#endif
