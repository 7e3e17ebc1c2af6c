/* jobs/store/asked.c - requests to a running job, such as a cancel, from others than its runner; see cxrd/store.h.
 *
 * Invariant: a request stands in the row of the job's lease. A client's server writes it while the job runs; the runner reads it when
 * it renews its lease, and in the transaction after which it is too late. So a request that was not refused is heard before the results
 * are kept. It stays when another runner takes the job over, and is gone when the job has waited in between. */
#include "parts.h"

#include <string.h>

#define TOO_LATE "too late"

enum status store_job_renew(struct store *s, const struct claim *c, enum asked *ret_asked, struct error *err)
{
    char sql[300];
    struct statement *stmt;
    enum status st = store_begin_beside(s, c->job, err);

    if (st != ST_OK)
        return st;
    snprintf(sql, sizeof sql,
             "UPDATE leases SET until = %s + %d WHERE token = $2"
             " AND job = (SELECT seq FROM jobs WHERE id = $1 AND state = 'running') RETURNING asked",
             s->db->engine->now_ms, LEASE_S * 1000);
    stmt = store_prepare(s, err, sql, "ti", c->job, c->token);
    st = store_row(s, stmt, err);
    if (st == ST_OK)
        *ret_asked = store_asked(store_column(stmt, 0));
    store_done(stmt);
    if (st == ST_NOTFOUND)
        st = error_set(err, ST_CONFLICT, "the job is no longer this server's to run");
    return store_end(s, st, err);
}

/* Inside a transaction: the job runs, and has a runner or not. */
static enum status look(struct store *s, const char *id, bool *ret_left, bool *ret_late, struct error *err)
{
    char sql[240];
    struct statement *stmt;
    enum status st;

    snprintf(sql, sizeof sql,
             "SELECT state, asked, CASE WHEN coalesce(until, 0) < %s THEN 1 ELSE 0 END FROM jobs"
             " LEFT JOIN leases ON leases.job = seq WHERE id = $1",
             s->db->engine->now_ms);
    stmt = store_prepare(s, err, sql, "t", id);
    st = store_row(s, stmt, err);
    if (st == ST_NOTFOUND)
        error_set(err, st, "there is no job '%s'", id);
    if (st == ST_OK) {
        const char *state = store_column(stmt, 0), *asked = store_column(stmt, 1);

        *ret_left = store_number(stmt, 2) != 0;
        *ret_late = asked && strcmp(asked, TOO_LATE) == 0;
        if (!state || strcmp(state, job_state_name(JOB_RUNNING)) != 0)
            st = error_set(err, ST_CONFLICT, "the job is %s: only one that runs can be asked to end",
                           state ? state : "gone");
    }
    store_done(stmt);
    return st;
}

static enum status write_asked(struct store *s, const char *id, const char *asked, struct error *err)
{
    static const char SQL[] = "UPDATE leases SET asked = CASE WHEN asked = 'cancel' THEN asked ELSE $2 END"
                              " WHERE job = (SELECT seq FROM jobs WHERE id = $1)";

    return store_finish(s, store_prepare(s, err, SQL, "tt", id, asked), err);
}

/* Nobody runs it. A runner that wakes finds its token gone. */
static enum status end_left(struct store *s, const char *id, struct error *err)
{
    static const char SQL[] =
        "UPDATE leases SET token = token + 1 WHERE job = (SELECT seq FROM jobs WHERE id = $1)";
    const enum status st = store_finish(s, store_prepare(s, err, SQL, "t", id), err);

    return st == ST_OK ? store_write_state(s, id, JOB_CANCELLED, err) : st;
}

enum status store_job_ask(struct store *s, const char *id, enum asked asked, struct error *err)
{
    bool left, late;
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    st = look(s, id, &left, &late, err);
    if (st == ST_OK && late && !left)
        st = error_set(err, ST_CONFLICT, "the job is saving its results and can no longer be cancelled");
    if (st == ST_OK)
        st = left && asked == ASKED_CANCEL ? end_left(s, id, err)
                                           : write_asked(s, id, store_asked_name(asked), err);
    return store_end(s, st, err);
}

enum status store_job_keeping(struct store *s, const struct claim *c, enum asked *ret_asked,
                              struct error *err)
{
    enum job_state state;
    struct statement *stmt;
    bool last;
    enum status st = store_begin_beside(s, c->job, err);

    if (st != ST_OK)
        return st;
    st = store_fence(s, c, &state, &last, err);
    if (st == ST_OK) {
        stmt = store_prepare(s, err,
                             "UPDATE leases SET asked = coalesce(asked, '" TOO_LATE "')"
                             " WHERE job = (SELECT seq FROM jobs WHERE id = $1) RETURNING asked",
                             "t", c->job);
        st = store_row(s, stmt, err);
        if (st == ST_OK)
            *ret_asked = store_asked(store_column(stmt, 0));
        store_done(stmt);
    }
    return store_end(s, st, err);
}
