/* server/api/metrics.h - what the service counts of itself, for GET /metrics (Prometheus text format 0.0.4).
 *
 * No label names a person, a picture or a request, and every label has few values: those of a finding are the names in the models
 * that answered last, which need no escape, see cxrd/labels.h. Any thread may call. */
#ifndef SERVER_API_METRICS_H
#define SERVER_API_METRICS_H

#include "../http/http.h"
#include "cxrd/registry.h"

#include <jansson.h>

struct metrics;

/* `routes` is what requests are counted by; borrowed. Errors: ST_NOMEM. */
MUST_USE enum status metrics_new(const struct route_table *routes, struct metrics **ret_metrics,
                                 struct error *err);
void metrics_free(struct metrics *m); /* NULL is fine */

/* A request is over. */
void metrics_request(struct metrics *m, const struct http_done *done);

/* A prediction is about to be sent: `reply` is the contract's, by model `by`.
 *   active  it is of the model that is active. Scores, and drift with them, are that model's: who compares models asks about a
 *           picture twice
 *   own     the probabilities that the model gave, before a site's profile: drift is of these */
void metrics_prediction(struct metrics *m, const struct loaded_model *by, bool active, const json_t *reply,
                        const json_t *own);

/* Everything counted so far, as text.
 *   active  the model that answers, whose findings are there before it has answered; no other's scores have drifted. NULL: none */
void metrics_write(struct metrics *m, const struct loaded_model *active, struct buf *out);

/* The head of a metric family: its HELP and TYPE lines. */
void metrics_family(struct buf *out, const char *name, const char *type, const char *help);

#endif
