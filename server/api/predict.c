/* server/api/predict.c - POST /predict: a picture in, one probability a finding out. */
#include "answer.h"
#include "handlers.h"
#include "metrics.h"

static const struct answer_query QUERY = { .finding = "explain" };

enum status predict_at_head(struct app *app, const struct http_request *req, struct http_response *res,
                            struct error *err)
{
    return answer_at_head(app_serving(app), req, &QUERY, res, err);
}

enum status predict_post(struct app *app, const struct http_request *req, struct http_response *res,
                         struct error *err)
{
    struct answer a = ANSWER_INIT;
    json_t *reply;
    enum status st = answer_make(app_serving(app), req, &QUERY, res, &a, err);

    http_header_add(res, "Cache-Control", "no-store"); /* of refusals too */
    answer_note(&a, res);
    if (st == ST_OK) {
        reply = prediction_json(a.model, req->request_id, &a.prediction);
        metrics_prediction(app_serving(app)->metrics, a.model, reply);
        st = http_json(res, reply);
    }
    answer_release(&a);
    return st;
}
