/* server/api/predict.c - POST /predict: a picture in, one probability a finding out. */
#include "answer.h"
#include "handlers.h"
#include "metrics.h"
#include "results.h"

static const struct answer_query QUERY = { .finding = "explain" };

enum status predict_at_head(struct app *app, const struct http_request *req, struct http_response *res,
                            struct error *err)
{
    return answer_at_head(app_serving(app), req, &QUERY, res, err);
}

/* In the form that the request asks for; `reply` is taken over. */
static enum status send(const struct http_request *req, const struct answer *a, json_t *reply,
                        struct http_response *res, struct error *err)
{
    static const char *const JSON[] = { "application/json", "application/*", "*/*", NULL };
    struct result result;
    bool dicom = false;
    enum status st = results_choose(req, a, RESULT_REPORT, 1, JSON, res, &result, &dicom, err);

    if (st == ST_OK && !dicom)
        return http_json(res, reply);
    if (st == ST_OK)
        st = results_report(&result, reply, &res->body, err);
    json_decref(reply);
    return st;
}

enum status predict_post(struct app *app, const struct http_request *req, struct http_response *res,
                         struct error *err)
{
    struct answer a = ANSWER_INIT;
    enum status st = answer_make(app_serving(app), req, &QUERY, res, &a, err);

    http_header_add(res, "Cache-Control", "no-store"); /* of refusals too */
    http_header_add(res, "Vary", "Accept");
    answer_note(&a, res);
    if (st == ST_OK) {
        json_t *reply = prediction_json(a.model, req->request_id, &a.prediction);

        metrics_prediction(app_serving(app)->metrics, a.model, !a.named, reply);
        st = send(req, &a, reply, res, err);
    }
    answer_release(&a);
    return st;
}
