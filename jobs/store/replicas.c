/* jobs/store/replicas.c - the servers that share a store, as rows; see cxrd/store_replicas.h.
 *
 * Invariants: a lease is extended in a transaction that has found the server's epoch to be the newest, and an epoch is made in another;
 * one transaction writes at a time, so a lease that was extended after an epoch was made is of a server that answers by it. Times are the
 * database's. A crash leaves a lease that runs out; its row is removed by others a day later. */
#include "cxrd/store_replicas.h"

#include "parts.h"

#include "cxrd/clock.h"

#include <stdlib.h>
#include <string.h>

enum { GONE_S = 24 * 3600 };

/* ---- inside a transaction ---- */

static enum status newest_epoch(struct store *s, struct epoch *ret, struct error *err)
{
    struct statement *stmt =
        store_prepare(s, err, "SELECT epoch, model FROM epochs ORDER BY epoch DESC LIMIT 1", "");
    enum status st = store_row(s, stmt, err);

    *ret = (struct epoch){ .number = 0 };
    if (st == ST_OK) {
        const char *model = store_column(stmt, 1);

        ret->number = store_number(stmt, 0);
        snprintf(ret->model, ID_SIZE, "%s", model ? model : "");
    }
    store_done(stmt);
    return st == ST_NOTFOUND ? ST_OK : st;
}

static enum status extend(struct store *s, const struct replica *r, struct error *err)
{
    static const char SQL[] =
        "INSERT INTO replicas(id, host, address, build, begun_at, until, epoch, fault)"
        " VALUES($1, $2, $3, $4, $5, %s + %d, $6, $7) ON CONFLICT(id) DO UPDATE SET host = excluded.host,"
        " address = excluded.address, until = excluded.until, epoch = excluded.epoch, fault = excluded.fault";
    char sql[600], now[CLOCK_TEXT_SIZE];

    snprintf(sql, sizeof sql, SQL, s->db->engine->now_ms, REPLICA_LEASE_S * 1000);
    return store_finish(s,
                        store_prepare(s, err, sql, "tttttit", s->holder, r->host, r->address, r->build,
                                      clock_utc(now), r->epoch, r->fault),
                        err);
}

/* Whether it is the first of those that have a lease; of the others it removes those long gone. */
static enum status lead(struct store *s, bool *ret_leads, struct error *err)
{
    char sql[300];
    struct statement *stmt;
    const char *first;
    enum status st;

    snprintf(sql, sizeof sql, "SELECT min(id) FROM replicas WHERE until > %s", s->db->engine->now_ms);
    stmt = store_prepare(s, err, sql, "");
    st = store_row(s, stmt, err);
    first = st == ST_OK ? store_column(stmt, 0) : NULL;
    *ret_leads = first && strcmp(first, s->holder) == 0;
    store_done(stmt);
    if (st != ST_OK || !*ret_leads)
        return st;
    snprintf(sql, sizeof sql, "DELETE FROM replicas WHERE until < %s - %lld", s->db->engine->now_ms,
             GONE_S * 1000LL);
    return store_finish(s, store_prepare(s, err, sql, ""), err);
}

/* Whether another server may wait for a change that this row makes. */
static enum status is_news(struct store *s, const struct replica *r, bool *ret, struct error *err)
{
    struct statement *stmt = store_prepare(s, err, "SELECT 1 FROM replicas WHERE id = $1 AND epoch = $2",
                                           "ti", s->holder, r->epoch);
    const enum status st = store_row(s, stmt, err);

    store_done(stmt);
    *ret = st == ST_NOTFOUND;
    return *ret ? ST_OK : st;
}

static enum status renew(struct store *s, const struct replica *r, struct epoch *ret_newest, bool *ret_leads,
                         struct error *err)
{
    enum status st = newest_epoch(s, ret_newest, err);

