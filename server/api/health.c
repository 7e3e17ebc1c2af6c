/* server/api/health.c - is it alive, is it ready, what is it. Answered in the network threads: nothing here waits. */
#include "handlers.h"
#include "serving.h"

#include "cxrd/decoder.h"
#include "cxrd/version.h"

static const char *state_of(const struct decoder_facts *f) { return f->failed ? "unavailable" : "ready"; }

enum status livez_get(struct app *app, const struct http_request *req, struct http_response *res,
                      struct error *err)
{
    (void)app, (void)req, (void)err;
    return http_json(res, json_pack("{s:s}", "status", "alive"));
}

enum status readyz_get(struct app *app, const struct http_request *req, struct http_response *res,
                       struct error *err)
{
    struct decoder_facts decoder;
    struct loaded_model *m;
    json_t *reply;
    enum status st;

    if (req->draining)
        return error_set(err, ST_BUSY, "the server is shutting down");
    st = registry_serving(app_serving(app)->registry, &m, err);
    if (st != ST_OK)
        return st;
    decoder_facts(app_serving(app)->decoder, &decoder);
    reply = json_pack("{s:s,s:s,s:s}", "status", "ready", "model", m->id, "decoder", state_of(&decoder));
    loaded_model_release(m);
    return http_json(res, reply);
}

enum status version_get(struct app *app, const struct http_request *req, struct http_response *res,
                        struct error *err)
{
    const struct serving *s = app_serving(app);
    const struct image_limits *l = &s->limits;
    struct decoder_facts decoder;

    (void)req, (void)err;
    decoder_facts(s->decoder, &decoder);
    return http_json(res, json_pack("{s:s,s:s,s:s,s:s,s:{s:I,s:I,s:I,s:I,s:I,s:I},s:{s:s,s:I,s:i},s:s}",
                                    "name", "cxrd", "version", CXRD_VERSION, "build", CXRD_BUILD, "precision",
                                    precision_name(s->precision), "limits", "max_upload_bytes",
                                    (json_int_t)s->max_upload, "max_image_side", (json_int_t)l->max_side,
                                    "max_image_pixels", (json_int_t)l->max_pixels, "max_image_bytes",
                                    (json_int_t)l->max_bytes, "predict_queue", (json_int_t)s->predict_queue,
                                    "job_queue", (json_int_t)s->job_queue, "decoder", "state",
                                    state_of(&decoder), "processes", (json_int_t)decoder.helpers, "landlock",
                                    decoder.landlock, "intended_use", INTENDED_USE));
}
