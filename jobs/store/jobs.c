/* jobs/store/jobs.c - the jobs, as the store keeps them; see cxrd/store.h. Each change of state is a transaction, and a
 * line in the job's journal. */
#include "parts.h"

#include "cxrd/clock.h"
#include "cxrd/json.h"
#include "cxrd/log.h"

#include <stdlib.h>
#include <string.h>

/* The job that this idempotency key made: ST_OK and its id, ST_CONFLICT (other body), or ST_NOTFOUND. */
static enum status find_repeated(struct store *s, const struct new_job *job, char ret_id[ID_SIZE],
                                 struct error *err)
{
    struct statement *stmt;
    enum status st;

    if (!job->idempotency_key)
        return ST_NOTFOUND;
    stmt = store_prepare(s, err, "SELECT id, request_sha256 FROM jobs WHERE idempotency_key = $1", "t",
                         job->idempotency_key);
    st = store_row(s, stmt, err);
    if (st == ST_OK) {
        const char *id = store_column(stmt, 0), *sha256 = store_column(stmt, 1);

        if (!id || !sha256)
            st = store_broken(s, err, "job");
        else if (strcmp(sha256, job->request_sha256) != 0)
            st = error_set(err, ST_CONFLICT, "the Idempotency-Key was used before, with another body");
        else
            snprintf(ret_id, ID_SIZE, "%s", id);
    }
    store_done(stmt);
    return st;
}

static enum status check_room(struct store *s, size_t max_queued, struct error *err)
{
    int64_t queued = 0;
    enum status st = store_integer(s, "SELECT count(*) FROM jobs WHERE state = 'queued'", &queued, err);

    if (st == ST_OK && queued >= (int64_t)max_queued)
        st = error_set(err, ST_BUSY, "the job queue is full: %zu jobs are waiting", max_queued);
    return st;
}

/* A job's texts, made before the lock is taken. */
struct job_texts {
    char *config;
    struct record_texts record;
};

static enum status job_texts_make(const struct new_job *job, struct job_texts *ret, struct error *err)
{
    json_t *record = job->record ? json_incref((json_t *)job->record) : json_object();
    enum status st = ST_OK;

    *ret = (struct job_texts){ .config = json_text(job->config, JSON_COMPACT) };
    if (record && ret->config)
        st = record_texts_make(record, &ret->record, err);
    else
        st = error_nomem(err);
    json_decref(record);
    return st;
}

static void job_texts_release(struct job_texts *t)
{
    free(t->config);
    record_texts_release(&t->record);
}

static const char *asked(const struct new_job *job, const char *name)
{
    return json_string_value(json_object_get(job->config, name));
}

static enum status insert_job(struct store *s, const struct new_job *job, const struct job_texts *texts,
                              char ret_id[ID_SIZE], struct error *err)
{
    static const char SQL[] =
        "INSERT INTO jobs(id, type, state, created_at, config, idempotency_key, request_sha256)"
        " VALUES($1, $2, 'queued', $3, $4, $5, $6)";
    static const char CALLED[] = "INSERT INTO captions(job, name, note, dataset)"
                                 " SELECT seq, nullif($1, ''), nullif($2, ''), $3 FROM jobs WHERE id = $4";
    static const char LINKS[] = "INSERT INTO job_links(job, init, model, replay_of, webhook)"
                                " SELECT seq, $1, $2, $3, $4 FROM jobs WHERE id = $5";
    const struct caption none = { .has_name = false }, *c = job->caption ? job->caption : &none;
    char now[CLOCK_TEXT_SIZE];
    enum status st;

    id_new(ret_id);
    st = store_finish(s,
                      store_prepare(s, err, SQL, "tttttt", ret_id, job->type, clock_utc(now), texts->config,
                                    job->idempotency_key, job->request_sha256),
                      err);
    if (st == ST_OK)
        st = store_finish(s, store_prepare(s, err, CALLED, "tttt", c->name, c->note, job->dataset, ret_id),
                          err);
    if (st == ST_OK)
        st = store_finish(s,
                          store_prepare(s, err, LINKS, "ttttt", asked(job, "init"), asked(job, "model"),
                                        asked(job, "replay_of"), asked(job, "webhook"), ret_id),
                          err);
    if (st == ST_OK)
        st = store_write_record(s, ret_id, &texts->record, err);
    return st == ST_OK ? store_tell_state(s, ret_id, JOB_QUEUED, now, err) : st;
}