    if (st == ST_OK && ret_newest->number != r->epoch)
        st = error_set(err, ST_CONFLICT,
                       "this server does not answer by the newest epoch of the active model");
    if (st == ST_OK)
        st = is_news(s, r, &s->woken, err);
    if (st == ST_OK)
        st = extend(s, r, err);
    return st == ST_OK ? lead(s, ret_leads, err) : st;
}

enum status store_replica_renew(struct store *s, const struct replica *r, struct epoch *ret_newest,
                                bool *ret_leads, struct error *err)
{
    enum status st;

    *ret_newest = (struct epoch){ .number = 0 };
    *ret_leads = false;
    st = store_begin(s, err);
    if (st == ST_OK)
        st = store_end(s, renew(s, r, ret_newest, ret_leads, err), err);
    if (st == ST_OK)
        atomic_store(&s->leads, *ret_leads);
    return st;
}

enum status store_replica_leave(struct store *s, struct error *err)
{
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    s->woken = true;
    return store_end(
        s, store_finish(s, store_prepare(s, err, "DELETE FROM replicas WHERE id = $1", "t", s->holder), err),
        err);
}

/* ---- reading ---- */

enum status store_replicas_behind(struct store *s, int64_t epoch, char ret[REPLICA_NAMES], struct error *err)
{
    struct cells cells = CELLS_INIT;
    char sql[200];
    size_t n = 0;
    enum status st;

    snprintf(sql, sizeof sql,
             "SELECT host FROM replicas WHERE epoch < $1 AND id <> $2 AND until > %s ORDER BY 1",
             s->db->engine->now_ms);
    st = store_query(s, &cells, err, sql, "it", epoch, s->holder);
    ret[0] = '\0';
    for (size_t i = 0; i < cells.n_rows && n < REPLICA_NAMES; i++) {
        const char *host = cells_text(&cells, i, 0);

        n += (size_t)snprintf(ret + n, REPLICA_NAMES - n, "%s%s", i ? ", " : "", host ? host : "?");
    }
    cells_release(&cells);
    return st;
}

static json_t *text_or_null(const char *text) { return text ? json_string(text) : json_null(); }

static json_t *replica_row(const struct cells *r, size_t row, const char *self)
{
    const char *id = cells_text(r, row, 0), *epoch = cells_text(r, row, 5), *left = cells_text(r, row, 6);
    const char *fault = cells_text(r, row, 7);
    const int64_t left_ms = left ? strtoll(left, NULL, 10) : 0;

    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:b,s:f,s:I,s:o,s:b}", "id", text_or_null(id), "host",
                     text_or_null(cells_text(r, row, 1)), "address", text_or_null(cells_text(r, row, 2)),
                     "build", text_or_null(cells_text(r, row, 3)), "begun_at",
                     text_or_null(cells_text(r, row, 4)), "ready", left_ms > 0 && !fault, "lease_s",
                     left_ms > 0 ? (double)left_ms / 1e3 : 0., "epoch",
                     (json_int_t)(epoch ? strtoll(epoch, NULL, 10) : 0), "fault", text_or_null(fault), "self",
                     id && strcmp(id, self) == 0);
}

enum status store_replicas(struct store *s, json_t **ret, struct error *err)
{
    struct cells cells = CELLS_INIT;
    json_t *list = json_array();
    char sql[300];
    enum status st;

    snprintf(sql, sizeof sql,
             "SELECT id, host, address, build, begun_at, epoch, until - %s, fault FROM replicas"
             " ORDER BY begun_at, id",
             s->db->engine->now_ms);
    st = list ? store_query(s, &cells, err, sql, "") : error_nomem(err);
    for (size_t i = 0; i < cells.n_rows && st == ST_OK; i++)
        if (json_array_append_new(list, replica_row(&cells, i, s->holder)) != 0)
            st = error_nomem(err);
    if (st == ST_OK)
        *ret = list;
    else
        json_decref(list);
    cells_release(&cells);
    return st;
}
