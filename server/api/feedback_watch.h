/* server/api/feedback_watch.h - the score keeper and what readers say, for GET /metrics. */
#ifndef SERVER_API_FEEDBACK_WATCH_H
#define SERVER_API_FEEDBACK_WATCH_H

#include "cxrd/buf.h"
#include "cxrd/score_keeper.h"

/* The results of readers' feedback, as they were last counted. One thread at a time. */
struct feedback_watch;

MUST_USE enum status feedback_watch_new(struct feedback_watch **ret, struct error *err); /* ST_NOMEM */
void feedback_watch_free(struct feedback_watch *w);                                      /* NULL is fine */

/* Append it. Sensitivity and specificity are counted anew where feedback came, every WATCH_SECONDS at most.
 *   active  the model that answers, "" for none: figures are of it alone */
enum { WATCH_SECONDS = 15 };
void feedback_watch_write(struct feedback_watch *w, struct store *store, struct score_keeper *keeper,
                          const char *active, struct buf *out);

#endif
