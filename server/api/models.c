/* server/api/models.c - the registry over HTTP. */
#include "canary.h"
#include "handlers.h"
#include "input.h"
#include "serving.h"
#include "shadow.h"
#include "work.h"

#include <string.h>

enum status models_get(struct app *app, const struct http_request *req, struct http_response *res,
                       struct error *err)
{
    char active[ID_SIZE], text[PARAMETER_TEXT];
    struct page page = { 0 };
    json_t *models = NULL;
    int64_t next;
    enum status st = page_parse(req, &page, err);

    if (http_parameter(req, "q", text))
        page.text = text;
    if (st == ST_OK)
        st = store_active(app_work(app)->store, active, err);
    if (st == ST_OK)
        st = store_models(app_work(app)->store, &page, &models, &next, err);
    if (st != ST_OK)
        return st;
    return http_json(res,
                     json_pack("{s:o,s:o,s:o,s:o,s:o}", "models", models, "active",
                               active[0] ? json_string(active) : json_null(), "shadow",
                               shadow_model(app_serving(app)->shadow), "canary",
                               canary_model(app_serving(app)->canary), "next_cursor", cursor_json(next)));
}

enum status model_get(struct app *app, const struct http_request *req, struct http_response *res,
                      struct error *err)
{
    json_t *card = NULL;
    const enum status st = store_model_get(app_work(app)->store, req->id, &card, err);

    return st == ST_OK ? http_json(res, card) : st;
}

enum status model_weights_get(struct app *app, const struct http_request *req, struct http_response *res,
                              struct error *err)
{
    json_t *card = NULL;
    enum status st = store_model_get(app_work(app)->store, req->id, &card, err);

    json_decref(card);
    if (st != ST_OK)
        return st;
    st = registry_file(app_work(app)->registry, req->id, &res->fd, &res->fd_size, err);
    if (st != ST_OK)
        return storage_status(st, res);
    res->content_type = "application/octet-stream";
    http_header_add(res, "Content-Disposition", "attachment; filename=\"%s.safetensors\"", req->id);
    return ST_OK;
}

enum status model_onnx_get(struct app *app, const struct http_request *req, struct http_response *res,
                           struct error *err)
{
    enum status st = registry_onnx(app_work(app)->registry, req->id, &res->fd, &res->fd_size, err);

    if (st == ST_FORMAT || st == ST_LIMIT)
        res->status = 409; /* as of an activation: a state of this server */
    if (st != ST_OK)
        return storage_status(st, res);
    res->content_type = "application/octet-stream";
    http_header_add(res, "Content-Disposition", "attachment; filename=\"%s.onnx\"", req->id);
    return ST_OK;
}

enum status models_at_head(struct app *app, const struct http_request *req, struct http_response *res,
                           struct error *err)
{
    (void)app;
    if (content_type_is(req, "application/octet-stream"))
        return ST_OK;
    res->status = 415;
    return error_set(err, ST_UNSUPPORTED,
                     "the body must be a file of weights, with Content-Type: application/octet-stream");
}

/* The query's parts of struct import_options, as texts. */
enum { N_IMPORT_TEXTS = 5 };

/* The query's options for the file.
 *   texts  what *ret borrows */
static enum status import_options_parse(const struct http_request *req,
                                        char texts[N_IMPORT_TEXTS][PARAMETER_TEXT],
                                        struct import_options *ret, struct error *err)
{
    const struct {
        const char *name, **place;
    } TEXTS[N_IMPORT_TEXTS] = { { "labels", &ret->labels },
                                { "architecture", &ret->architecture },
                                { "scaling", &ret->scaling },
                                { "thresholds", &ret->thresholds },
                                { "resize", &ret->resize } };
    int64_t size = 0;
    const enum status st =
        number_parse(req, "image_size", PREPROCESS_MIN_SIZE, PREPROCESS_MAX_SIZE, &size, err);

    *ret = (struct import_options){ .image_size = (size_t)size };
    for (size_t i = 0; i < N_IMPORT_TEXTS; i++)
        if (http_parameter(req, TEXTS[i].name, texts[i]))
            *TEXTS[i].place = texts[i];
    return st;
}

