/* server/api/record.h - what is kept of a request, see struct http_hooks. */
#ifndef SERVER_API_RECORD_H
#define SERVER_API_RECORD_H

#include "../http/http.h"

MUST_USE enum status record_intent(struct app *app, const struct http_done *done, struct error *err);
MUST_USE enum status record_before(struct app *app, const struct http_done *done, struct error *err);
void record_after(struct app *app, const struct http_done *done);

/* The same of a model that a job made the active one; see struct runner_options. */
void record_activated(void *app, const char *job, const char *model);

/* A training's model is in the shadow, "waiting", or no longer: see promoter.h. */
struct shadow_promotion;
struct shadow_outcome;
void record_shadow(void *app, const struct shadow_promotion *p, const struct shadow_outcome *o);

/* A canary was taken back by itself; see struct canary_options. */
void record_taken_back(void *app, const char *model, const char *reason);

#endif
