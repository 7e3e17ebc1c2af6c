/* jobs/store/notices.c - what is to be told to others, as the store keeps it; see cxrd/store.h and cxrd/notices.h. */
#include "parts.h"

#include "cxrd/clock.h"
#include "cxrd/json.h"

#include <stdlib.h>
#include <string.h>

/* Rows of (url, body); without a url, for the operator's receiver. */
#define NOTICE_INSERT \
    "INSERT INTO notices(id, due, url, body) SELECT 'msg_' || lower(hex(randomblob(16))), 0, "
#define WEBHOOK CONFIG_SAYS("webhook")
#define JOB_BODY                                                                           \
    "json_object('type', 'job.' || state, 'timestamp', coalesce(finished_at, created_at)," \
    " 'data', json_object('id', id, 'state', state))"

enum status store_note_ended(struct store *s, const char *where, const char *parameter, bool all,
                             struct error *err)
{
    static const char OWN[] =
        NOTICE_INSERT WEBHOOK ", " JOB_BODY " FROM jobs WHERE " WEBHOOK " IS NOT NULL AND ";
    static const char ALL[] = NOTICE_INSERT "NULL, " JOB_BODY " FROM jobs WHERE ";
    char sql[800];
    enum status st;

    snprintf(sql, sizeof sql, "%s%s", OWN, where);
    st = store_finish(s, store_prepare(s, err, sql, "t", parameter), err);
    s->noted |= sqlite3_changes(s->db) > 0;
    if (st == ST_OK && all) {
        snprintf(sql, sizeof sql, "%s%s", ALL, where);
        st = store_finish(s, store_prepare(s, err, sql, "t", parameter), err);
        s->noted = true;
    }
    return st;
}

enum status store_note_activated(struct store *s, const char *model, struct error *err)
{
    static const char BODY[] = "json_object('type', 'model.activated', 'timestamp', ?1, 'data',"
                               " json_object('id', m.id, 'job', json_extract(m.card, '$.job')))";
    char now[CLOCK_TEXT_SIZE], sql[800];
    enum status st;

    clock_utc(now);
    snprintf(sql, sizeof sql,
             NOTICE_INSERT WEBHOOK ", %s FROM models m"
                                   " JOIN jobs j ON j.id = json_extract(m.card, '$.job')"
                                   " WHERE m.id = ?2 AND " WEBHOOK " IS NOT NULL",
             BODY);
    st = store_finish(s, store_prepare(s, err, sql, "tt", now, model), err);
    s->noted |= sqlite3_changes(s->db) > 0;
    if (st == ST_OK && s->all_noted) {
        snprintf(sql, sizeof sql, NOTICE_INSERT "NULL, %s FROM models m WHERE m.id = ?2", BODY);
        st = store_finish(s, store_prepare(s, err, sql, "tt", now, model), err);
        s->noted = true;
    }
    return st;
}

enum status store_note_drift(struct store *s, const json_t *data, struct error *err)
{
    char now[CLOCK_TEXT_SIZE], *text = json_text(data, JSON_COMPACT | JSON_REAL_PRECISION(9));
    enum status st = text ? store_begin(s, err) : error_nomem(err);

    if (st != ST_OK) {
        free(text);
        return st;
    }
    if (s->all_noted) {
        st = store_finish(
            s,
            store_prepare(s, err,
                          NOTICE_INSERT
                          "NULL, json_object('type', 'drift.raised', 'timestamp', ?1, 'data', json(?2))",
                          "tt", clock_utc(now), text),
            err);
        s->noted = true;
    }
    free(text);
    return store_end(s, st, err);
}

enum status store_notices_begin(struct store *s, bool all, void (*added)(void *arg), void *arg,
                                struct error *err)
{
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    if (!all)
        st = store_run(s, "DELETE FROM notices WHERE url IS NULL", err);
    s->all_noted = all;
    st = store_end(s, st, err);
    pthread_mutex_lock(&s->calling);
    s->added = st == ST_OK ? added : NULL;
    s->added_arg = arg;
    pthread_mutex_unlock(&s->calling);
    return st;
}

void store_notices_end(struct store *s)
{
    pthread_mutex_lock(&s->calling);
    s->added = NULL;
    pthread_mutex_unlock(&s->calling);
}

void notice_release(struct notice *n)
{
    free(n->url);
    free(n->body);
    *n = (struct notice){ 0 };
}

static enum status notice_row(struct store *s, sqlite3_stmt *stmt, struct notice *ret, struct error *err)
{
    const char *id = store_column(stmt, 1), *url = store_column(stmt, 2), *body = store_column(stmt, 3);
    struct notice n = { .seq = sqlite3_column_int64(stmt, 0),
                        .tries = sqlite3_column_int64(stmt, 4),
                        .due = sqlite3_column_int64(stmt, 5) };

    if (!id || !body)
        return store_broken(s, err, "notice");
    snprintf(n.id, sizeof n.id, "%s", id);
    n.url = url ? strdup(url) : NULL;
    n.body = strdup(body);
    if (!n.body || (url && !n.url)) {
        notice_release(&n);
        return error_nomem(err);
    }
    *ret = n;
    return ST_OK;
}

enum status store_notice_first(struct store *s, int64_t now, struct notice *ret, struct error *err)
{
    static const char SQL[] =
        "SELECT seq, id, url, body, tries, iif(since > ?, 0, due) AS when_due FROM notices"
        " ORDER BY when_due, seq LIMIT 1";
    sqlite3_stmt *stmt;
    enum status st;

    pthread_mutex_lock(&s->lock);
    stmt = store_prepare(s, err, SQL, "i", now);
    st = store_row(s, stmt, err);
    if (st == ST_OK)
        st = notice_row(s, stmt, ret, err);
    sqlite3_finalize(stmt);
    pthread_mutex_unlock(&s->lock);
    return st;
}

enum status store_notice_done(struct store *s, int64_t seq, struct error *err)
{
    const enum status st = store_begin(s, err);

    return st == ST_OK
               ? store_end(s,
                           store_finish(
                               s, store_prepare(s, err, "DELETE FROM notices WHERE seq = ?", "i", seq), err),
                           err)
               : st;
}

enum status store_notice_again(struct store *s, int64_t seq, int64_t now, int64_t pause, struct error *err)
{
    static const char SQL[] =
        "UPDATE notices SET tries = tries + 1, since = ?2, due = ?2 + ?3 WHERE seq = ?1";
    const enum status st = store_begin(s, err);

    return st == ST_OK
               ? store_end(s, store_finish(s, store_prepare(s, err, SQL, "iii", seq, now, pause), err), err)
               : st;
}
