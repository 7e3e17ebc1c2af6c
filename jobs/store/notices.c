/* jobs/store/notices.c - what is to be told to others, as the store keeps it; see cxrd/store.h and cxrd/notices.h. */
#include "parts.h"

#include "cxrd/clock.h"
#include "cxrd/json.h"

#include <stdlib.h>
#include <string.h>

/* Rows of (url, body) for the jobs, or the model, of the clause behind it; without a url, for the operator's receiver. Ids, states
 * and times need no escape in JSON. */
#define NOTICE_INSERT "INSERT INTO notices(id, due, url, body) SELECT 'msg_' || %s, 0, "
#define JOB_BODY                                                                                   \
    "'{\"type\":\"job.' || state || '\",\"timestamp\":\"' || coalesce(finished_at, created_at) ||" \
    " '\",\"data\":{\"id\":\"' || id || '\",\"state\":\"' || state || '\"}}' FROM jobs"            \
    " LEFT JOIN job_links ON job_links.job = seq WHERE "
#define MODEL_BODY                                                                                  \
    "'{\"type\":\"model.activated\",\"timestamp\":\"' || $1 || '\",\"data\":{\"id\":\"' || m.id ||" \
    " '\",\"job\":' || coalesce('\"' || m.job || '\"', 'null') || '}}' FROM models m"               \
    " LEFT JOIN jobs j ON j.id = m.job LEFT JOIN job_links l ON l.job = j.seq WHERE m.id = $2"

/*   sql  has one place for how the engine draws an id, and one for `where` */
static enum status note(struct store *s, const char *sql, const char *where, const char *a, const char *b,
                        struct error *err)
{
    char text[1000];

    snprintf(text, sizeof text, sql, s->db->engine->random_hex, where);
    return store_finish_counted(s, store_prepare(s, err, text, "tt", a, b), &s->noted, err);
}

enum status store_note_ended(struct store *s, const char *where, const char *parameter, bool all,
                             struct error *err)
{
    const enum status st =
        note(s, NOTICE_INSERT "webhook, " JOB_BODY "webhook IS NOT NULL AND %s", where, parameter, NULL, err);

    return st == ST_OK && all ? note(s, NOTICE_INSERT "NULL, " JOB_BODY "%s", where, parameter, NULL, err)
                              : st;
}

enum status store_note_activated(struct store *s, const char *model, struct error *err)
{
    char now[CLOCK_TEXT_SIZE];
    const enum status st = note(s, NOTICE_INSERT "l.webhook, " MODEL_BODY "%s", " AND l.webhook IS NOT NULL",
                                clock_utc(now), model, err);

    return st == ST_OK && s->all_noted ? note(s, NOTICE_INSERT "NULL, " MODEL_BODY "%s", "", now, model, err)
                                       : st;
}

/* The notice of drift for the operator's receiver, as text; NULL: no memory. */
static char *drift_body(const json_t *data)
{
    char now[CLOCK_TEXT_SIZE];
    json_t *body =
        json_pack("{s:s,s:s,s:O}", "type", "drift.raised", "timestamp", clock_utc(now), "data", data);
    char *text = body ? json_text(body, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;

    json_decref(body);
    return text;
}

enum status store_note_drift(struct store *s, const json_t *data, struct error *err)
{
    char *body = drift_body(data);
    enum status st = body ? store_begin(s, err) : error_nomem(err);

    if (st == ST_OK) {
        if (s->all_noted)
            st = note(s, NOTICE_INSERT "NULL, $1 WHERE $2 IS NULL%s", "", body, NULL, err);
        st = store_end(s, st, err);
    }
    free(body);
    return st;
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

static enum status notice_row(struct store *s, struct statement *stmt, struct notice *ret, struct error *err)
{
    const char *id = store_column(stmt, 1), *url = store_column(stmt, 2), *body = store_column(stmt, 3);
    struct notice n = { .seq = store_number(stmt, 0),
                        .tries = store_number(stmt, 4),
                        .due = store_number(stmt, 5) };

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
        "SELECT seq, id, url, body, tries, CASE WHEN since > $1 THEN 0 ELSE due END AS when_due FROM notices"
        " ORDER BY when_due, seq LIMIT 1";
    struct statement *stmt;
    enum status st;

    if (s->db->engine->shared && !atomic_load(&s->leads))
        return ST_NOTFOUND; /* another server sends them */
    pthread_mutex_lock(&s->lock);
    stmt = store_prepare(s, err, SQL, "i", now);
    st = store_row(s, stmt, err);
    if (st == ST_OK)
        st = notice_row(s, stmt, ret, err);
    store_done(stmt);
    pthread_mutex_unlock(&s->lock);
    return st;
}

enum status store_notice_done(struct store *s, int64_t seq, struct error *err)
{
    const enum status st = store_begin(s, err);

    return st == ST_OK
               ? store_end(s,
                           store_finish(
                               s, store_prepare(s, err, "DELETE FROM notices WHERE seq = $1", "i", seq), err),
                           err)
               : st;
}

enum status store_notice_again(struct store *s, int64_t seq, int64_t now, int64_t pause, struct error *err)
{
    static const char SQL[] =
        "UPDATE notices SET tries = tries + 1, since = $2, due = $2 + $3 WHERE seq = $1";
    const enum status st = store_begin(s, err);

    return st == ST_OK
               ? store_end(s, store_finish(s, store_prepare(s, err, SQL, "iii", seq, now, pause), err), err)
               : st;
}
