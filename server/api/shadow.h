/* server/api/shadow.h - a candidate that is asked about the same pictures as the model that answers, beside it.
 *
 * A picture is handed over when its answer is made, and looked at when that has left: by a thread of the lowest priority, and only while
 * nobody predicts. Few pictures wait; one that finds no place is not looked at, and counted: whatever is asked of this server comes first.
 * Handing over takes no lock, since that thread, once it has a lock, may get no core to give it back. Pictures are in memory alone; what stays
 * are sums (cxrd/shadow_counts.h), and with --keep-scores the candidate's scores beside those of the model that answered. Any thread may
 * call. */
#ifndef SERVER_API_SHADOW_H
#define SERVER_API_SHADOW_H

#include "cxrd/buf.h"
#include "cxrd/kept_scores.h"
#include "cxrd/profiles.h"
#include "cxrd/promotion.h"
#include "cxrd/registry.h"
#include "cxrd/runner.h"
#include "cxrd/shadow_counts.h"

struct shadow;
struct answer;

/* The end of a trial that a training asked for: "activated", "refused" or "stopped", and a sentence that says why. */
struct shadow_outcome {
    const char *state, *reason;
};

/* All borrowed; they must outlive it. */
struct shadow_options {
    struct registry *registry;
    struct profiles *profiles;
    struct store *store;
    struct score_writer *score_writer;
    struct prediction_pool *pool;
    void (*ended)(void *arg, const struct shadow_promotion *p,
                  const struct shadow_outcome *o); /* may be NULL */
    void *arg;
};

/* Goes on with the candidate that there was when the server ended. Errors: ST_IO, ST_NOMEM. */
MUST_USE enum status shadow_start(const struct shadow_options *options, struct shadow **ret_shadow,
                                  struct error *err);
void shadow_stop(struct shadow *s); /* NULL is fine */

/* Hand over the picture of an answer, which loses it, if it may be looked at.
 *   event  the request's event_id
 *   row    what the answer says; its id is "" where it is not kept */
void shadow_offer(struct shadow *s, const char *event, struct answer *a, const struct kept_scores *row);

/* The answer to this request has left, or never will. */
void shadow_answered(struct shadow *s, const char *event);

/* Let a model be the candidate. Nothing changes where it is already.
 *   promotion  the training that asks for it, and wants its model to become the active one; NULL: a person asks
 * Errors: registry_named()'s; ST_CONFLICT (another one is; no model is active, or this one is, or one of other findings, or another than
 * it was compared with), ST_IO. */
MUST_USE enum status shadow_begin(struct shadow *s, const char *id, const struct shadow_promotion *promotion,
                                  struct error *err);

/*   outcome  of the training's wish, if a training asked for the candidate: into the job's record and journal, in one with the end
 * Errors: ST_NOTFOUND (it is no candidate), ST_BUSY (the training has not ended yet), ST_IO. */
MUST_USE enum status shadow_end(struct shadow *s, const char *id, const struct shadow_outcome *outcome,
                                struct error *err);

/* The candidate that a training asked for, as it is now. False: there is none. */
struct shadow_trial {
    struct shadow_promotion promotion;
    struct shadow_counts counts;
    int64_t since; /* seconds since 1970 */
};
bool shadow_trial(struct shadow *s, struct shadow_trial *ret);

/* Whether its figures let it take the active model's place, see cxrd/shadow_decision.h. Errors: ST_IO, ST_NOMEM. */
MUST_USE enum status shadow_judge(struct shadow *s, const struct shadow_trial *t, bool *ret_allowed,
                                  char ret_reason[REASON_TEXT], struct error *err);

/* Its state so far, a new reference. It makes the planned analysis of readers' feedback that is due. Errors: ST_NOTFOUND, ST_IO, ST_NOMEM. */
MUST_USE enum status shadow_json(struct shadow *s, const char *id, json_t **ret, struct error *err);

/* Whether a model has been the candidate of the active one for so many pictures, and readers do not say that it is worse.
 * Errors: ST_CONFLICT (the sentence says what lacks), ST_IO, ST_NOMEM. */
MUST_USE enum status shadow_passed(struct shadow *s, const char *id, size_t pictures, struct error *err);

/* The candidate's id, or null where there is none; a new reference, NULL without memory. */
json_t *shadow_model(struct shadow *s);

/* For GET /metrics. */
void shadow_metrics(struct shadow *s, struct buf *out);

#endif
