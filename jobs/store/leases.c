/* jobs/store/leases.c - which runner has which job, as the store keeps it; see cxrd/store.h.
 *
 * Invariants, on every engine:
 * - A job that runs has a row in `leases`; its token is that of the claim which holds it. A token only grows, also when the job waits
 *   again in between, so that no two claims of a job ever have the same.
 * - The runner of a job writes to it with that token, in a transaction that has found the state 'running' and the token unchanged; as
 *   it is the only one that writes, or has the job's row locked, both are so until it ends. A claim that is over changes nothing.
 * - All others write with token 0, and only to a job that does not run.
 * A crash between the claim and the first line of the job leaves it running with a lease that runs out: the next claim takes it. A crash
 * within a transaction undoes it. Times are the database's: no two machines' clocks are compared. */
#include "parts.h"

#include <stdlib.h>
#include <string.h>

/* A row whose id has not the form of a job's id is passed over, as no function would find it by that id. */
#define NAMED " AND %s AND length(id) < %d"

/* The job has a data set in $2, or has no data set, or fetches one and $3 is 1. $2 NULL: any job. */
/* The folder below --datasets that a data set is, or lies in: what stands before the first '/'. */
#define DATASET                                                                                        \
    "(SELECT substr(dataset, 1, length(dataset) - length(ltrim(dataset, replace(dataset, '/', '')))) " \
    "FROM captions WHERE captions.job = jobs.seq)"
#define CAN_BE_DONE_BY(datasets, fetches)                                                               \
    " AND (" datasets " IS NULL OR CASE WHEN type = '" JOB_FETCH "' THEN " fetches " = 1 WHEN " DATASET \
    " IS NULL THEN 1 = 1 ELSE replace(" datasets ", '/' || " DATASET " || '/', '') <> " datasets " END)"
#define CAN_BE_DONE CAN_BE_DONE_BY("$2", "$3")

static const char *datasets_of(const struct able *able) { return able ? able->datasets : NULL; }

static int64_t fetches_of(const struct able *able) { return able && able->fetches; }

enum status store_able_tell(struct store *s, const struct able *able, struct error *err)
{
    int64_t changed = 0;
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    st = store_changed(s,
                       store_prepare(s, err, "UPDATE replicas SET datasets = $1, fetches = $2 WHERE id = $3",
                                     "tit", able->datasets, fetches_of(able), s->holder),
                       &changed, err);
    if (st == ST_OK && changed == 0)
        st = error_set(err, ST_NOTFOUND, "this server is not among the replicas");
    return store_end(s, st, err);
}

enum status store_job_left(struct store *s, const char *id, char ret_id[ID_SIZE],
                           char ret_why[WAITS_FOR_SIZE], struct error *err)
{
    static const char SQL[] =
        "SELECT id, type, " DATASET " FROM jobs WHERE state = 'queued' AND ($1 IS NULL OR id = $1)" NAMED
        " AND NOT EXISTS (SELECT 1 FROM replicas WHERE replicas.until > %s" CAN_BE_DONE_BY(
            "replicas.datasets", "replicas.fetches") ") ORDER BY seq LIMIT 1";
    struct cells cells = CELLS_INIT;
    char sql[2000];
    enum status st;

    snprintf(sql, sizeof sql, SQL, s->db->engine->id_is_text, ID_SIZE, s->db->engine->now_ms);
    st = store_query(s, &cells, err, sql, "t", id);
    if (st == ST_OK && cells.n_rows == 0)
        st = ST_NOTFOUND;
    if (st == ST_OK) {
        const char *found = cells_text(&cells, 0, 0), *type = cells_text(&cells, 0, 1),
                   *set = cells_text(&cells, 0, 2);

        snprintf(ret_id, ID_SIZE, "%s", found ? found : "");
        if (type && strcmp(type, JOB_FETCH) == 0)
            snprintf(ret_why, WAITS_FOR_SIZE, "no server that runs fetches data sets");
        else
            snprintf(ret_why, WAITS_FOR_SIZE, "no server that runs has the data set '%.250s'",
                     set ? set : "");
    }
    cells_release(&cells);
    return st;
}

enum status store_job_due(struct store *s, const struct able *able, int64_t *ret_ms, struct error *err)
{
    static const char SQL[] =
        "SELECT min(coalesce(leases.until, 0)) - %s FROM jobs LEFT JOIN leases ON leases.job = seq"
        " WHERE state = 'running'" NAMED CAN_BE_DONE;
    struct cells cells = CELLS_INIT;
    const char *left;
    char sql[2000];
    enum status st;

