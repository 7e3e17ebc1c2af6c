/* jobs/store_record.c - the row of a job, for those who change it: its state and its record; see store_parts.h. */
#include "store_parts.h"

#include "cxrd/json.h"

#include <stdlib.h>

enum status store_job_state(struct store *s, const char *id, enum job_state *ret_state, struct error *err)
{
    sqlite3_stmt *stmt = store_prepare(s, err, "SELECT state FROM jobs WHERE id = ?", "t", id);
    enum status st = store_row(s, stmt, err);

    if (st == ST_NOTFOUND)
        error_set(err, st, "there is no job '%s'", id);
    if (st == ST_OK) {
        const char *name = store_column(stmt, 0);

        if (!name)
            st = store_broken(s, err, "state");
        else if (!job_state_parse(name, ret_state))
            *ret_state = JOB_FAILED; /* as it is told: it can be deleted, and no more */
    }
    sqlite3_finalize(stmt);
    return st;
}

enum status store_write_record(struct store *s, const char *id, const json_t *record, struct error *err)
{
    char *text = json_text(record, JSON_COMPACT);
    enum status st;

    if (!text)
        return error_nomem(err);
    st = store_finish(s, store_prepare(s, err, "UPDATE jobs SET record = ? WHERE id = ?", "tt", text, id),
                      err);
    free(text);
    return st;
}