enum status models_post(struct app *app, const struct http_request *req, struct http_response *res,
                        struct error *err)
{
    char texts[N_IMPORT_TEXTS][PARAMETER_TEXT], signature[PARAMETER_TEXT];
    const bool is_signed = http_parameter(req, "signature", signature);
    struct import_options o;
    json_t *card = NULL;
    enum status st = models_at_head(app, req, res, err);

    if (st != ST_OK)
        return st;
    if (req->body_len == 0)
        return error_set(err, ST_FORMAT, "the request has no body: send a file of weights");
    st = import_options_parse(req, texts, &o, err);
    if (st == ST_OK)
        st = registry_import(app_work(app)->registry, req->body, req->body_len, &o,
                             is_signed ? signature : NULL, &card, err);
    if (st == ST_FORMAT)
        res->status = 422; /* a bad file is unusable, the request itself is well formed */
    if (st != ST_OK)
        return storage_status(st, res);
    res->status = 201;
    res->notes = json_pack("{s:O}", "model", json_object_get(card, "id"));
    http_header_add(res, "Location", "%s/models/%s", app_work(app)->base_path,
                    json_string_value(json_object_get(card, "id")));
    return http_json(res, card);
}

/*   id  NULL: the model before this one */
static enum status choose(struct app *app, const struct http_request *req, const char *id, json_t **ret_card,
                          struct http_response *res, struct error *err)
{
    const char *key = req->idempotency_key[0] ? req->idempotency_key : NULL;
    struct registry_choice choice = { NULL };
    const enum status st =
        loading_status(registry_choose(app_work(app)->registry, id, key, &choice, err), res);

    if (st != ST_OK)
        return st;
    *ret_card = choice.card;
    http_header_add(res, "X-Model-Epoch", "%lld", (long long)choice.epoch);
    return ST_OK;
}

enum status model_activate_post(struct app *app, const struct http_request *req, struct http_response *res,
                                struct error *err)
{
    json_t *card = NULL;
    int64_t pictures = 0;
    enum status st = number_parse(req, "require_shadow", 1, INT64_MAX, &pictures, err);

    if (st == ST_OK && pictures > 0)
        st = storage_status(shadow_passed(app_serving(app)->shadow, req->id, (size_t)pictures, err), res);
    if (st == ST_OK)
        st = choose(app, req, req->id, &card, res, err);
    res->notes = json_pack("{s:s}", "model", req->id);
    return st == ST_OK ? http_json(res, card) : st;
}

enum status model_signature_post(struct app *app, const struct http_request *req, struct http_response *res,
                                 struct error *err)
{
    json_t *request = NULL, *card = NULL;
    const char *signature;
    enum status st = body_json(req, res, &request, err);

    signature = json_string_value(json_object_get(request, "signature"));
    if (st == ST_OK && (json_object_size(request) != 1 || !signature))
        st = error_set(err, ST_INVALID, "the body must be {\"signature\": 128 hexadecimal digits}");
    if (st == ST_OK)
        st = registry_sign(app_work(app)->registry, req->id, signature, err);
    if (st == ST_OK)
        st = store_model_get(app_work(app)->store, req->id, &card, err);
    json_decref(request);
    if (st == ST_FORMAT && !res->status)
        res->status = 422;
    return st == ST_OK ? http_json(res, card) : storage_status(st, res);
}

enum status models_rollback_post(struct app *app, const struct http_request *req, struct http_response *res,
                                 struct error *err)
{
    json_t *card = NULL;
    enum status st;

    st = choose(app, req, NULL, &card, res, err);
    if (st != ST_OK)
        return st;
    res->notes = json_pack("{s:O}", "model", json_object_get(card, "id"));
    return http_json(res, card);
}

enum status model_delete(struct app *app, const struct http_request *req, struct http_response *res,
                         struct error *err)
{
    const enum status st = storage_status(registry_delete(app_work(app)->registry, req->id, err), res);

    res->status = st == ST_OK ? 204 : res->status;
    return st;
}