    snprintf(sql, sizeof sql, SQL, s->db->engine->now_ms, s->db->engine->id_is_text, ID_SIZE);
    /* $1 is the claim's, whose conditions these are */
    st = store_query(s, &cells, err, sql, "tti", (const char *)NULL, datasets_of(able), fetches_of(able));
    left = st == ST_OK && cells.n_rows > 0 ? cells_text(&cells, 0, 0) : NULL;
    *ret_ms = left ? strtoll(left, NULL, 10) : -1;
    if (left && *ret_ms < 0)
        *ret_ms = 0;
    cells_release(&cells);
    return st;
}

enum status store_claim_next(struct store *s, const struct able *able, struct statement **ret_row,
                             struct error *err)
{
    /* The oldest whose runner has not said in time that it goes on, or else the oldest that waits: the first of an index that this server can do. It
     * passes over those before, and over those that another transaction has locked. */
    static const char SQL[] =
        "WITH next AS MATERIALIZED (SELECT coalesce("
        "(SELECT seq FROM jobs LEFT JOIN leases ON leases.job = seq WHERE state = 'running'"
        " AND coalesce(leases.until, 0) < %s" NAMED CAN_BE_DONE " ORDER BY seq LIMIT 1%s),"
        "(SELECT seq FROM jobs WHERE state = 'queued'" NAMED CAN_BE_DONE " ORDER BY seq LIMIT 1%s)) AS seq)"
        "INSERT INTO leases(job, token, holder, until) SELECT seq, 1, $1, %s + %d FROM next"
        " WHERE seq IS NOT NULL ON CONFLICT(job) DO UPDATE SET token = leases.token + 1,"
        " holder = excluded.holder, until = excluded.until,"
        " asked = CASE WHEN (SELECT state FROM jobs WHERE seq = leases.job) = 'running'"
        " THEN nullif(leases.asked, 'too late') END"
        /* by the row as it is now: another may have taken or renewed it since it was looked for */
        " WHERE leases.until < %s OR (SELECT state FROM jobs WHERE seq = leases.job) = 'queued'"
        " RETURNING token, asked,"
        " (SELECT id FROM jobs WHERE seq = leases.job), (SELECT type FROM jobs WHERE seq = leases.job),"
        " (SELECT config FROM jobs WHERE seq = leases.job)";
    const struct engine *e = s->db->engine;
    const char *now = e->now_ms, *lock = e->lock_free_row;
    char sql[3200];

    snprintf(sql, sizeof sql, SQL, now, e->id_is_text, ID_SIZE, lock, e->id_is_text, ID_SIZE, lock, now,
             LEASE_S * 1000, now);
    *ret_row = store_prepare(s, err, sql, "tti", s->holder, datasets_of(able), fetches_of(able));
    return store_row(s, *ret_row, err);
}

/* The state of a job, and the token of its last claim, 0 where there was none. */
static enum status look(struct store *s, const char *id, enum job_state *ret_state, int64_t *ret_token,
                        struct error *err)
{
    struct statement *stmt = store_prepare(
        s, err,
        "SELECT state, coalesce(token, 0) FROM jobs LEFT JOIN leases ON leases.job = seq WHERE id = $1", "t",
        id);
    enum status st = store_row(s, stmt, err);

    if (st == ST_NOTFOUND)
        error_set(err, st, "there is no job '%s'", id);
    if (st == ST_OK) {
        const char *name = store_column(stmt, 0);

        *ret_token = store_number(stmt, 1);
        if (!name)
            st = store_broken(s, err, "state");
        else if (!job_state_parse(name, ret_state))
            *ret_state = JOB_FAILED; /* as it is told: it can be deleted, and no more */
    }
    store_done(stmt);
    return st;
}

enum status store_job_state(struct store *s, const char *id, enum job_state *ret_state, struct error *err)
{
    int64_t token;

    return look(s, id, ret_state, &token, err);
}

static const char *const ASKED[] = { "", "cancel", "keep_best" };

enum asked store_asked(const char *name)
{
    for (int i = ASKED_KEEP_BEST; name && i > ASKED_NOTHING; i--)
        if (strcmp(name, ASKED[i]) == 0)
            return (enum asked)i;
    return ASKED_NOTHING;
}

const char *store_asked_name(enum asked asked) { return ASKED[asked]; }

enum status store_fence(struct store *s, const struct claim *c, enum job_state *ret_state, bool *ret_last,
                        struct error *err)
{
    int64_t token = 0;
    enum status st = look(s, c->job, ret_state, &token, err);

    if (st != ST_OK)
        return st;
    *ret_last = c->token > 0 && c->token == token;
    if (c->token > 0 && (*ret_state != JOB_RUNNING || c->token != token))
        return error_set(err, ST_CONFLICT, "the job is no longer this server's to run");
    if (c->token == 0 && *ret_state == JOB_RUNNING)
        return error_set(err, ST_CONFLICT, "the job is running: only its runner writes to it");
    return ST_OK;
}
