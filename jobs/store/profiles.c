/* jobs/store/profiles.c - the profiles of sites, and which of each model is active, as the store keeps them; see cxrd/store.h. */
#include "parts.h"

#include "cxrd/clock.h"

#include <stdlib.h>
#include <string.h>

enum status store_profile_add(struct store *s, const struct new_profile *p, struct error *err)
{
    char now[CLOCK_TEXT_SIZE];
    struct statement *stmt;
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    stmt = store_prepare(s, err, "SELECT 1 FROM models WHERE id = $1", "t", p->model);
    st = store_row(s, stmt, err);
    store_done(stmt);
    if (st == ST_NOTFOUND)
        error_set(err, st, "there is no model '%s'", p->model);
    if (st == ST_OK)
        st = store_finish(
            s,
            store_prepare(s, err,
                          "INSERT INTO profiles(id, model, created_at, name, document, signature)"
                          " VALUES($1, $2, $3, $4, $5, $6)",
                          "tttttt", p->id, p->model, clock_utc(now), p->name, p->document, p->signature),
            err);
    return store_end(s, st, err);
}

/* Behind the row's number: id, model, created_at, name, document, signature, active. */
#define COLUMNS                                                  \
    "id, profiles.model, created_at, name, document, signature," \
    " (SELECT count(*) FROM profile_choices c WHERE c.model = profiles.model AND c.active = profiles.id)"

static json_t *text_or_null(const char *text) { return text ? json_string(text) : json_null(); }

static json_t *profile_of(const struct cells *r, size_t row, size_t first)
{
    json_t *document = cells_json(r, row, first + 4);

    if (!document)
        return NULL;
    return json_pack("{s:o,s:o,s:o,s:o,s:b,s:o,s:o}", "id", text_or_null(cells_text(r, row, first)), "model",
                     text_or_null(cells_text(r, row, first + 1)), "created_at",
                     text_or_null(cells_text(r, row, first + 2)), "name",
                     text_or_null(cells_text(r, row, first + 3)), "active",
                     strcmp(cells_text(r, row, first + 6), "1") == 0, "profile", document, "signature",
                     text_or_null(cells_text(r, row, first + 5)));
}

static json_t *profile_row(const struct cells *r, size_t row) { return profile_of(r, row, 0); }

static json_t *profile_listed(const struct cells *r, size_t row)
{
    json_t *profile = profile_of(r, row, 1);

    return profile ? profile : json_null();
}

enum status store_profile_get(struct store *s, const char *id, json_t **ret, struct error *err)
{
    static const struct kind PROFILE = { "profile", "profile", profile_row };

    return store_find(s, "SELECT " COLUMNS " FROM profiles WHERE id = $1", id, &PROFILE, ret, err);
}

enum status store_profiles(struct store *s, const struct page *page, json_t **ret, int64_t *ret_next,
                           struct error *err)
{
    static const struct kind PROFILE = { "profile", "profile", profile_listed };

    return store_list(s, page,
                      "SELECT seq, " COLUMNS " FROM profiles"
                      " WHERE seq < $1 AND $3 IS NULL AND $4 IS NULL AND profiles.model = $5"
                      " ORDER BY seq DESC LIMIT $2",
                      &PROFILE, ret, ret_next, err);
}

/* Inside a transaction: the model of a profile. */
static enum status model_of(struct store *s, const char *id, char ret_model[ID_SIZE], struct error *err)
{
    struct statement *stmt = store_prepare(s, err, "SELECT model FROM profiles WHERE id = $1", "t", id);
    enum status st = store_row(s, stmt, err);

    if (st == ST_OK)
        snprintf(ret_model, ID_SIZE, "%s", store_column(stmt, 0));
    store_done(stmt);
    if (st == ST_NOTFOUND)
        error_set(err, st, "there is no profile '%s'", id);
    return st;
}

enum status store_profile_activate(struct store *s, const char *id, struct error *err)
{
    static const char SQL[] =
        "INSERT INTO profile_choices(model, active) VALUES($1, $2) ON CONFLICT(model) DO UPDATE"
        " SET previous = profile_choices.active, active = $2 WHERE profile_choices.active IS DISTINCT FROM "
        "$2";
    char model[ID_SIZE];
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    st = model_of(s, id, model, err);
    if (st == ST_OK)
        st = store_finish(s, store_prepare(s, err, SQL, "tt", model, id), err);
    if (st == ST_OK)
        st = store_shared_changed(s, SHARED_PROFILES, err);
    return store_end(s, st, err);
}

