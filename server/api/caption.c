/* server/api/caption.c - PATCH of a job and of a model: what people call it, and what they note of it. */
#include "handlers.h"
#include "input.h"
#include "work.h"

#include "cxrd/json.h"
#include "cxrd/train_config.h"

typedef enum status caption_fn(struct store *s, const char *id, const struct caption *c, struct error *err);

/* What the body says; every field that it has besides is an error. */
static enum status body_caption(const struct http_request *req, struct http_response *res,
                                struct caption *ret, struct error *err)
{
    json_t *request = NULL, *value;
    const char *key;
    enum status st = body_json(req, res, &request, err);

    if (st == ST_OK && !json_is_object(request))
        st = error_set(err, ST_INVALID, "the body must be a JSON object");
    if (st == ST_OK) {
        json_watch();
        res->errors = json_array();
        caption_take(request, CAPTION_BOTH, ret, res->errors);
        json_object_foreach (request, key, value)
            config_error(res->errors, key, "there is no such field: only name and note can be changed");
        if (json_ran_out())
            st = error_nomem(err);
        else if (json_array_size(res->errors) > 0)
            st = error_set(err, ST_INVALID, "the request has a field that cannot be used");
    }
    json_decref(request);
    return st;
}

static enum status patch(struct app *app, const struct http_request *req, caption_fn *change, handler_fn *get,
                         struct http_response *res, struct error *err)
{
    struct caption caption;
    enum status st = body_caption(req, res, &caption, err);

    if (st == ST_OK)
        st = storage_status(change(app_work(app)->store, req->id, &caption, err), res);
    return st == ST_OK ? get(app, req, res, err) : st;
}

enum status job_patch(struct app *app, const struct http_request *req, struct http_response *res,
                      struct error *err)
{
    return patch(app, req, store_job_caption, job_get, res, err);
}

enum status model_patch(struct app *app, const struct http_request *req, struct http_response *res,
                        struct error *err)
{
    return patch(app, req, store_model_caption, model_get, res, err);
}
