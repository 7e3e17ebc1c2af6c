/* server/api/feedback_monitor.h - figures of the score writer and of readers' feedback, for GET /metrics. */
#ifndef SERVER_API_FEEDBACK_MONITOR_H
#define SERVER_API_FEEDBACK_MONITOR_H

#include "cxrd/buf.h"
#include "cxrd/score_writer.h"

/* The results of readers' feedback, as they were last counted. One thread at a time. */
struct feedback_monitor;

MUST_USE enum status feedback_monitor_new(struct feedback_monitor **ret, struct error *err); /* ST_NOMEM */
void feedback_monitor_free(struct feedback_monitor *w); /* NULL is fine */

/* Append it. Sensitivity and specificity are counted anew where feedback came, every WATCH_SECONDS at most.
 *   active  the model that answers, "" for none: figures are of it alone */
enum { WATCH_SECONDS = 15 };
void feedback_monitor_write(struct feedback_monitor *w, struct store *store,
                            struct score_writer *score_writer, const char *active, struct buf *out);

#endif
