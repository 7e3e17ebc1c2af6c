/* jobs/store/models.c - the models, and which of them is active, as the store keeps them; see cxrd/store.h. */
#include "parts.h"

#include "cxrd/clock.h"
#include "cxrd/json.h"
#include "cxrd/log.h"

#include <stdlib.h>
#include <string.h>

/* Only what reads back is kept: JSON may be written deeper than it is read. */
static enum status card_text(const json_t *card, char **ret_text, struct error *err)
{
    json_t *again = NULL;
    char *text = json_text(card, JSON_COMPACT);
    enum status st = text ? json_read(text, strlen(text), 0, &again, NULL) : ST_NOMEM;

    json_decref(again);
    if (st == ST_OK) {
        *ret_text = text;
        return ST_OK;
    }
    free(text);
    return st == ST_NOMEM ? error_nomem(err)
                          : error_set(err, ST_FORMAT, "the model's card would not be readable again");
}

/* Inside a transaction: whether a job may still do that. */
static enum status fence(struct store *s, const struct claim *by, struct error *err)
{
    enum job_state state;
    bool last;

    return by ? store_fence(s, by, &state, &last, err) : ST_OK;
}

/* A job that is to run, or to go on, and starts from the model or scores with it. */
#define NEEDED_BY_A_JOB                                               \
    "EXISTS (SELECT 1 FROM jobs JOIN job_links l ON l.job = jobs.seq" \
    " WHERE state IN ('queued', 'running', 'interrupted') AND models.id IN (l.init, l.model))"

/* It is in the shadow, or a canary. */
#define IN_A_TRIAL \
    "EXISTS (SELECT 1 FROM settings WHERE name IN ('shadow', 'canary') AND settings.model = models.id)"

/* Inside a transaction: a runner that was cut off after it added its model, and before the job's end, has left a model that no record
 * names. The next runner makes it again, so this one is removed, unless it is in use. */
static enum status forget_earlier_try(struct store *s, const char *job, struct error *err)
{
    static const char SQL[] =
        "DELETE FROM models WHERE job = $1"
        " AND id NOT IN (SELECT value FROM settings WHERE name IN ('active_model', 'previous_model'))"
        " AND NOT " NEEDED_BY_A_JOB " AND NOT " IN_A_TRIAL;

    int64_t gone = 0;
    const enum status st = store_changed(s, store_prepare(s, err, SQL, "t", job), &gone, err);

    return st == ST_OK && gone > 0 ? store_shared_changed(s, SHARED_MODELS, err) : st;
}

enum status store_model_add(struct store *s, const char *id, const json_t *card, const struct claim *by,
                            const struct model_file *file, struct error *err)
{
    static const char SQL[] =
        "INSERT INTO models(id, created_at, card, job, imported, name) VALUES($1, $2, $3, $4, $5,"
        " (SELECT captions.name FROM captions JOIN jobs ON seq = job WHERE jobs.id = $4))";
    char now[CLOCK_TEXT_SIZE];
    char *text = NULL;
    enum status st = card_text(card, &text, err);

    if (st == ST_OK && (st = store_begin(s, err)) == ST_OK) {
        st = fence(s, by, err);
        if (st == ST_OK && by)
            st = forget_earlier_try(s, by->job, err);
        if (st == ST_OK)
            st = store_finish(s,
                              store_prepare(s, err, SQL, "tttti", id, clock_utc(now), text,
                                            json_string_value(json_object_get(card, "job")),
                                            (int64_t)!json_is_false(json_object_get(card, "imported"))),
                              err);
        if (st == ST_OK && file)
            st = store_model_file_add(s, id, file, err);
        st = store_end(s, st, err);
    }
    free(text);
    return st;
}

/* The columns that people write and may change: name, note and own_thresholds, in this order.
 *   column  of the first */
static json_t *card_said(json_t *card, const struct cells *r, size_t row, size_t column)
{
    const char *name = cells_text(r, row, column), *note = cells_text(r, row, column + 1);

    if (card) {
        json_t *own = cells_json(r, row, column + 2);

        json_object_set_new(card, "name", name ? json_string(name) : json_null());
        json_object_set_new(card, "note", note ? json_string(note) : json_null());
        json_object_set_new(card, "own_thresholds", own ? own : json_null());
    }
    return card;
}

static json_t *card_row(const struct cells *r, size_t row)
{
    return card_said(cells_json(r, row, 0), r, row, 1);
}

