/* jobs/store_journal.c - what is told of each job as it goes on, in the order in which it happened; see cxrd/store.h. */
#include "store_parts.h"

#include "cxrd/json.h"

#include <stdlib.h>

/* Numbers are 1, 2, 3 …: nothing is ever taken out of the middle. */
enum status store_tell(struct store *s, const char *id, const char *name, const json_t *data,
                       struct error *err)
{
    char *text = json_text(data, JSON_COMPACT);
    enum status st;

    if (!text)
        return error_nomem(err);
    st = store_finish(
        s,
        store_prepare(s, err, "INSERT INTO events SELECT ?1, count(*) + 1, ?2, ?3 FROM events WHERE job = ?1",
                      "ttt", id, name, text),
        err);
    free(text);
    s->told = true;
    return st;
}

enum status store_tell_state(struct store *s, const char *id, enum job_state state, const char *at,
                             struct error *err)
{
    json_t *data = json_pack("{s:s,s:s}", "state", job_state_name(state), "at", at);
    const enum status st = store_tell(s, id, "state", data, err);

    json_decref(data);
    return st;
}

uint64_t store_journal_changes(struct store *s)
{
    return atomic_load_explicit(&s->changes, memory_order_acquire);
}

enum status store_job_tell(struct store *s, const char *id, const char *name, const json_t *data,
                           const json_t *record, struct error *err)
{
    enum job_state state;
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    st = store_job_state(s, id, &state, err);
    if (st == ST_OK)
        st = store_tell(s, id, name, data, err);
    if (st == ST_OK && record)
        st = store_write_record(s, id, record, err);
    return store_end(s, st, err);
}

static json_t *event_row(sqlite3_stmt *stmt)
{
    json_t *data = store_json(stmt, 2);

    return data ? json_pack("{s:I,s:s,s:o}", "seq", (json_int_t)sqlite3_column_int64(stmt, 0), "event",
                            store_column(stmt, 1), "data", data)
                : NULL;
}

enum status store_job_events(struct store *s, const char *id, int64_t after, size_t limit,
                             json_t **ret_events, struct error *err)
{
    enum job_state state;
    enum status st;
    int64_t next;

    pthread_mutex_lock(&s->lock);
    st = store_job_state(s, id, &state, err);
    if (st == ST_OK)
        st = store_collect(s,
                           store_prepare(s, err,
                                         "SELECT seq, name, data FROM events WHERE job = ? AND seq > ?"
                                         " ORDER BY seq LIMIT ?",
                                         "tii", id, after, (int64_t)limit),
                           limit, 0, event_row, ret_events, &next, err);
    pthread_mutex_unlock(&s->lock);
    return st;
}
