/* server/api/replicas.c - GET /replicas: the servers that share a store, and what each of them answers by. */
#include "handlers.h"
#include "input.h"
#include "work.h"

#include "cxrd/store_replicas.h"

enum status replicas_get(struct app *app, const struct http_request *req, struct http_response *res,
                         struct error *err)
{
    struct store *store = app_work(app)->store;
    struct epoch newest;
    json_t *list = NULL;
    enum status st = store_epoch(store, NULL, &newest, err);

    (void)req;
    if (st == ST_OK)
        st = store_replicas(store, &list, err);
    if (st != ST_OK)
        return storage_status(st, res);
    return http_json(res,
                     json_pack("{s:b,s:I,s:o,s:o}", "shared", store_is_shared(store), "epoch",
                               (json_int_t)newest.number, "model",
                               newest.model[0] ? json_string(newest.model) : json_null(), "replicas", list));
}