enum status store_job_repeated(struct store *s, const struct new_job *job, char ret_id[ID_SIZE],
                               struct error *err)
{
    enum status st;

    pthread_mutex_lock(&s->lock);
    st = find_repeated(s, job, ret_id, err);
    pthread_mutex_unlock(&s->lock);
    return st;
}

enum status store_job_add(struct store *s, const struct new_job *job, char ret_id[ID_SIZE], struct error *err)
{
    struct job_texts texts;
    enum status st = job_texts_make(job, &texts, err);

    if (st == ST_OK && (st = store_begin(s, err)) == ST_OK) {
        st = find_repeated(s, job, ret_id, err);
        if (st == ST_NOTFOUND && (st = check_room(s, job->max_queued, err)) == ST_OK)
            st = insert_job(s, job, &texts, ret_id, err);
        st = store_end(s, st, err);
    }
    job_texts_release(&texts);
    return st;
}

#define FOR_GOOD "'succeeded', 'failed', 'cancelled'"

enum status store_write_state(struct store *s, const char *id, enum job_state to, struct error *err)
{
    char now[CLOCK_TEXT_SIZE];
    const char *sql = to == JOB_RUNNING
                          ? "UPDATE jobs SET state = $1, started_at = $2, begun_at = coalesce(begun_at, $2),"
                            " finished_at = NULL WHERE id = $3"
                          : "UPDATE jobs SET state = $1, finished_at = $2, ended = CASE WHEN $1 IN (" FOR_GOOD
                            ")"
                            " THEN (SELECT coalesce(max(ended), 0) + 1 FROM jobs) END WHERE id = $3";
    enum status st;

    clock_utc(now);
    st = store_finish(
        s, store_prepare(s, err, sql, "ttt", job_state_name(to), to == JOB_QUEUED ? NULL : now, id), err);
    if (st == ST_OK)
        st = store_tell_state(s, id, to, now, err);
    return st == ST_OK && job_has_ended(to) ? store_note_ended(s, "id = $1", id, s->all_noted, err) : st;
}

/* A job that was claimed just now.
 *   ret_config  NULL: it cannot be read, so that the job cannot be run */
static enum status claimed_job(struct store *s, const struct able *able, struct claim *ret,
                               char ret_type[JOB_TYPE_SIZE], json_t **ret_config, struct error *err)
{
    struct statement *stmt;
    enum status st = store_claim_next(s, able, &stmt, err);
    const char *id = st == ST_OK ? store_column(stmt, 2) : NULL, *type = id ? store_column(stmt, 3) : NULL;

    *ret_config = type ? store_json(stmt, 4) : NULL;
    if (st == ST_OK && !json_is_object(*ret_config)) {
        st = store_broken(s, err, "configuration");
        json_decref(*ret_config);
        *ret_config = NULL;
    }
    if (type && (*ret_config || st != ST_NOMEM)) {
        ret->token = store_number(stmt, 0);
        ret->asked = store_asked(store_column(stmt, 1));
        snprintf(ret->job, ID_SIZE, "%s", id);
        snprintf(ret_type, JOB_TYPE_SIZE, "%s", type);
        st = ST_OK;
    }
    store_done(stmt);
    return st;
}

/* It cannot be run, and must not keep those behind it waiting. */
static enum status fail_unreadable(struct store *s, const char *id, struct error *err)
{
    json_t *record =
        json_pack("{s:s}", "error", "the job database holds a configuration that cannot be read");
    struct record_texts texts = { 0 };
    enum status st = record ? record_texts_make(record, &texts, err) : error_nomem(err);

    if (st == ST_OK)
        st = store_write_state(s, id, JOB_FAILED, err);
    if (st == ST_OK)
        st = store_write_record(s, id, &texts, err);
    record_texts_release(&texts);
    json_decref(record);
    return st;
}

/* Inside a transaction: the next job that can be run, or that fails as it cannot. */
static enum status begin_next(struct store *s, const struct able *able, struct claim *ret,
                              char ret_type[JOB_TYPE_SIZE], json_t **ret_config, struct error *err)
{
    const enum status st = claimed_job(s, able, ret, ret_type, ret_config, err);

    if (st != ST_OK)
        return st;
    return *ret_config ? store_write_state(s, ret->job, JOB_RUNNING, err) : fail_unreadable(s, ret->job, err);
}

