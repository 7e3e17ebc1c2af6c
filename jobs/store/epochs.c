/* jobs/store/epochs.c - which model answers, and since which epoch; see cxrd/store.h.
 *
 * Invariants: a change of the active model is an epoch, one more than the last, and both are written in one transaction: the newest
 * epoch's model is the active one. An epoch once given stands for the same model for ever, and an idempotency key for the same epoch. A
 * crash leaves both or neither; a client that has lost the answer asks again with the key. */
#include "parts.h"

#include "cxrd/clock.h"

#include <stdlib.h>
#include <string.h>

#define LAST_EPOCH "coalesce((SELECT max(epoch) FROM epochs), 0)"

/* Read an epoch from a row: its number and its model. Errors: ST_NOTFOUND (no row), ST_IO. */
static enum status epoch_row(struct store *s, struct statement *stmt, struct epoch *ret, struct error *err)
{
    enum status st = store_row(s, stmt, err);
    const char *model;

    if (st != ST_OK)
        return st;
    model = store_column(stmt, 1);
    if (!model)
        return store_broken(s, err, "epoch");
    ret->number = store_number(stmt, 0);
    snprintf(ret->model, ID_SIZE, "%s", model);
    return ST_OK;
}

static enum status of_key(struct store *s, const char *key, struct epoch *ret, struct error *err)
{
    struct statement *stmt =
        store_prepare(s, err, "SELECT epoch, model FROM epochs WHERE idempotency_key = $1", "t", key);
    const enum status st = epoch_row(s, stmt, ret, err);

    store_done(stmt);
    return st;
}

enum status store_epoch(struct store *s, const char *key, struct epoch *ret, struct error *err)
{
    struct statement *stmt;
    enum status st;

    *ret = (struct epoch){ .number = 0 };
    pthread_mutex_lock(&s->lock);
    if (key) {
        st = of_key(s, key, ret, err);
    } else {
        stmt = store_prepare(s, err, "SELECT epoch, model FROM epochs ORDER BY epoch DESC LIMIT 1", "");
        st = epoch_row(s, stmt, ret, err);
        store_done(stmt);
    }
    pthread_mutex_unlock(&s->lock);
    return st == ST_NOTFOUND && !key ? ST_OK : st;
}

/* ---- inside a transaction ---- */

static enum status check_still(struct store *s, const char *setting, const char *expected, const char *fault,
                               struct error *err)
{
    struct statement *stmt;
    const char *found;
    enum status st;

    if (!expected)
        return ST_OK;
    stmt = store_prepare(s, err, "SELECT value FROM settings WHERE name = $1", "t", setting);
    st = store_row(s, stmt, err);
    found = st == ST_OK ? store_column(stmt, 0) : "";
    if (!found)
        st = store_broken(s, err, "choice");
    else if (st == ST_OK || st == ST_NOTFOUND)
        st = strcmp(found, expected) == 0 ? ST_OK : error_set(err, ST_CONFLICT, "%s", fault);
    store_done(stmt);
    return st;
}

/* Of servers that judge the same trial one may have ended it. */
static enum status check_in_shadow(struct store *s, const char *id, struct error *err)
{
    struct statement *stmt =
        store_prepare(s, err, "SELECT 1 FROM settings WHERE name = 'shadow' AND model = $1", "t", id);
    const enum status st = store_row(s, stmt, err);

    store_done(stmt);
    return st == ST_NOTFOUND ? error_set(err, ST_CONFLICT, "the model '%s' is no longer in the shadow", id)
                             : st;
}

/*   ret_active  it is the active one already */
static enum status check_model(struct store *s, const char *id, bool *ret_active, struct error *err)
{
    struct statement *stmt =
        store_prepare(s, err, "SELECT " ONE_IF(IS_ACTIVE) " FROM models WHERE id = $1", "t", id);
    enum status st = store_row(s, stmt, err);

    if (st == ST_OK)
        *ret_active = store_number(stmt, 0) != 0;
    store_done(stmt);
    return st == ST_NOTFOUND ? error_set(err, st, "there is no model '%s'", id) : st;
}

