/* server/api/trials.c - models that are tried beside the active one: in its shadow, and as a canary. */
#include "canary.h"
#include "handlers.h"
#include "input.h"
#include "serving.h"
#include "shadow.h"

#include "cxrd/train_config.h"

#include <string.h>

/* ---- in the shadow ---- */

enum status model_shadow_get(struct app *app, const struct http_request *req, struct http_response *res,
                             struct error *err)
{
    json_t *shadow = NULL;
    const enum status st = storage_status(shadow_json(app_serving(app)->shadow, req->id, &shadow, err), res);

    return st == ST_OK ? http_json(res, shadow) : st;
}

enum status model_shadow_put(struct app *app, const struct http_request *req, struct http_response *res,
                             struct error *err)
{
    const enum status st = loading_status(shadow_begin(app_serving(app)->shadow, req->id, NULL, err), res);

    return st == ST_OK ? model_shadow_get(app, req, res, err) : st;
}

enum status model_shadow_delete(struct app *app, const struct http_request *req, struct http_response *res,
                                struct error *err)
{
    const struct shadow_outcome outcome = { "stopped", "it was taken out of the shadow by hand" };
    const enum status st = storage_status(shadow_end(app_serving(app)->shadow, req->id, &outcome, err), res);

    res->status = st == ST_OK ? 204 : res->status;
    return st;
}

/* ---- as a canary ---- */

static enum status take_share(const struct http_request *req, struct http_response *res, double *ret,
                              struct error *err)
{
    json_t *body = NULL, *value;
    const char *key;
    enum status st = body_json(req, res, &body, err);

    if (st != ST_OK)
        return st;
    res->errors = json_array();
    value = json_object_get(body, "share");
    *ret = json_number_value(value);
    if (!json_is_number(value) || !(*ret > 0 && *ret <= 0.5))
        config_error(res->errors, "share", "must be a number above 0 and at most 0.5");
    json_object_foreach (body, key, value)
        if (strcmp(key, "share") != 0)
            config_error(res->errors, key, "there is no such field: only share");
    json_decref(body);
    return json_array_size(res->errors) > 0
               ? error_set(err, ST_INVALID, "the request has a field that cannot be used")
               : ST_OK;
}

enum status model_canary_get(struct app *app, const struct http_request *req, struct http_response *res,
                             struct error *err)
{
    json_t *canary = NULL;
    const enum status st = canary_json(app_serving(app)->canary, req->id, &canary, err);

    return st == ST_OK ? http_json(res, canary) : st;
}

enum status model_canary_put(struct app *app, const struct http_request *req, struct http_response *res,
                             struct error *err)
{
    double share;
    enum status st = take_share(req, res, &share, err);

    if (st == ST_OK)
        st = loading_status(canary_begin(app_serving(app)->canary, req->id, share, err), res);
    return st == ST_OK ? model_canary_get(app, req, res, err) : st;
}

enum status model_canary_delete(struct app *app, const struct http_request *req, struct http_response *res,
                                struct error *err)
{
    const enum status st = storage_status(canary_end(app_serving(app)->canary, req->id, err), res);

    res->status = st == ST_OK ? 204 : res->status;
    return st;
}
