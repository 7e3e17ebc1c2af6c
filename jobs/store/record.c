/* jobs/store/record.c - the row of a job, for those who change it: its state, its record, and what lists show
 * of that; see parts.h. */
#include "parts.h"

#include "cxrd/json.h"

#include <stdlib.h>

/* Members that are not shown in a list. The schema's fourth version names the same, of those that there were. */
static const char *const LONG_PARTS[] = { "config",         "dataset",     "calibration", "evaluation",
                                          "transfer",       "environment", "epochs",      "promotion",
                                          "weights_sha256", "replay",      "files",       "found",
                                          "scored",         "kept" };

json_t *record_macro_auroc(const json_t *record)
{
    const json_t *test = json_object_get(json_object_get(record, "evaluation"), "test");
    json_t *auroc = json_object_get(test, "macro_auroc");

    return auroc ? auroc : json_null();
}

static json_t *summary_of(const json_t *record)
{
    json_t *summary = json_copy((json_t *)record); /* its members are shared, not copied */

    if (summary) /* how good the kept model was, alone */
        json_object_set(summary, "macro_auroc", record_macro_auroc(record));
    for (size_t i = 0; summary && i < sizeof LONG_PARTS / sizeof LONG_PARTS[0]; i++)
        json_object_del(summary, LONG_PARTS[i]);
    return summary;
}

enum status record_texts_make(const json_t *record, struct record_texts *ret, struct error *err)
{
    json_t *summary;

    *ret = (struct record_texts){ 0 };
    if (!record)
        return ST_OK;
    json_watch();
    summary = summary_of(record);
    ret->summary = json_built(summary, JSON_COMPACT);
    ret->whole = json_text(record, JSON_COMPACT);
    json_decref(summary);
    if (ret->whole && ret->summary)
        return ST_OK;
    record_texts_release(ret);
    return error_nomem(err);
}

void record_texts_release(struct record_texts *t)
{
    free(t->whole);
    free(t->summary);
    *t = (struct record_texts){ 0 };
}

enum status store_write_caption(struct store *s, const char *table, const char *where, const char *id,
                                const struct caption *c, struct error *err)
{
    char sql[240];

    snprintf(sql, sizeof sql,
             "UPDATE %s SET name = CASE WHEN $2 <> 0 THEN nullif($3, '') ELSE name END,"
             " note = CASE WHEN $4 <> 0 THEN nullif($5, '') ELSE note END WHERE %s",
             table, where);
    return store_finish(
        s,
        store_prepare(s, err, sql, "titit", id, (int64_t)c->has_name, c->name, (int64_t)c->has_note, c->note),
        err);
}

enum status store_write_record(struct store *s, const char *id, const struct record_texts *record,
                               struct error *err)
{
    enum status st;

    if (!record->whole)
        return ST_OK;
    st = store_finish(
        s, store_prepare(s, err, "UPDATE jobs SET record = $1 WHERE id = $2", "tt", record->whole, id), err);
    if (st != ST_OK)
        return st;
    return store_finish(
        s,
        store_prepare(s, err,
                      "INSERT INTO summaries(job, record) SELECT seq, $1 FROM jobs WHERE id = $2"
                      " ON CONFLICT(job) DO UPDATE SET record = excluded.record",
                      "tt", record->summary, id),
        err);
}