static enum status make_active(struct store *s, const char *id, struct error *err)
{
    enum status st = store_finish(
        s,
        store_prepare(
            s, err,
            "INSERT INTO settings(name, value)"
            " SELECT 'previous_model', value FROM settings WHERE name = 'active_model' AND value <> $1"
            " ON CONFLICT(name) DO UPDATE SET value = excluded.value",
            "t", id),
        err);

    return st == ST_OK
               ? store_finish(s,
                              store_prepare(s, err,
                                            "INSERT INTO settings(name, value) VALUES('active_model', $1)"
                                            " ON CONFLICT(name) DO UPDATE SET value = excluded.value",
                                            "t", id),
                              err)
               : st;
}

static enum status next_epoch(struct store *s, const char *id, const char *key, struct error *err)
{
    char now[CLOCK_TEXT_SIZE];

    s->woken = true;
    return store_finish(s,
                        store_prepare(s, err,
                                      "INSERT INTO epochs(epoch, model, at, idempotency_key)"
                                      " SELECT " LAST_EPOCH " + 1, $1, $2, $3",
                                      "ttt", id, clock_utc(now), key),
                        err);
}

/* The choice that was made with the key before.
 *   ret_epoch  stays 0 where there was no such choice */
static enum status look_for_key(struct store *s, const char *id, const char *key, int64_t *ret_epoch,
                                struct error *err)
{
    struct epoch before = { .number = 0 };
    const enum status st = key ? of_key(s, key, &before, err) : ST_NOTFOUND;

    if (st == ST_NOTFOUND)
        return ST_OK;
    if (st == ST_OK && strcmp(before.model, id) != 0)
        return error_set(err, ST_INVALID, "the Idempotency-Key was used before, to activate another model");
    if (st == ST_OK)
        *ret_epoch = before.number;
    return st;
}

/* One that is active already has its epoch, but for a key, which is to find one of its own.
 *   ret_epoch  0 before */
static enum status flip(struct store *s, const char *id, const struct activation *a, int64_t *ret_epoch,
                        struct error *err)
{
    enum job_state state;
    bool active = false, last;
    enum status st = a->by ? store_fence(s, a->by, &state, &last, err) : ST_OK;

    if (st == ST_OK)
        st = look_for_key(s, id, a->key, ret_epoch, err);
    if (st != ST_OK || *ret_epoch > 0)
        return st;
    st = check_model(s, id, &active, err);
    if (st == ST_OK &&
        !active) /* else it is what was to become of it: by another server, or by a COMMIT whose answer was lost */
        st = check_still(s, "active_model", a->active, "another model is active", err);
    if (st == ST_OK && !active && a->in_shadow)
        st = check_in_shadow(s, id, err);
    if (st == ST_OK)
        st = check_still(s, "previous_model", a->previous, "another model was made the active one meanwhile",
                         err);
    if (st == ST_OK)
        st = make_active(s, id, err);
    if (st == ST_OK && (!active || a->key))
        st = next_epoch(s, id, a->key, err);
    if (st == ST_OK && !active)
        st = store_note_activated(s, id, err);
    return st == ST_OK ? store_integer(s, "SELECT " LAST_EPOCH, ret_epoch, err) : st;
}

enum status store_activate(struct store *s, const char *id, const struct activation *a, int64_t *ret_epoch,
                           struct error *err)
{
    static const struct activation PLAIN = { NULL };
    int64_t epoch = 0;
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    st = store_end(s, flip(s, id, a ? a : &PLAIN, &epoch, err), err);
    if (st == ST_OK && ret_epoch)
        *ret_epoch = epoch;
    return st;
}

/* ---- reading ---- */

enum status store_active(struct store *s, char ret_id[ID_SIZE], struct error *err)
{
    return store_id(s, "SELECT value FROM settings WHERE name = 'active_model'", "", 0, ret_id, err);
}

enum status store_previous(struct store *s, char ret_id[ID_SIZE], struct error *err)
{
    return store_id(s, "SELECT value FROM settings WHERE name = 'previous_model'", "", 0, ret_id, err);
}
