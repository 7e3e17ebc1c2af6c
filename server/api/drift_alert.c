/* server/api/drift_alert.c - see drift_alert.h. */
#include "drift_alert.h"

#include "accounting.h"
#include "cxrd/log.h"
#include "cxrd/store.h"
#include "drift_monitor.h"
#include "handlers.h"

static void tell(const struct serving *serving, const json_t *alert)
{
    struct error err;

    log_event(LOG_WARN, "drift",
              json_pack("{s:O,s:O,s:O,s:O}", "model", json_object_get(alert, "model"), "kind",
                        json_object_get(alert, "kind"), "p_adjusted", json_object_get(alert, "p_adjusted"),
                        "strata", json_object_get(alert, "strata")));
    if (store_note_drift(serving->store, alert, &err) != ST_OK)
        log_error(LOG_ERROR, "nobody is told of drift", &err);
}

void drift_alert(const struct serving *serving, const struct http_request *req, const struct answer *a)
{
    const struct prediction *p = &a->prediction;
    const struct drift_picture picture = { p->model_probability,
                                           p->distance,
                                           { [STRATA_VIEW] = p->values.of[INPUT_VIEW],
                                             [STRATA_SEX] = p->values.of[INPUT_SEX],
                                             [STRATA_AGE] = p->values.of[INPUT_AGE] },
                                           req->who };
    json_t *alerts, *alert;
    size_t i;

    if (a->named || a->canary)
        return;
    drift_monitor_add(serving->drift, a->model, &picture, &alerts);
    json_array_foreach (alerts, i, alert)
        tell(serving, alert);
    json_decref(alerts);
}

enum status drift_get(struct app *app, const struct http_request *req, struct http_response *res,
                      struct error *err)
{
    (void)req, (void)err;
    return http_json(res, drift_monitor_json(app_accounting(app)->drift));
}
