/* server/api/datasets.c - the data sets over HTTP. Fetching one is a job, see jobs.c. */
#include "handlers.h"
#include "input.h"
#include "work.h"

enum status datasets_get(struct app *app, const struct http_request *req, struct http_response *res,
                         struct error *err)
{
    json_t *list = NULL;
    const enum status st = catalog_list(app_work(app)->catalog, &list, err);

    (void)req;
    return st == ST_OK ? http_json(res, json_pack("{s:o}", "datasets", list)) : storage_status(st, res);
}
