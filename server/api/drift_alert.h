/* server/api/drift_alert.h - count a prediction for drift, and tell the log and the operator's receiver of an alert that this raises. */
#ifndef SERVER_API_DRIFT_ALERT_H
#define SERVER_API_DRIFT_ALERT_H

#include "answer.h"

/* Of the active model alone. */
void drift_alert(const struct serving *serving, const struct http_request *req, const struct answer *a);

#endif
