/* server/api/canary.h - a model that answers a share of the requests in place of the active one, and is taken back by itself.
 *
 * Which requests follows from the caller's `case`, so that a patient's pictures are all answered by one model; without one it is drawn
 * for each request. It is taken back, and answers nobody from then on, when
 *   errors    it fails on a picture (its result is no finite number); the active model answers that request then
 *   warnings  its input gate warns of more of its pictures than the active model's of its own, beyond chance (p < 0.001, one-sided, at each
 *             look), looked at when there are CANARY_LEAST answers of either, twice as many, four times and so on
 *   drift     the stability index of its latest scores against its own validation scores is above CANARY_DRIFT, see drift.h
 * Counts are of this run of the server; that there is a canary, or that it was taken back and why, outlives it. Any thread. */
#ifndef SERVER_API_CANARY_H
#define SERVER_API_CANARY_H

#include "cxrd/buf.h"
#include "cxrd/registry.h"

#include <jansson.h>

struct canary;

enum { CANARY_LEAST = 100 };
#define CANARY_DRIFT 0.25

/* All borrowed; they must outlive it.
 *   taken_back  told when it is, by itself; called without a lock */
struct canary_options {
    struct registry *registry;
    struct store *store;
    void (*taken_back)(void *arg, const char *model, const char *reason);
    void *arg;
};
MUST_USE enum status canary_start(const struct canary_options *options, struct canary **ret_canary,
                                  struct error *err);
void canary_stop(struct canary *c); /* NULL is fine */

/* The model that is to answer a request in place of `active`, held for the caller; NULL: the active one is.
 *   key  of the request, all bits of which count */
struct loaded_model *canary_choose(struct canary *c, const struct loaded_model *active, uint64_t key);

/* A request without a model's name was answered, by this model.
 *   warned         the input gate warned of its picture
 *   probabilities  the model's own, by finding */
void canary_answered(struct canary *c, const struct loaded_model *by, bool warned,
                     const json_t *probabilities);

/* This model could not answer. */
void canary_failed(struct canary *c, const struct loaded_model *by);

/* Let a model answer a share of the requests. Where it is the canary already its share changes, and where it was taken back it begins anew.
 *   share  above 0, at most 0.5
 * Errors: registry_named()'s; ST_CONFLICT (another one is; no model is active, or this one is, or one of other findings), ST_IO. */
MUST_USE enum status canary_begin(struct canary *c, const char *id, double share, struct error *err);

/* Errors: ST_NOTFOUND (it is not the canary), ST_IO. */
MUST_USE enum status canary_end(struct canary *c, const char *id, struct error *err);

/* Its state, a new reference. Errors: ST_NOTFOUND. */
MUST_USE enum status canary_json(struct canary *c, const char *id, json_t **ret, struct error *err);

/* The id of the canary, also of one that was taken back, or null where there is none; a new reference, NULL without memory. */
json_t *canary_model(struct canary *c);

/* For GET /metrics. */
void canary_metrics(struct canary *c, struct buf *out);

#endif
