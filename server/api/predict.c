/* server/api/predict.c - POST /predict: a picture in, one probability a finding out. */
#include "answer.h"
#include "canary.h"
#include "drift_alert.h"
#include "handlers.h"
#include "kept_row.h"
#include "metrics.h"
#include "results.h"
#include "shadow.h"

#include "cxrd/score_writer.h"

#include <string.h>
#include <time.h>

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

/* Let the scores be kept, where that is asked for; the answer then has an id by which readers may say how it was.
 *   ret  what the answer says */
static void keep(const struct serving *serving, const struct http_request *req, struct answer *a,
                 struct kept_scores *ret)
{
    kept_row(a->model, a->profile, &a->prediction, ret);
    memcpy(ret->id, req->event_id, sizeof ret->id);
    ret->at = time(NULL);
    ret->patient = a->patient;
    if (score_writer_add(serving->score_writer, a->model, ret))
        memcpy(a->prediction.id, ret->id, sizeof ret->id);
    else
        ret->id[0] = '\0';
}

enum status predict_post(struct app *app, const struct http_request *req, struct http_response *res,
                         struct error *err)
{
    struct answer a = ANSWER_INIT;
    const struct serving *serving = app_serving(app);
    enum status st = answer_make(serving, req, &QUERY, res, &a, err);

    http_header_add(res, "Cache-Control", "no-store"); /* of refusals too */
    http_header_add(res, "Vary", "Accept");
    answer_note(&a, res);
    if (st == ST_OK) {
        struct kept_scores row;
        json_t *reply, *own;

        keep(serving, req, &a, &row);
        reply = prediction_json(a.model, req->request_id, &a.prediction);
        own = prediction_model_probabilities(a.model->model, &a.prediction);
        metrics_prediction(serving->metrics, a.model, !a.named && !a.canary, reply, own);
        if (!a.named)
            canary_answered(serving->canary, a.model, a.prediction.gate_warnings.n > 0, own);
        json_decref(own);
        drift_alert(serving, req, &a);
        if (a.epoch > 0)
            http_header_add(res, "X-Model-Epoch", "%lld", (long long)a.epoch);
        st = send(req, &a, reply, res, err);
        if (st == ST_OK)
            shadow_offer(serving->shadow, req->event_id, &a, &row);
    }
    answer_release(&a);
    return st;
}