/* In a list: one that cannot be read does not hide the others. */
static json_t *card_listed(const struct cells *r, size_t row)
{
    json_t *card = card_said(cells_json(r, row, 1), r, row, 3);

    if (card || json_ran_out())
        return card;
    log_event(LOG_ERROR, "model not listed",
              json_pack("{s:s*,s:s}", "model", cells_text(r, row, 2), "detail", "its card cannot be read"));
    return json_null();
}

enum status store_model_get(struct store *s, const char *id, json_t **ret_card, struct error *err)
{
    static const struct kind MODEL = { "model", "card", card_row };

    return store_find(s, "SELECT card, name, note, own_thresholds FROM models WHERE id = $1", id, &MODEL,
                      ret_card, err);
}

enum status store_models(struct store *s, const struct page *page, json_t **ret_cards, int64_t *ret_next,
                         struct error *err)
{
    static const struct kind MODEL = { "model", "card", card_listed };

    return store_list(
        s, page,
        "SELECT seq, card, id, name, note, own_thresholds FROM models WHERE seq < $1 AND $3 IS "
        "NULL AND $4 IS NULL"
        " AND ($5 IS NULL OR " TEXT_IS_IN("name") " OR " TEXT_BEGINS("id") ")"
                                                                           " ORDER BY seq DESC LIMIT $2",
        &MODEL, ret_cards, ret_next, err);
}

enum status store_model_change(struct store *s, const char *id, const struct caption *c,
                               const char *own_thresholds, struct error *err)
{
    struct statement *stmt;
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    stmt = store_prepare(s, err, "SELECT 1 FROM models WHERE id = $1", "t", id);
    st = store_row(s, stmt, err);
    store_done(stmt);
    if (st == ST_NOTFOUND)
        error_set(err, st, "there is no model '%s'", id);
    if (st == ST_OK)
        st = store_write_caption(s, "models", "id = $1", id, c, err);
    if (st == ST_OK && own_thresholds)
        st = store_finish(s,
                          store_prepare(s, err,
                                        "UPDATE models SET own_thresholds = nullif($2, '') WHERE id = $1",
                                        "tt", id, own_thresholds),
                          err);
    if (st == ST_OK && own_thresholds)
        st = store_shared_changed(s, SHARED_THRESHOLDS, err);
    return store_end(s, st, err);
}

enum status store_model_delete(struct store *s, const char *id, struct error *err)
{
    struct statement *stmt;
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    stmt = store_prepare(s, err,
                         "SELECT " ONE_IF(IS_ACTIVE) ", " ONE_IF(NEEDED_BY_A_JOB) ", " ONE_IF(
                             IN_A_TRIAL) " FROM models WHERE id = $1",
                         "t", id);
    st = store_row(s, stmt, err);
    if (st == ST_NOTFOUND)
        error_set(err, st, "there is no model '%s'", id);
    if (st == ST_OK && store_number(stmt, 0))
        st = error_set(err, ST_CONFLICT, "the model is active: activate another one first");
    else if (st == ST_OK && store_number(stmt, 1))
        st = error_set(err, ST_CONFLICT,
                       "a job that is to run, or may be resumed, starts from the model, or scores with it");
    else if (st == ST_OK && store_number(stmt, 2))
        st = error_set(err, ST_CONFLICT, "the model is in the shadow, or a canary: end that first");
    store_done(stmt);
    if (st == ST_OK)
        st = store_finish(s, store_prepare(s, err, "DELETE FROM models WHERE id = $1", "t", id), err);
    if (st == ST_OK) /* there is nothing to go back to any more */
        st = store_finish(s,
                          store_prepare(s, err,
                                        "DELETE FROM settings WHERE name = 'previous_model' AND value = $1",
                                        "t", id),
                          err);
    if (st == ST_OK)
        st = store_shared_changed(s, SHARED_MODELS, err);
    if (st == ST_OK) /* its choice went with it */
        st = store_shared_changed(s, SHARED_PROFILES, err);
    return store_end(s, st, err);
}

enum status store_model_surplus(struct store *s, size_t keep, char ret_id[ID_SIZE], struct error *err)
{
    static const char SQL[] =
        "SELECT id FROM (SELECT id, seq, row_number() OVER (ORDER BY seq DESC) AS place FROM models"
        "  WHERE imported = 0) AS models WHERE place > $1"
        " AND id NOT IN (SELECT value FROM settings WHERE name IN ('active_model', 'previous_model'))"
        " AND NOT " NEEDED_BY_A_JOB " AND NOT " IN_A_TRIAL " ORDER BY seq LIMIT 1";

    return store_id(s, SQL, "i", (int64_t)keep, ret_id, err);
}
