/* jobs/store/settings.c - what a server is told while it runs and is to know after a restart; see cxrd/store.h. */
#include "parts.h"

#include "cxrd/json.h"

#include <stdlib.h>
#include <string.h>

enum status store_setting_get(struct store *s, const char *name, json_t **ret, struct error *err)
{
    struct cells cells = CELLS_INIT;
    enum status st = store_query(s, &cells, err, "SELECT value FROM settings WHERE name = $1", "t", name);

    *ret = NULL;
    if (st == ST_OK && cells.n_rows > 0 && !(*ret = cells_json(&cells, 0, 0)))
        st = json_ran_out() ? error_nomem(err)
                            : error_set(err, ST_IO, "the job database holds a setting that cannot be read");
    cells_release(&cells);
    return st;
}

/* Inside a transaction, so that the model is not deleted in between. */
static enum status put(struct store *s, const char *name, const char *text, const char *model,
                       struct error *err)
{
    static const char UPSERT[] =
        "INSERT INTO settings(name, value, model) SELECT $1, $2, $3"
        " WHERE $3 IS NULL OR EXISTS (SELECT 1 FROM models WHERE id = $3)"
        " ON CONFLICT(name) DO UPDATE SET value = excluded.value, model = excluded.model";
    int64_t changed;
    const enum status st =
        store_changed(s, store_prepare(s, err, UPSERT, "ttt", name, text, model), &changed, err);

    return st == ST_OK && changed == 0 ? error_set(err, ST_NOTFOUND, "there is no model '%s'", model) : st;
}

/* Inside a transaction; as store_setting_get(). */
static enum status read_now(struct store *s, const char *name, json_t **ret, struct error *err)
{
    struct statement *stmt = store_prepare(s, err, "SELECT value FROM settings WHERE name = $1", "t", name);
    enum status st = store_row(s, stmt, err);

    *ret = st == ST_OK ? store_json(stmt, 0) : NULL;
    if (st == ST_OK && !*ret)
        st = store_broken(s, err, "setting");
    store_done(stmt);
    return st == ST_NOTFOUND ? ST_OK : st;
}

static enum status write(struct store *s, const char *name, const json_t *value, struct error *err)
{
    char *text = value ? json_text(value, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    enum status st;

    if (!value)
        return store_finish(s, store_prepare(s, err, "DELETE FROM settings WHERE name = $1", "t", name), err);
    st =
        text ? put(s, name, text, json_string_value(json_object_get(value, "model")), err) : error_nomem(err);
    free(text);
    return st;
}

enum status store_setting_change(struct store *s, const char *name, bool tell, setting_change *change,
                                 void *arg, struct error *err)
{
    const enum shared_kind kind = strcmp(name, "canary") == 0 ? SHARED_CANARY : SHARED_SHADOW;
    json_t *now = NULL, *next = NULL;
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    st = read_now(s, name, &now, err);
    if (st == ST_OK)
        st = change(arg, now, &next, err);
    if (st == ST_OK && next != now)
        st = write(s, name, next, err);
    if (st == ST_OK && next != now && tell)
        st = store_shared_changed(s, kind, err);
    st = store_end(s, st, err);
    json_decref(now);
    json_decref(next);
    return st;
}
