/* server/api/heatmap.c - POST /predict/heatmap: a picture in, the same with its explanation over it out. */
#include "answer.h"
#include "handlers.h"
#include "results.h"

static const struct answer_query QUERY = { .finding = "label", .required = true };

enum status heatmap_at_head(struct app *app, const struct http_request *req, struct http_response *res,
                            struct error *err)
{
    return answer_at_head(app_serving(app), req, &QUERY, res, err);
}

/* In the form that the request asks for. */
static enum status send(const struct http_request *req, const struct answer *a, struct http_response *res,
                        struct error *err)
{
    static const char *const PNG[] = { "image/png", "image/*", "*/*", NULL };
    const unsigned number = (unsigned)a->prediction.explanation.label + 1;
    struct result result;
    bool dicom = false;
    enum status st = results_choose(req, a, RESULT_PICTURE, number, PNG, res, &result, &dicom, err);

    if (st == ST_OK && dicom)
        return results_map(&result, a, &res->body, err);
    res->body.secret = true; /* the picture is in it */
    if (st == ST_OK)
        st = prediction_heatmap(a->model->model, &a->image, &a->prediction, &res->body, err);
    if (st == ST_OK)
        res->content_type = "image/png";
    return st;
}

enum status heatmap_post(struct app *app, const struct http_request *req, struct http_response *res,
                         struct error *err)
{
    struct answer a = ANSWER_INIT;
    enum status st = answer_make(app_serving(app), req, &QUERY, res, &a, err);

    http_header_add(res, "Cache-Control", "no-store");
    answer_note(&a, res);
    http_header_add(res, "Vary", "Accept");
    if (st == ST_OK)
        st = send(req, &a, res, err);
    answer_release(&a);
    return st;
}
