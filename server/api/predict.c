/* server/api/predict.c - POST /predict: a picture in, one probability a finding out. */
#include "../http/multipart.h"
#include "cxrd/clock.h"
#include "input.h"
#include "prediction.h"

#include <string.h>
#include <strings.h>

/* The picture in a request: the body, or the one file in a multipart body. Which picture format it is, its bytes say;
 * a Content-Type may be wrong. */
static enum status find_picture(const struct http_request *req, const void **ret_bytes, size_t *ret_n,
                                struct error *err)
{
    struct multipart parts;
    const struct part *file = NULL;
    enum status st;

    if (req->content_encoding[0] && strcasecmp(req->content_encoding, "identity") != 0)
        return error_set(err, ST_UNSUPPORTED, "a Content-Encoding is not accepted: send the PNG as it is");
    if (req->body_len == 0)
        return error_set(err, ST_FORMAT, "the request has no body: send a PNG");
    if (!multipart_is(req->content_type)) {
        *ret_bytes = req->body;
        *ret_n = req->body_len;
        return ST_OK;
    }
    st = multipart_parse(req->content_type, req->body, req->body_len, &parts, err);
    if (st == ST_LIMIT)
        st = ST_FORMAT;
    if (st == ST_OK)
        st = multipart_file(&parts, &file, err);
    if (st != ST_OK)
        return st;
    *ret_bytes = file->data;
    *ret_n = file->size;
    return ST_OK;
}

enum status predict_post(struct app *app, const struct http_request *req, struct http_response *res,
                         struct error *err)
{
    const double begun = clock_seconds();
    struct served *m = NULL;
    struct session *s = NULL;
    struct prediction p;
    const void *bytes = NULL;
    size_t n = 0;
    int explain = EXPLAIN_NONE;
    enum status st = label_parse(req, "explain", &explain, err);

    http_header_add(res, "Cache-Control", "no-store"); /* of refusals too */
    if (st == ST_OK)
        st = find_picture(req, &bytes, &n, err);
    if (st != ST_OK)
        goto out;
    m = registry_active(app->registry);
    if (!m) {
        st = error_set(err, ST_BUSY, "no model is active yet: train one, or import one and activate it");
        goto out;
    }
    s = sessions_take(app->sessions);
    team_enter(app->team);
    st = predict_picture(m->model, s, app->team, &app->limits, bytes, n, explain, &p, err);
    team_leave(app->team);
    if (st != ST_OK)
        goto out;
    p.timing.queue = (begun - req->received) * 1e3;
    p.timing.total = (clock_seconds() - req->received) * 1e3;
    st = http_json(res, prediction_json(m, req->request_id, &p));
out:
    if (s)
        sessions_give(app->sessions, s);
    served_release(m);
    return st;
}
