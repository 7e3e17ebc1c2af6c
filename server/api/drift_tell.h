/* server/api/drift_tell.h - a prediction is counted for drift, and what that raises is told: in the log, and to the operator's
 * receiver. */
#ifndef SERVER_API_DRIFT_TELL_H
#define SERVER_API_DRIFT_TELL_H

#include "answer.h"

/* Of the active model alone. */
void drift_tell(const struct serving *serving, const struct http_request *req, const struct answer *a);

#endif