enum status store_job_begin(struct store *s, const struct able *able, struct claim *ret,
                            char ret_type[JOB_TYPE_SIZE], json_t **ret_config, struct error *err)
{
    struct claim claim = { .token = 0 };
    json_t *config = NULL;
    enum status st;

    do {
        st = store_begin_beside(s, NULL, err);
        if (st != ST_OK)
            return st;
        st = store_end(s, begin_next(s, able, &claim, ret_type, &config, err), err);
        if (st == ST_OK && !config)
            log_event(
                LOG_ERROR, "job cannot be run",
                json_pack("{s:s*,s:s}", "job", claim.job, "detail", "its configuration cannot be read"));
    } while (st == ST_OK && !config);
    if (st != ST_OK) {
        json_decref(config);
        return st;
    }
    *ret = claim;
    *ret_config = config;
    return ST_OK;
}

struct claim unclaimed(const char *job)
{
    struct claim c = { .token = 0 };

    snprintf(c.job, sizeof c.job, "%s", job);
    return c;
}

/* Inside a transaction. */
static enum status move(struct store *s, const struct claim *c, enum job_state to,
                        const struct record_texts *record, struct error *err)
{
    enum job_state from = JOB_QUEUED;
    bool last = false;
    enum status st = store_fence(s, c, &from, &last, err);

    if (st == ST_CONFLICT && last && from == to) {
        s->told = true; /* it was written, and the answer lost: readers have not been woken for it */
        return ST_OK;
    }
    if (st == ST_OK && (to == JOB_RUNNING || !job_may_become(from, to)))
        st = error_set(err, ST_CONFLICT, "the job is %s and cannot become %s", job_state_name(from),
                       job_state_name(to));
    if (st == ST_OK)
        st = store_write_state(s, c->job, to, err);
    return st == ST_OK ? store_write_record(s, c->job, record, err) : st;
}

enum status store_job_move(struct store *s, const struct claim *c, enum job_state to, const json_t *record,
                           struct error *err)
{
    struct record_texts texts;
    enum status st = record_texts_make(record, &texts, err);

    if (st == ST_OK && (st = store_begin_beside(s, c->job, err)) == ST_OK)
        st = store_end(s, move(s, c, to, &texts, err), err);
    record_texts_release(&texts);
    return st;
}

enum status store_job_resume(struct store *s, const char *id, size_t max_queued, struct error *err)
{
    enum job_state from = JOB_QUEUED;
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    st = store_job_state(s, id, &from, err);
    if (st == ST_OK && from != JOB_INTERRUPTED)
        st = error_set(err, ST_CONFLICT, "the job is %s: only one that was interrupted can be resumed",
                       job_state_name(from));
    if (st == ST_OK)
        st = check_room(s, max_queued, err);
    if (st == ST_OK)
        st = store_write_state(s, id, JOB_QUEUED, err);
    return store_end(s, st, err);
}

enum status store_job_delete(struct store *s, const char *id, struct error *err)
{
    enum job_state state = JOB_QUEUED;
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    st = store_job_state(s, id, &state, err);
    if (st == ST_OK && !job_has_ended(state))
        st = error_set(err, ST_CONFLICT, "the job is %s: only one that has ended can be deleted",
                       job_state_name(state));
    if (st == ST_OK)
        st = store_finish(s, store_prepare(s, err, "DELETE FROM jobs WHERE id = $1", "t", id), err);
    return store_end(s, st, err);
}

enum status store_job_surplus(struct store *s, size_t keep, char ret_id[ID_SIZE], struct error *err)
{
    static const char SQL[] =
        "SELECT id FROM (SELECT id, ended, row_number() OVER (ORDER BY ended DESC) AS place FROM jobs"
        "  WHERE ended IS NOT NULL) AS e WHERE place > $1"
        " AND id NOT IN (SELECT job FROM models WHERE job IS NOT NULL)"
        " AND id NOT IN (SELECT replay_of FROM job_links JOIN jobs ON jobs.seq = job_links.job"
        "  WHERE replay_of IS NOT NULL AND state NOT IN (" FOR_GOOD ")) ORDER BY ended LIMIT 1";

    return store_id(s, SQL, "i", (int64_t)keep, ret_id, err);
}

