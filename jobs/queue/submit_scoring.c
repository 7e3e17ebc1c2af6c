/* jobs/queue/submit_scoring.c - a request to score a data set, or to validate a model there, becomes a job in the queue. */
#include "worker.h"

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
    if (lost)
        return error_nomem(err);
    if (json_array_size(errors) > 0)
        return error_set(err, ST_INVALID, "%zu field%s of the job cannot be used", json_array_size(errors),
                         json_array_size(errors) == 1 ? "" : "s");
    return ST_OK;
}

static enum status submit(struct runner *r, const char *type, bool validates, const json_t *request,
                          const char *idempotency_key, const char *request_sha256, char ret_id[ID_SIZE],
                          json_t *errors, struct error *err)
{
    struct score_config *c = calloc(1, sizeof *c);
    json_t *config = NULL, *asked = json_copy((json_t *)request); /* its members are shared */
    struct caption caption;
    struct new_job job = { .type = type,
                           .caption = &caption,
                           .dataset = c ? c->data.dataset : NULL,
                           .idempotency_key = idempotency_key,
                           .request_sha256 = request_sha256 };
    enum status st = c && asked ? store_job_repeated(r->store, &job, ret_id, err) : error_nomem(err);

    if (st != ST_NOTFOUND) /* what has changed since must not make its own repetition a wrong one */
        goto out;
    caption_take(asked, CAPTION_BOTH, &caption, errors);
    st = resolve(r, asked, validates, c, errors, err);
    if (st != ST_OK)
        goto out;
    job.config = config = score_config_json(c);
    st = config ? job_submit(r, &job, ret_id, err) : error_nomem(err);
out:
    json_decref(asked);
    json_decref(config);
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
