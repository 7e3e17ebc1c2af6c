/* jobs/queue/submit_scoring.c - a request to score a data set, or to validate a model there, becomes a job in the queue. */
#include "submission.h"

#include "cxrd/json.h"
#include "cxrd/scoring.h"

#include <stdlib.h>
#include <string.h>

/* The active model where the request names none. */
static enum status model_resolve(struct runner *r, struct score_config *c, json_t *errors, struct error *err)
{
    struct error why;
    struct model *m = NULL;
    enum status st = c->model[0] ? ST_OK : store_active(r->store, c->model, err);

    if (st != ST_OK)
        return st;
    if (!c->model[0]) {
        config_error(errors, "model", "is needed: no model is active");
        return ST_OK;
    }
    st = registry_load(r->registry, c->model, &m, &why);
    if (st != ST_OK && st != ST_NOTFOUND && status_is_outside(st))
        return error_set(err, st, "%s", why.text);
    if (st != ST_OK)
        config_error(errors, "model", "%s", why.text);
    else if (model_is_backbone(m))
        config_error(errors, "model", "%s", BACKBONE_REFUSED);
    else
        score_config_settle(c, m, errors);
    model_unref(m);
    return ST_OK;
}

/* It must be of the model that is scored. */
static enum status profile_check(struct runner *r, const struct score_config *c, json_t *errors,
                                 struct error *err)
{
    json_t *stored = NULL;
    struct error why;
    enum status st = c->profile[0] ? store_profile_get(r->store, c->profile, &stored, &why) : ST_OK;
    const char *model = json_string_value(json_object_get(stored, "model"));

    if (st == ST_NOTFOUND)
        config_error(errors, "profile", "%s", why.text);
    else if (st != ST_OK)
        *err = why;
    else if (c->profile[0] && (!model || strcmp(model, c->model) != 0))
        config_error(errors, "profile", "is of another model than the one that is scored");
    json_decref(stored);
    return st == ST_NOTFOUND ? ST_OK : st;
}

/* A request into the configuration that it means, with every field checked. */
static enum status resolve(struct runner *r, const json_t *request, bool validates, struct score_config *c,
                           json_t *errors, struct error *err)
{
    enum status st = score_config_parse(request, validates, c, errors);
    bool lost = st == ST_NOMEM;

    if (st == ST_OK) {
        st = score_config_check(c, r->options.datasets, errors, err);
        lost = json_ran_out();
        if (st == ST_OK)
            st = model_resolve(r, c, errors, err);
        if (st == ST_OK)
            st = profile_check(r, c, errors, err);
        if (st != ST_OK)
            return st;
        job_check_webhook(r, c->data.webhook, errors);
        lost = json_ran_out() || lost;
    }
    return submission_judge(errors, lost, "job", err);
}

static enum status submit(struct runner *r, const char *type, bool validates, const json_t *request,
                          const char *idempotency_key, const char *request_sha256, char ret_id[ID_SIZE],
                          json_t *errors, struct error *err)
{
    struct submission s = {
        .job = { .type = type, .idempotency_key = idempotency_key, .request_sha256 = request_sha256 }
    };
    struct score_config *c = calloc(1, sizeof *c);
    enum status st = submission_begin(r, &s, request, CAPTION_BOTH, ret_id, errors, err);

    if (st == ST_NOTFOUND) {
        st = c ? resolve(r, s.fields, validates, c, errors, err) : error_nomem(err);
        if (st == ST_OK)
            st = submission_queue(r, &s, c->data.dataset, score_config_json(c), ret_id, err);
    }
    submission_release(&s);
    free(c);
    return st;
}

enum status runner_submit_predict(struct runner *r, const json_t *request, const char *idempotency_key,
                                  const char *request_sha256, char ret_id[ID_SIZE], json_t *errors,
                                  struct error *err)
{
    return submit(r, JOB_PREDICT, false, request, idempotency_key, request_sha256, ret_id, errors, err);
}

enum status runner_submit_validate(struct runner *r, const json_t *request, const char *idempotency_key,
                                   const char *request_sha256, char ret_id[ID_SIZE], json_t *errors,
                                   struct error *err)
{
    return submit(r, JOB_VALIDATE, true, request, idempotency_key, request_sha256, ret_id, errors, err);
}
