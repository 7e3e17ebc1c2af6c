/* jobs/store/forgotten.c - patients who are to be left out of jobs, as the store keeps them: see cxrd/store.h and
 * cxrd/patients.h. */
#include "parts.h"

#include "cxrd/clock.h"
#include "cxrd/json.h"

#include <stdlib.h>
#include <string.h>

#define KEY_SETTING "'patients_key'"

/* ST_NOTFOUND: it is to be written. Another key than before is fine where nobody depends on it. */
static enum status key_check(struct store *s, const char *check, bool needed, struct error *err)
{
    struct statement *stmt =
        store_prepare(s, err, "SELECT value FROM settings WHERE name = " KEY_SETTING, "");
    enum status st = store_row(s, stmt, err);
    const char *before = st == ST_OK ? store_column(stmt, 0) : NULL;

    if (st == ST_OK && !needed && (!before || strcmp(before, check) != 0))
        st = ST_NOTFOUND;
    else if (st == ST_OK && (!before || strcmp(before, check) != 0))
        st = error_set(err, ST_CONFLICT,
                       "'patients.key' in the state folder is missing, or is not the key that codes the "
                       "patients who are to be left out: put the file back, or copy it from another server");
    store_done(stmt);
    return st;
}

/* In a transaction: from now on the codes are of this key, or they are of another one, and stay so. */
static enum status key_keep(struct store *s, const char *check, struct error *err)
{
    int64_t forgotten = 0;
    enum status st =
        store_integer(s, "SELECT count(*) FROM (SELECT 1 FROM forgotten LIMIT 1) f", &forgotten, err);

    if (st == ST_OK)
        st = key_check(s, check, forgotten, err);
    if (st == ST_NOTFOUND)
        st = store_finish(s,
                          store_prepare(s, err,
                                        "INSERT INTO settings(name, value) VALUES(" KEY_SETTING ", $1)"
                                        " ON CONFLICT(name) DO UPDATE SET value = excluded.value",
                                        "t", check),
                          err);
    return st;
}

enum status store_patients_key(struct store *s, const char *check, struct error *err)
{
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    return store_end(s, key_keep(s, check, err), err);
}

static enum status first_said(struct store *s, const char *dataset, const char *code,
                              char ret_at[CLOCK_TEXT_SIZE], struct error *err)
{
    struct statement *stmt = store_prepare(
        s, err, "SELECT at FROM forgotten WHERE dataset = $1 AND code = $2", "tt", dataset, code);
    enum status st = store_row(s, stmt, err);
    const char *at = st == ST_OK ? store_column(stmt, 0) : "";

    if (!at)
        st = store_broken(s, err, "time");
    else
        snprintf(ret_at, CLOCK_TEXT_SIZE, "%s", at);
    store_done(stmt);
    return st;
}

enum status store_forget(struct store *s, const char *check, const char *dataset, const char *code,
                         char ret_at[CLOCK_TEXT_SIZE], bool *ret_new, struct error *err)
{
    char now[CLOCK_TEXT_SIZE];
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    st = key_keep(s, check, err);
    if (st == ST_OK)
        st = first_said(s, dataset, code, ret_at, err);
    *ret_new = st == ST_NOTFOUND;
    if (st == ST_NOTFOUND) {
        snprintf(ret_at, CLOCK_TEXT_SIZE, "%s", clock_utc(now));
        st = store_finish(s,
                          store_prepare(s, err, "INSERT INTO forgotten(dataset, code, at) VALUES($1, $2, $3)",
                                        "ttt", dataset, code, ret_at),
                          err);
    }
    return store_end(s, st, err);
}

/* All rows that a query finds, as `row` makes them. */
static enum status list_of(const struct cells *cells, row_fn *row, json_t **ret, struct error *err)
{
    json_t *list;

    json_watch();
    list = json_array();
    for (size_t i = 0; i < cells->n_rows; i++)
        json_array_append_new(list, row(cells, i));
    if (json_array_size(list) != cells->n_rows) {
        json_decref(list);
        return error_nomem(err);
    }
    *ret = list;
    return ST_OK;
}

static json_t *text_row(const struct cells *r, size_t row) { return json_string(cells_text(r, row, 0)); }

enum status store_forgotten(struct store *s, const char *dataset, json_t **ret_codes, struct error *err)
{
    struct cells cells = CELLS_INIT;
    enum status st = store_query(s, &cells, err, "SELECT code FROM forgotten WHERE dataset = $1 ORDER BY seq",
                                 "t", dataset);

    if (st == ST_OK)
        st = list_of(&cells, text_row, ret_codes, err);
    cells_release(&cells);
    return st;
}

static json_t *count_row(const struct cells *r, size_t row)
{
    return json_pack("{s:s,s:I,s:s}", "dataset", cells_text(r, row, 0), "patients",
                     (json_int_t)strtoll(cells_text(r, row, 1), NULL, 10), "latest_at",
                     cells_text(r, row, 2));
}

enum status store_forgotten_counts(struct store *s, json_t **ret_list, struct error *err)
{
    struct cells cells = CELLS_INIT;
    enum status st =
        store_query(s, &cells, err,
                    "SELECT dataset, count(*), max(at) FROM forgotten GROUP BY dataset ORDER BY dataset", "");

    if (st == ST_OK)
        st = list_of(&cells, count_row, ret_list, err);
    cells_release(&cells);
    return st;
}

static json_t *table_job_row(const struct cells *r, size_t row)
{
    return json_pack("{s:s?,s:s?,s:s?,s:s?,s:s?}", "id", cells_text(r, row, 0), "state",
                     cells_text(r, row, 1), "dataset", cells_text(r, row, 2), "init", cells_text(r, row, 3),
                     "model", cells_text(r, row, 4));
}

enum status store_table_jobs(struct store *s, json_t **ret_jobs, struct error *err)
{
    struct cells cells = CELLS_INIT;
    enum status st = store_query(
        s, &cells, err,
        "SELECT jobs.id, state, captions.dataset, job_links.init, models.id FROM jobs"
        " LEFT JOIN captions ON captions.job = jobs.seq"
        " LEFT JOIN job_links ON job_links.job = jobs.seq"
        " LEFT JOIN models ON models.job = jobs.id"
        " WHERE type IN ('" JOB_TRAIN "', '" JOB_VALIDATE "', '" JOB_PREDICT "') ORDER BY jobs.seq",
        "");

    if (st == ST_OK)
        st = list_of(&cells, table_job_row, ret_jobs, err);
    cells_release(&cells);
    return st;
}

enum status store_orphans(struct store *s, json_t **ret_models, struct error *err)
{
    struct cells cells = CELLS_INIT;
    enum status st = store_query(
        s, &cells, err,
        "SELECT id FROM models WHERE job IS NOT NULL AND job NOT IN (SELECT id FROM jobs) ORDER BY seq", "");

    if (st == ST_OK)
        st = list_of(&cells, text_row, ret_models, err);
    cells_release(&cells);
    return st;
}
