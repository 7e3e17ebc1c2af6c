/* jobs/store_jobs.c - the jobs, as the store keeps them; see cxrd/store.h. Each change of state is a transaction, and a
 * line in the job's journal. */
#include "store_parts.h"

#include "cxrd/clock.h"
#include "cxrd/json.h"
#include "cxrd/log.h"

#include <stdlib.h>
#include <string.h>

/* The job that this idempotency key made: ST_OK and its id, ST_CONFLICT (other body), or ST_NOTFOUND. */
static enum status find_repeated(struct store *s, const struct new_job *job, char ret_id[ID_SIZE],
                                 struct error *err)
{
    sqlite3_stmt *stmt;
    enum status st;

    if (!job->idempotency_key)
        return ST_NOTFOUND;
    stmt = store_prepare(s, err, "SELECT id, request_sha256 FROM jobs WHERE idempotency_key = ?", "t",
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
    sqlite3_finalize(stmt);
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

static enum status insert_job(struct store *s, const struct new_job *job, char ret_id[ID_SIZE],
                              struct error *err)
{
    char now[CLOCK_TEXT_SIZE];
    char *config = json_text(job->config, JSON_COMPACT);
    char *record = job->record ? json_text(job->record, JSON_COMPACT) : strdup("{}");
    enum status st;

    if (!config || !record) {
        st = error_nomem(err);
        goto out;
    }
    id_new(ret_id);
    st = store_finish(
        s,
        store_prepare(
            s, err,
            "INSERT INTO jobs(id, type, state, created_at, config, record, idempotency_key, request_sha256)"
            " VALUES(?, ?, 'queued', ?, ?, ?, ?, ?)",
            "ttttttt", ret_id, job->type, clock_utc(now), config, record, job->idempotency_key,
            job->request_sha256),
        err);
    if (st == ST_OK)
        st = store_tell_state(s, ret_id, JOB_QUEUED, now, err);
out:
    free(record);
    free(config);
    return st;
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
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    st = find_repeated(s, job, ret_id, err);
    if (st == ST_NOTFOUND) {
        st = check_room(s, job->max_queued, err);
        if (st == ST_OK)
            st = insert_job(s, job, ret_id, err);
    }
    return store_end(s, st, err);
}

static enum status write_state(struct store *s, const char *id, enum job_state to, struct error *err)
{
    char now[CLOCK_TEXT_SIZE];
    const char *sql = to == JOB_RUNNING
                          ? "UPDATE jobs SET state = ?, started_at = ?, finished_at = NULL WHERE id = ?"
                          : "UPDATE jobs SET state = ?, finished_at = ? WHERE id = ?";

    enum status st;

    clock_utc(now);
    st = store_finish(
        s, store_prepare(s, err, sql, "ttt", job_state_name(to), to == JOB_QUEUED ? NULL : now, id), err);
    if (st == ST_OK)
        st = store_tell_state(s, id, to, now, err);
    return st == ST_OK && job_has_ended(to) ? store_note_ended(s, "id = ?", id, s->all_noted, err) : st;
}

/* The job that has waited longest: ST_NOTFOUND where none waits.
 *   ret_config  NULL: it cannot be read, so that the job cannot be run */
static enum status longest_waiting(struct store *s, char ret_id[ID_SIZE], char ret_type[JOB_TYPE_SIZE],
                                   json_t **ret_config, struct error *err)
{
    sqlite3_stmt *stmt = store_prepare(s, err,
                                       "SELECT id, type, config FROM jobs WHERE state = 'queued'"
                                       " AND length(CAST(id AS BLOB)) < ? ORDER BY seq LIMIT 1",
                                       "i", (int64_t)ID_SIZE);
    enum status st = store_row(s, stmt, err);
    const char *id = st == ST_OK ? store_column(stmt, 0) : NULL, *type = id ? store_column(stmt, 1) : NULL;

    *ret_config = type ? store_json(stmt, 2) : NULL;
    if (st == ST_OK && !json_is_object(*ret_config)) {
        st = store_broken(s, err, "configuration");
        json_decref(*ret_config);
        *ret_config = NULL;
    }
    if (type && (*ret_config || st != ST_NOMEM)) {
        snprintf(ret_id, ID_SIZE, "%s", id);
        snprintf(ret_type, JOB_TYPE_SIZE, "%s", type);
        st = ST_OK;
    }
    sqlite3_finalize(stmt);
    return st;
}

/* It cannot be run, and must not keep those behind it waiting. */
static enum status fail_unreadable(struct store *s, const char *id, struct error *err)
{
    json_t *record =
        json_pack("{s:s}", "error", "the job database holds a configuration that cannot be read");
    enum status st = record ? write_state(s, id, JOB_FAILED, err) : error_nomem(err);

    if (st == ST_OK)
        st = store_write_record(s, id, record, err);
    json_decref(record);
    return st;
}

enum status store_job_begin(struct store *s, char ret_id[ID_SIZE], char ret_type[JOB_TYPE_SIZE],
                            json_t **ret_config, struct error *err)
{
    char id[ID_SIZE];
    json_t *config = NULL;
    enum status st;

    do {
        st = store_begin(s, err);
        if (st != ST_OK)
            return st;
        st = longest_waiting(s, id, ret_type, &config, err);
        if (st == ST_OK)
            st = config ? write_state(s, id, JOB_RUNNING, err) : fail_unreadable(s, id, err);
        st = store_end(s, st, err);
        if (st == ST_OK && !config)
            log_event(LOG_ERROR, "job cannot be run",
                      json_pack("{s:s*,s:s}", "job", id, "detail", "its configuration cannot be read"));
    } while (st == ST_OK && !config);
    if (st != ST_OK) {
        json_decref(config);
        return st;
    }
    memcpy(ret_id, id, ID_SIZE);
    *ret_config = config;
    return ST_OK;
}

enum status store_job_move(struct store *s, const char *id, enum job_state to, const json_t *record,
                           struct error *err)
{
    enum job_state from = JOB_QUEUED;
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    st = store_job_state(s, id, &from, err);
    if (st == ST_OK && !job_may_become(from, to))
        st = error_set(err, ST_CONFLICT, "the job is %s and cannot become %s", job_state_name(from),
                       job_state_name(to));
    if (st == ST_OK)
        st = write_state(s, id, to, err);
    if (st == ST_OK && record)
        st = store_write_record(s, id, record, err);
    return store_end(s, st, err);
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
        st = write_state(s, id, JOB_QUEUED, err);
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
        st = store_finish(s, store_prepare(s, err, "DELETE FROM jobs WHERE id = ?", "t", id), err);
    return store_end(s, st, err);
}

enum status store_job_look(struct store *s, const char *id, enum job_state *ret_state, json_t **ret_record,
                           struct error *err)
{
    sqlite3_stmt *stmt = NULL;
    enum status st;

    pthread_mutex_lock(&s->lock);
    st = store_job_state(s, id, ret_state, err);
    if (st == ST_OK) {
        stmt = store_prepare(s, err, "SELECT record FROM jobs WHERE id = ?", "t", id);
        st = store_row(s, stmt, err);
    }
    if (st == ST_OK && !(*ret_record = store_json(stmt, 0)))
        st = store_broken(s, err, "record");
    sqlite3_finalize(stmt);
    pthread_mutex_unlock(&s->lock);
    return st;
}

enum status store_job_record(struct store *s, const char *id, const json_t *record, struct error *err)
{
    enum job_state state;
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    st = store_job_state(s, id, &state, err);
    if (st == ST_OK)
        st = store_write_record(s, id, record, err);
    return store_end(s, st, err);
}

/* A cell as text; null where there is none, or where it is none. */
static json_t *text_or_null(const char *text)
{
    json_t *value = text ? json_string(text) : NULL;

    return value ? value : json_null();
}

#define JOB_COLUMNS "id, type, state, created_at, started_at, finished_at, config, record, seq"

/* Which cell of a job cannot be read; NULL: all can. */
static const char *unreadable_cell(sqlite3_stmt *stmt, const json_t *config, const json_t *record)
{
    enum job_state state;

    if (!json_is_object(config))
        return "configuration";
    if (!json_is_object(record))
        return "record";
    return job_state_parse(store_column(stmt, 2), &state) ? NULL : "state";
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

/* The row that `stmt` is at, in the contract's shape; NULL without memory. */
static json_t *job_row(sqlite3_stmt *stmt)
{
    json_t *record = store_json(stmt, 7), *config = store_json(stmt, 6);
    const char *state = store_column(stmt, 2);
    const char *broken = state ? unreadable_cell(stmt, config, record) : NULL;
    json_t *job = json_pack(
        "{s:o,s:o,s:o,s:n,s:f,s:n,s:o,s:o,s:o,s:O?}", "id", text_or_null(store_column(stmt, 0)), "type",
        text_or_null(store_column(stmt, 1)), "state", text_or_null(state), "phase", "progress", 0.0, "eta_s",
        "created_at", text_or_null(store_column(stmt, 3)), "started_at", text_or_null(store_column(stmt, 4)),
        "finished_at", text_or_null(store_column(stmt, 5)), "config", json_is_object(config) ? config : NULL);

    if (job && json_is_object(record))
        json_object_update_missing(job, record); /* the columns are what is believed */
    if (job && state && strcmp(state, "succeeded") == 0)
        json_object_set_new(job, "progress", json_real(1));
    if (job && broken && !json_ran_out())
        tell_unreadable(job, broken);
    json_decref(record);
    json_decref(config);
    if (json_ran_out() || !state) {
        json_decref(job);
        return NULL;
    }
    return job;
}

enum status store_job_get(struct store *s, const char *id, json_t **ret_job, struct error *err)
{
    static const struct kind JOB = { "job", "configuration", job_row };

    return store_find(s, "SELECT " JOB_COLUMNS " FROM jobs WHERE id = ?", id, &JOB, ret_job, err);
}

/* A job in a list: what one looks for there. */
static json_t *job_row_short(sqlite3_stmt *stmt)
{
    static const char *const LONG_PARTS[] = { "config",      "dataset", "calibration", "evaluation",
                                              "environment", "epochs",  "promotion",   "weights_sha256",
                                              "replay",      "files" };
    json_t *job = job_row(stmt);

    for (size_t i = 0; job && i < sizeof LONG_PARTS / sizeof LONG_PARTS[0]; i++)
        json_object_del(job, LONG_PARTS[i]);
    return job;
}

enum status store_jobs(struct store *s, const struct page *page, json_t **ret_jobs, int64_t *ret_next,
                       struct error *err)
{
    const int64_t before = page->before ? page->before : INT64_MAX;
    enum status st;

    pthread_mutex_lock(&s->lock);
    st = store_collect(s,
                       store_prepare(s, err,
                                     "SELECT " JOB_COLUMNS
                                     " FROM jobs WHERE seq < ? AND state = ifnull(?, state)"
                                     " ORDER BY seq DESC LIMIT ?",
                                     "iti", before, page->state, (int64_t)page->limit + 1),
                       page->limit, 8, job_row_short, ret_jobs, ret_next, err);
    pthread_mutex_unlock(&s->lock);
    return st;
}

enum status store_job_counts(struct store *s, size_t ret_counts[N_JOB_STATES], struct error *err)
{
    sqlite3_stmt *stmt;
    enum job_state state;
    enum status st;

    memset(ret_counts, 0, N_JOB_STATES * sizeof *ret_counts);
    pthread_mutex_lock(&s->lock);
    stmt = store_prepare(s, err, "SELECT state, count(*) FROM jobs GROUP BY state", "");
    while ((st = store_row(s, stmt, err)) == ST_OK)
        if (job_state_parse(store_column(stmt, 0), &state))
            ret_counts[state] = (size_t)sqlite3_column_int64(stmt, 1);
    sqlite3_finalize(stmt);
    pthread_mutex_unlock(&s->lock);
    return st == ST_NOTFOUND ? ST_OK : st;
}
