/* server/app.h - everything a handler may touch. Made by `cxrd serve`, read only once the server runs. */
#ifndef SERVER_APP_H
#define SERVER_APP_H

#include "cxrd/image.h"
#include "cxrd/notices.h"
#include "cxrd/registry.h"
#include "cxrd/runner.h"
#include "cxrd/session.h"
#include "cxrd/store.h"
#include "http/http.h"

struct sessions; /* as many inference sessions as there are workers */
struct metrics;
struct scrape;
struct audit;
struct team; /* all cores for one prediction, when there is only one */

struct app {
    struct store *store;
    struct registry *registry;
    struct runner *runner;
    struct sessions *sessions;
    struct team *team;
    struct image_limits limits;
    bool reject_inputs;                          /* what the input gate warns of is refused */
    size_t max_upload, predict_queue, job_queue; /* for /version */
    struct metrics *metrics;
    struct scrape *scrape; /* of GET /metrics */
    struct audit *audit;   /* NULL: none is kept */
    struct outgoing *outgoing;
    struct notices *notices; /* NULL: nobody is told anything */
    const char *datasets;    /* NULL: none */
    char *s3_credentials;    /* owned; NULL: none */
    const char *base_path;   /* before every path in a link, "" none */
    long long started;       /* seconds since 1970 */
};

enum { KIB = 1024, MIB = 1024 * 1024, MAX_JSON = 64 * KIB };

MUST_USE enum status sessions_new(size_t n, struct sessions **ret_sessions, struct error *err); /* ST_NOMEM */
void sessions_free(struct sessions *all);            /* NULL is fine; all must have been given back */
struct session *sessions_take(struct sessions *all); /* waits for one */
void sessions_give(struct sessions *all, struct session *s);

/* One image over all cores while nobody else predicts, an image a core otherwise: decided anew for each request. */
MUST_USE enum status team_new(size_t threads, struct team **ret_team, struct error *err);
void team_free(struct team *t); /* NULL is fine */

/* Between these two a request predicts. */
void team_enter(struct team *t);
void team_leave(struct team *t);

/* As session_run() for one image; t may be NULL. Only between team_enter() and team_leave(). */
MUST_USE enum status team_run(struct team *t, struct session *s, const struct model *m, const float *x,
                              float *ret_logits);

handler_fn predict_post, heatmap_post;
handler_fn jobs_train_post, jobs_get, job_get, job_scores_get, job_report_get, job_cancel_post,
    job_resume_post, job_delete;
handler_fn job_events_get, datasets_post;
handler_fn models_get, model_get, model_weights_get, models_post, model_activate_post;
handler_fn models_rollback_post, model_delete;
/* http_hooks: what is kept of a request. */
MUST_USE enum status record_intent(struct app *app, const struct http_done *done, struct error *err);
MUST_USE enum status record_before(struct app *app, const struct http_done *done, struct error *err);
void record_after(struct app *app, const struct http_done *done);
/* The same of a model that a job made the active one; see struct runner_options. */
void record_activated(void *app, const char *job, const char *model);

handler_fn metrics_get;
handler_fn livez_get, readyz_get, version_get, openapi_get;
handler_fn page_get, docs_get, ui_get;

#endif