enum status store_job_caption(struct store *s, const char *id, const struct caption *c, struct error *err)
{
    enum job_state state;
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    st = store_job_state(s, id, &state, err);
    return store_end(
        s,
        st == ST_OK
            ? store_write_caption(s, "captions", "job = (SELECT seq FROM jobs WHERE id = $1)", id, c, err)
            : st,
        err);
}

/* ---- reading ---- */

enum status store_job_look(struct store *s, const char *id, enum job_state *ret_state, json_t **ret_record,
                           struct error *err)
{
    struct cells cells = CELLS_INIT;
    enum status st = store_query(s, &cells, err, "SELECT state, record FROM jobs WHERE id = $1", "t", id);

    json_watch();
    if (st == ST_OK && cells.n_rows == 0)
        st = error_set(err, ST_NOTFOUND, "there is no job '%s'", id);
    if (st == ST_OK && !job_state_parse(cells_text(&cells, 0, 0), ret_state))
        *ret_state = JOB_FAILED; /* as store_job_state() has it */
    if (st == ST_OK && !(*ret_record = cells_json(&cells, 0, 1)))
        st = json_ran_out() ? error_nomem(err)
                            : error_set(err, ST_IO, "the job database holds a record that cannot be read");
    cells_release(&cells);
    return st;
}

enum status store_job_record(struct store *s, const struct claim *c, const json_t *record, struct error *err)
{
    struct record_texts texts;
    enum job_state state;
    bool last;
    enum status st = record_texts_make(record, &texts, err);

    if (st == ST_OK && (st = store_begin_beside(s, c->job, err)) == ST_OK) {
        st = store_fence(s, c, &state, &last, err);
        if (st == ST_OK)
            st = store_write_record(s, c->job, &texts, err);
        st = store_end(s, st, err);
    }
    record_texts_release(&texts);
    return st;
}

/* A cell as text; null where there is no cell, or where it holds no text. */
static json_t *text_or_null(const char *text)
{
    json_t *value = text ? json_string(text) : NULL;

    return value ? value : json_null();
}

#define JOB_COLUMNS "seq, id, type, state, created_at, begun_at, started_at, finished_at, name, note, dataset"
enum {
    STATE_COLUMN = 3,
    CREATED_COLUMN,
    BEGUN_COLUMN,
    STARTED_COLUMN,
    FINISHED_COLUMN,
    NAME_COLUMN,
    NOTE_COLUMN,
    DATASET_COLUMN,
    RECORD_COLUMN,
    CONFIG_COLUMN
};

/* A row of a list has no configuration. */
static bool is_whole(const struct cells *r) { return r->n_columns > CONFIG_COLUMN; }

/* Which cell of a job cannot be read; NULL: all can. */
static const char *unreadable_cell(const struct cells *r, size_t row, const json_t *config,
                                   const json_t *record)
{
    enum job_state state;

    if (is_whole(r) && !json_is_object(config))
        return "configuration";
    if (!json_is_object(record))
        return "record";
    return job_state_parse(cells_text(r, row, STATE_COLUMN), &state) ? NULL : "state";
}

/* One that cannot be read whole is told with what can be, and why it is no more; where nothing else is known, it failed. */
static void tell_unreadable(json_t *job, const char *cell)
{
    char why[80];
    enum job_state state;
    const char *name = json_string_value(json_object_get(job, "state"));

    snprintf(why, sizeof why, "the job database holds a %s that cannot be read", cell);
    json_object_set_new(job, "error", json_string(why));
    if (!name || !job_state_parse(name, &state))
        json_object_set_new(job, "state", json_string(job_state_name(JOB_FAILED)));
    log_event(LOG_ERROR, "job cannot be read",
              json_pack("{s:O*,s:s}", "job", json_object_get(job, "id"), "detail", why));
}

/* How far it came; of one that waits to go on the percentage alone, as it is at nothing now. */
static void tell_progress(json_t *job, const json_t *record)
{
    const char *state = json_string_value(json_object_get(job, "state"));
    const json_t *progress = json_object_get(record, "progress"), *phase = json_object_get(record, "phase");

    if (json_is_number(progress))
        json_object_set(job, "progress", (json_t *)progress);
    if (state && strcmp(state, job_state_name(JOB_SUCCEEDED)) == 0)
        json_object_set_new(job, "progress", json_real(1));
    if (state && strcmp(state, job_state_name(JOB_QUEUED)) == 0)
        json_object_del(job, "current");
    else if (json_is_string(phase))
        json_object_set(job, "phase", (json_t *)phase);
}

