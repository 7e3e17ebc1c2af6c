/* server/api/patients.c - patients who are to be left out of jobs, over HTTP. No answer, log or audit line holds an id. */
#include "handlers.h"
#include "input.h"
#include "work.h"

enum status patients_forget_post(struct app *app, const struct http_request *req, struct http_response *res,
                                 struct error *err)
{
    const struct work *work = app_work(app);
    json_t *request = NULL, *answer = NULL;
    enum status st = body_json(req, res, &request, err);

    if (st != ST_OK)
        return st;
    res->errors = json_array();
    st = res->errors ? runner_forget(work->runner, request, res->errors, &answer, err) : error_nomem(err);
    json_decref(request);
    if (st == ST_BUSY) {
        res->status = 429;
        http_header_add(res, "Retry-After", "60");
    }
    return st == ST_OK ? http_json(res, answer) : storage_status(st, res);
}

enum status patients_forgotten_get(struct app *app, const struct http_request *req, struct http_response *res,
                                   struct error *err)
{
    json_t *list = NULL;
    const enum status st = store_forgotten_counts(app_work(app)->store, &list, err);

    (void)req;
    return st == ST_OK ? http_json(res, json_pack("{s:o}", "datasets", list)) : storage_status(st, res);
}
