/* jobs/store/journal.c - what is told of each job as it goes on, in the order in which it happened; see cxrd/store.h. */
#include "parts.h"

#include "cxrd/json.h"

#include <stdlib.h>

/* Numbers are 1, 2, 3 …: nothing is ever taken out of the middle. */
static const char TELL[] = "INSERT INTO events(job, seq, name, data)"
                           " SELECT $1, coalesce(max(seq), 0) + 1, $2, $3 FROM events WHERE job = $1";

enum status store_tell(struct store *s, const char *id, const char *name, const char *data, struct error *err)
{
    s->told = true;
    return store_finish(s, store_prepare(s, err, TELL, "ttt", id, name, data), err);
}

void state_event_data(enum job_state state, const char *at, char ret[STATE_EVENT_SIZE])
{
    snprintf(ret, STATE_EVENT_SIZE, "{\"state\":\"%s\",\"at\":\"%s\"}", job_state_name(state), at);
}

enum status store_tell_state(struct store *s, const char *id, enum job_state state, const char *at,
                             struct error *err)
{
    char data[STATE_EVENT_SIZE];

    state_event_data(state, at, data);
    return store_tell(s, id, "state", data, err);
}

uint64_t store_journal_changes(struct store *s)
{
    return atomic_load_explicit(&s->changes, memory_order_acquire);
}

enum status store_job_tell(struct store *s, const struct claim *c, const char *name, const json_t *data,
                           const json_t *record, struct error *err)
{
    struct record_texts texts = { 0 };
    char *text = json_text(data, JSON_COMPACT);
    enum job_state state;
    bool last;
    enum status st = text ? record_texts_make(record, &texts, err) : error_nomem(err);

    if (st == ST_OK && (st = store_begin_beside(s, c->job, err)) == ST_OK) {
        st = store_fence(s, c, &state, &last, err);
        if (st == ST_OK)
            st = store_tell(s, c->job, name, text, err);
        if (st == ST_OK)
            st = store_write_record(s, c->job, &texts, err);
        st = store_end(s, st, err);
    }
    record_texts_release(&texts);
    free(text);
    return st;
}

static json_t *event_row(const struct cells *r, size_t row)
{
    json_t *data = cells_json(r, row, 2);

    return data ? json_pack("{s:I,s:s,s:o}", "seq", strtoll(cells_text(r, row, 0), NULL, 10), "event",
                            cells_text(r, row, 1), "data", data)
                : NULL;
}

/* A job without any has one row, of nothing. */
static enum status events_read(const struct cells *cells, json_t *events, struct error *err)
{
    for (size_t i = 0; i < cells->n_rows && cells_text(cells, i, 0); i++) {
        json_watch();
        if (json_array_append_new(events, event_row(cells, i)) != 0)
            return json_ran_out()
                       ? error_nomem(err)
                       : error_set(err, ST_IO, "the job database holds an event that cannot be read");
    }
    return ST_OK;
}

enum status store_job_events(struct store *s, const char *id, int64_t after, size_t limit,
                             json_t **ret_events, struct error *err)
{
    struct cells cells = CELLS_INIT;
    json_t *events = json_array();
    enum status st = events ? store_query(s, &cells, err,
                                          "SELECT e.seq, e.name, e.data FROM jobs LEFT JOIN events e"
                                          " ON e.job = jobs.id AND e.seq > $2"
                                          " WHERE jobs.id = $1 ORDER BY e.seq LIMIT $3",
                                          "tii", id, after, (int64_t)limit)
                            : error_nomem(err);

    if (st == ST_OK && cells.n_rows == 0)
        st = error_set(err, ST_NOTFOUND, "there is no job '%s'", id);
    if (st == ST_OK)
        st = events_read(&cells, events, err);
    if (st == ST_OK)
        *ret_events = events;
    else
        json_decref(events);
    cells_release(&cells);
    return st;
}