/* JOB_COLUMNS, a record or a summary, and maybe a configuration, in the contract's shape; NULL without memory. */
static json_t *job_row(const struct cells *r, size_t row)
{
    json_t *record = cells_json(r, row, RECORD_COLUMN);
    json_t *config = is_whole(r) ? cells_json(r, row, CONFIG_COLUMN) : NULL;
    const char *state = cells_text(r, row, STATE_COLUMN);
    const char *broken = unreadable_cell(r, row, config, record);
    json_t *job = json_pack(
        "{s:o,s:o,s:o,s:o,s:o,s:o,s:n,s:f,s:n,s:o,s:o,s:o,s:o}", "id", text_or_null(cells_text(r, row, 1)),
        "type", text_or_null(cells_text(r, row, 2)), "name", text_or_null(cells_text(r, row, NAME_COLUMN)),
        "note", text_or_null(cells_text(r, row, NOTE_COLUMN)), "dataset_name",
        text_or_null(cells_text(r, row, DATASET_COLUMN)), "state", text_or_null(state), "phase", "progress",
        0.0, "eta_s", "created_at", text_or_null(cells_text(r, row, CREATED_COLUMN)), "begun_at",
        text_or_null(cells_text(r, row, BEGUN_COLUMN)), "started_at",
        text_or_null(cells_text(r, row, STARTED_COLUMN)), "finished_at",
        text_or_null(cells_text(r, row, FINISHED_COLUMN)));

    if (job && is_whole(r))
        json_object_set(job, "macro_auroc", record_macro_auroc(record));
    if (job && is_whole(r))
        json_object_set_new(job, "config", json_is_object(config) ? json_incref(config) : json_null());
    if (job && json_is_object(record))
        json_object_update_missing(job, record); /* the columns are what is believed */
    if (job)
        tell_progress(job, record);
    if (job && broken && !json_ran_out())
        tell_unreadable(job, broken);
    json_decref(record);
    json_decref(config);
    if (json_ran_out()) {
        json_decref(job);
        return NULL;
    }
    return job;
}

static const struct kind JOB = { "job", "row", job_row };

enum status store_job_get(struct store *s, const char *id, json_t **ret_job, struct error *err)
{
    return store_find(s,
                      "SELECT " JOB_COLUMNS
                      ", record, config FROM jobs LEFT JOIN captions ON captions.job = seq WHERE id = $1",
                      id, &JOB, ret_job, err);
}

#define LISTED(where)                                                                                    \
    "SELECT " JOB_COLUMNS ", summaries.record FROM jobs LEFT JOIN captions ON captions.job = seq"        \
    " LEFT JOIN summaries ON summaries.job = seq WHERE seq < $1" where " AND ($4 IS NULL OR type = $4)"  \
    " AND ($5 IS NULL OR " TEXT_IS_IN("name") " OR " TEXT_IS_IN("captions.dataset") "  OR " TEXT_BEGINS( \
        "id") ") ORDER BY seq DESC LIMIT $2"

enum status store_jobs(struct store *s, const struct page *page, json_t **ret_jobs, int64_t *ret_next,
                       struct error *err)
{
    return store_list(s, page, page->state ? LISTED(" AND state = $3") : LISTED(" AND $3 IS NULL"), &JOB,
                      ret_jobs, ret_next, err);
}

enum status store_job_counts(struct store *s, size_t ret_counts[N_JOB_STATES], struct error *err)
{
    struct statement *stmt;
    enum job_state state;
    enum status st;

    memset(ret_counts, 0, N_JOB_STATES * sizeof *ret_counts);
    pthread_mutex_lock(&s->lock);
    stmt = store_prepare(s, err, "SELECT state, count(*) FROM jobs GROUP BY state", "");
    while ((st = store_row(s, stmt, err)) == ST_OK)
        if (job_state_parse(store_column(stmt, 0), &state))
            ret_counts[state] = (size_t)store_number(stmt, 1);
    store_done(stmt);
    pthread_mutex_unlock(&s->lock);
    return st == ST_NOTFOUND ? ST_OK : st;
}