enum status store_profile_deactivate(struct store *s, const char *id, struct error *err)
{
    static const char SQL[] =
        "UPDATE profile_choices SET previous = active, active = NULL WHERE model = $1 AND active = $2";
    char model[ID_SIZE];
    int64_t changed;
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    st = model_of(s, id, model, err);
    if (st == ST_OK)
        st = store_changed(s, store_prepare(s, err, SQL, "tt", model, id), &changed, err);
    if (st == ST_OK && changed == 0)
        st = error_set(err, ST_CONFLICT, "the profile is not active");
    if (st == ST_OK)
        st = store_shared_changed(s, SHARED_PROFILES, err);
    return store_end(s, st, err);
}

enum status store_profile_rollback(struct store *s, const char *model, char ret_id[ID_SIZE],
                                   struct error *err)
{
    struct statement *stmt;
    int64_t changed;
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    st = store_changed(
        s,
        store_prepare(s, err,
                      "UPDATE profile_choices SET previous = active, active = previous WHERE model = $1", "t",
                      model),
        &changed, err);
    if (st == ST_OK && changed == 0)
        st = error_set(err, ST_CONFLICT, "the model never had an active profile");
    if (st == ST_OK) {
        stmt = store_prepare(s, err, "SELECT coalesce(active, '') FROM profile_choices WHERE model = $1", "t",
                             model);
        st = store_row(s, stmt, err);
        snprintf(ret_id, ID_SIZE, "%s", st == ST_OK ? store_column(stmt, 0) : "");
        store_done(stmt);
    }
    if (st == ST_OK)
        st = store_shared_changed(s, SHARED_PROFILES, err);
    return store_end(s, st, err);
}

enum status store_profile_previous(struct store *s, const char *model, json_t **ret, struct error *err)
{
    struct cells cells = CELLS_INIT;
    const enum status st =
        store_query(s, &cells, err, "SELECT previous FROM profile_choices WHERE model = $1", "t", model);

    if (st == ST_OK)
        *ret = cells.n_rows ? json_pack("{s:o}", "profile", text_or_null(cells_text(&cells, 0, 0)))
                            : json_null();
    cells_release(&cells);
    return st == ST_OK && !*ret ? error_nomem(err) : st;
}

enum status store_profile_delete(struct store *s, const char *id, struct error *err)
{
    struct statement *stmt;
    char model[ID_SIZE];
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    st = model_of(s, id, model, err);
    if (st == ST_OK) {
        stmt = store_prepare(s, err, "SELECT 1 FROM profile_choices WHERE active = $1", "t", id);
        st = store_row(s, stmt, err);
        store_done(stmt);
        if (st == ST_OK)
            st = error_set(err, ST_CONFLICT, "the profile is active: deactivate it, or activate another one");
        else if (st == ST_NOTFOUND)
            st = ST_OK;
    }
    if (st == ST_OK)
        st = store_finish(s, store_prepare(s, err, "DELETE FROM profiles WHERE id = $1", "t", id), err);
    return store_end(s, st, err);
}

static json_t *choice_row(const struct cells *r, size_t row)
{
    return json_pack("{s:s,s:s}", "model", cells_text(r, row, 0), "profile", cells_text(r, row, 1));
}

enum status store_profile_choices(struct store *s, json_t **ret, struct error *err)
{
    struct cells cells = CELLS_INIT;
    json_t *choices = json_array();
    enum status st =
        choices ? store_query(s, &cells, err,
                              "SELECT model, active FROM profile_choices WHERE active IS NOT NULL", "")
                : error_nomem(err);

    for (size_t i = 0; i < cells.n_rows && st == ST_OK; i++)
        if (json_array_append_new(choices, choice_row(&cells, i)) != 0)
            st = error_nomem(err);
    cells_release(&cells);
    if (st == ST_OK)
        *ret = choices;
    else
        json_decref(choices);
    return st;
}
