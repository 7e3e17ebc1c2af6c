/* jobs/store/trials.c - how a trial of a job's model ended, as the store keeps it; see cxrd/store.h. */
#include "parts.h"

#include "cxrd/json.h"

#include <string.h>

/* Inside a transaction. */
static enum status record_read(struct store *s, const char *job, json_t **ret, struct error *err)
{
    struct statement *stmt = store_prepare(s, err, "SELECT record FROM jobs WHERE id = $1", "t", job);
    enum status st = store_row(s, stmt, err);
    const char *text = st == ST_OK ? store_column(stmt, 0) : NULL;

    if (st == ST_OK)
        st = text ? json_read(text, strlen(text), 0, ret, NULL) : store_broken(s, err, "record");
    store_done(stmt);
    if (st == ST_NOMEM)
        return error_nomem(err);
    return st == ST_FORMAT ? error_set(err, ST_IO, "the job database holds a record that cannot be read")
                           : st;
}

/* Inside a transaction: what the job's record and its journal say. */
static enum status outcome_write(struct store *s, const char *job, const json_t *outcome, bool promoted,
                                 struct error *err)
{
    struct record_texts texts = { 0 };
    char *text = json_text(outcome, JSON_COMPACT);
    json_t *record = NULL, *promotion;
    enum status st = text ? record_read(s, job, &record, err) : error_nomem(err);

    promotion = json_object_get(record, "promotion");
    if (st == ST_OK) {
        json_watch();
        json_object_update(json_object_get(promotion, "shadow"), (json_t *)outcome);
        if (promoted)
            json_object_set_new(promotion, "promoted", json_true());
        st = json_ran_out() ? error_nomem(err) : record_texts_make(record, &texts, err);
    }
    if (st == ST_OK)
        st = store_write_record(s, job, &texts, err);
    if (st == ST_OK)
        st = store_tell(s, job, "promotion", text, err);
    record_texts_release(&texts);
    json_decref(record);
    free(text);
    return st;
}

/* Inside a transaction. Where two servers end it at once, one of them does. */
static enum status shadow_remove(struct store *s, const char *model, struct error *err)
{
    int64_t changed;
    const enum status st = store_changed(
        s, store_prepare(s, err, "DELETE FROM settings WHERE name = 'shadow' AND model = $1", "t", model),
        &changed, err);

    return st == ST_OK && changed == 0
               ? error_set(err, ST_NOTFOUND, "the model '%s' is not in the shadow", model)
               : st;
}

/* Inside a transaction: of two servers that judge a trial one may have activated the model, which the other is not to call refused. */
static enum status check_refusable(struct store *s, const char *model, const json_t *outcome,
                                   struct error *err)
{
    const char *state = json_string_value(json_object_get(outcome, "state"));
    struct statement *stmt;
    enum status st;

    if (!state || strcmp(state, "refused") != 0)
        return ST_OK;
    stmt = store_prepare(s, err, "SELECT 1 FROM models WHERE id = $1 AND " IS_ACTIVE, "t", model);
    st = store_row(s, stmt, err);
    store_done(stmt);
    if (st == ST_NOTFOUND)
        return ST_OK;
    return st == ST_OK ? error_set(err, ST_BUSY, "the model '%s' was activated meanwhile", model) : st;
}

enum status store_shadow_end(struct store *s, const char *job, const char *model, const json_t *outcome,
                             bool promoted, struct error *err)
{
    enum job_state state;
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    st = check_refusable(s, model, outcome, err);
    if (st == ST_OK)
        st = shadow_remove(s, model, err);
    if (st == ST_OK)
        st = store_shared_changed(s, SHARED_SHADOW, err);
    if (st != ST_OK)
        return store_end(s, st, err);
    st = store_job_state(s, job, &state, err);
    if (st == ST_OK && !job_has_ended(state))
        st = error_set(err, ST_BUSY, "the training that asked for the shadow has not ended yet");
    else if (st == ST_OK)
        st = outcome_write(s, job, outcome, promoted, err);
    else if (st == ST_NOTFOUND) /* it was deleted: nobody is left to be told */
        st = ST_OK;
    return store_end(s, st, err);
}
