/* server/api/caption.c - PATCH of a job and of a model: what people call it, and what they note of it. */
#include "handlers.h"
#include "input.h"
#include "work.h"

#include "cxrd/card.h"
#include "cxrd/json.h"
#include "cxrd/own_thresholds.h"
#include "cxrd/train_config.h"

/* Read the body's fields; every other field is an error.
 *   labels    of the model whose own thresholds may be changed; NULL: of what has none
 *   ret_own   all of them
 *   ret_sets  whether they are changed */
static enum status take(json_t *request, const struct labels *labels, struct caption *ret,
                        struct own_thresholds *ret_own, bool *ret_sets, json_t *errors, struct error *err)
{
    const char *key;
    json_t *value;

    json_watch();
    caption_take(request, CAPTION_BOTH, ret, errors);
    *ret_sets = false;
    if (labels)
        *ret_sets = own_thresholds_take(request, labels, ret_own, errors);
    json_object_foreach (request, key, value)
        config_error(errors, key, "there is no such field: only name%s and note can be changed",
                     labels ? ", own_thresholds" : "");
    if (json_ran_out())
        return error_nomem(err);
    if (json_array_size(errors) > 0)
        return error_set(err, ST_INVALID, "the request has a field that cannot be used");
    return ST_OK;
}

static enum status body_object(const struct http_request *req, struct http_response *res, json_t **ret,
                               struct error *err)
{
    enum status st = body_json(req, res, ret, err);

    if (st == ST_OK && !json_is_object(*ret))
        st = error_set(err, ST_INVALID, "the body must be a JSON object");
    res->errors = st == ST_OK ? json_array() : NULL;
    return st;
}

enum status job_patch(struct app *app, const struct http_request *req, struct http_response *res,
                      struct error *err)
{
    struct caption caption;
    json_t *request = NULL;
    bool sets;
    enum status st = body_object(req, res, &request, err);

    if (st == ST_OK)
        st = take(request, NULL, &caption, NULL, &sets, res->errors, err);
    if (st == ST_OK)
        st = storage_status(store_job_caption(app_work(app)->store, req->id, &caption, err), res);
    json_decref(request);
    return st == ST_OK ? job_get(app, req, res, err) : st;
}

enum status model_patch(struct app *app, const struct http_request *req, struct http_response *res,
                        struct error *err)
{
    const struct work *work = app_work(app);
    struct own_thresholds own;
    struct caption caption;
    struct labels labels;
    json_t *request = NULL, *card = NULL;
    bool sets = false;
    enum status st = body_object(req, res, &request, err);

    if (st == ST_OK)
        st = store_model_get(work->store, req->id, &card, err);
    if (st == ST_OK)
        st = card_labels(card, &labels, err);
    if (st == ST_OK)
        st = take(request, &labels, &caption, &own, &sets, res->errors, err);
    if (st == ST_OK)
        st = storage_status(
            registry_change(work->registry, req->id, &caption, sets ? &own : NULL, &labels, err), res);
    json_decref(request);
    json_decref(card);
    return st == ST_OK ? model_get(app, req, res, err) : st;
}
