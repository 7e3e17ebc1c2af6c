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

enum status store_setting_put(struct store *s, const char *name, const json_t *value, struct error *err)
{
    char *text = value ? json_text(value, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    enum status st = value && !text ? error_nomem(err) : store_begin(s, err);

    if (st != ST_OK) {
        free(text);
        return st;
    }
    st = text
             ? put(s, name, text, json_string_value(json_object_get(value, "model")), err)
             : store_finish(s, store_prepare(s, err, "DELETE FROM settings WHERE name = $1", "t", name), err);
    st = store_end(s, st, err);
    free(text);
    return st;
}
