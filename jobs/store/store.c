/* jobs/store/store.c - the database that jobs and models are kept in, see cxrd/store.h: it is opened, and brought up to date. */
#include "parts.h"

#include "cxrd/clock.h"

#include <stdlib.h>
#include <string.h>

enum status store_version(struct store *s, int64_t *ret, int64_t *ret_newest, struct error *err)
{
    const struct engine *engine = s->db->engine;
    enum status st = engine->version_make ? store_run(s, engine->version_make, err) : ST_OK;

    *ret = *ret_newest = 0;
    while (engine->migrations[*ret_newest])
        ++*ret_newest;
    if (st == ST_OK)
        st = store_integer(s, engine->version_ask, ret, err);
    if (st == ST_OK && *ret > *ret_newest)
        st = error_set(err, ST_UNSUPPORTED, "the job database was written by a newer version of cxrd");
    return st;
}

static enum status version_write(struct store *s, int64_t version, struct error *err)
{
    char sql[100];

    snprintf(sql, sizeof sql, s->db->engine->version_set, (long long)version);
    return store_run(s, sql, err);
}

enum status store_change_by_one(struct store *s, bool *ret_done, struct error *err)
{
    int64_t version, newest;
    enum status st = store_version(s, &version, &newest, err);

    *ret_done = version >= newest;
    if (st == ST_OK && version < newest) {
        st = store_run(s, s->db->engine->migrations[version], err);
        if (st == ST_OK)
            st = version_write(s, version + 1, err);
    }
    return st;
}

/* Each change in a transaction, in which it is looked for, as another process may be at the same. */
static enum status migrate(struct store *s, struct error *err)
{
    bool done = false;
    enum status st = ST_OK;

    while (st == ST_OK && !done) {
        st = store_begin(s, err);
        if (st == ST_OK)
            st = store_end(s, store_change_by_one(s, &done, err), err);
    }
    return st;
}

/* Jobs that a server that died left running, where there is one server at a time. */
static enum status interrupt_running(struct store *s, struct error *err)
{
    char now[CLOCK_TEXT_SIZE], data[STATE_EVENT_SIZE];
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    state_event_data(JOB_INTERRUPTED, clock_utc(now), data);
    st = store_finish(
        s,
        store_prepare(s, err,
                      "INSERT INTO events SELECT id, (SELECT coalesce(max(seq), 0) + 1 FROM"
                      " events WHERE job = jobs.id), 'state', $1 FROM jobs WHERE state = 'running'",
                      "t", data),
        err);
    if (st == ST_OK)
        st = store_finish(
            s,
            store_prepare(s, err,
                          "UPDATE jobs SET state = 'interrupted', finished_at = $1 WHERE state = 'running'",
                          "t", now),
            err);
    if (st == ST_OK)
        st = store_note_ended(s, "state = 'interrupted' AND finished_at = $1", now, true, err);
    return store_end(s, st, err);
}

bool store_place_is_shared(const char *place)
{
    return strncmp(place, "postgresql://", 13) == 0 || strncmp(place, "postgres://", 11) == 0;
}

/* By its address, which a path never looks like. */
static enum status open_database(const char *place, struct database **ret, struct error *err)
{
    if (!store_place_is_shared(place))
        return SQLITE.open(place, ret, err);
#ifdef CXRD_POSTGRESQL
    return POSTGRESQL.open(place, ret, err);
#else
    return error_set(err, ST_UNSUPPORTED, "this build of cxrd has no PostgreSQL");
#endif
}

enum status store_open_as_is(const char *place, struct store **ret_store, struct error *err)
{
    struct store *s = calloc(1, sizeof *s);
    enum status st;

    if (!s)
        return error_nomem(err);
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->calling, NULL);
    id_new(s->holder);
    atomic_init(&s->leads, true); /* until it is one of several */
    s->place = strdup(place);
    st = s->place ? open_database(place, &s->db, err) : error_nomem(err);
    if (st != ST_OK) {
        store_close(s);
        return st;
    }
    *ret_store = s;
    return ST_OK;
}

enum status store_open(const char *place, struct store **ret_store, struct error *err)
{
    struct store *s;
    enum status st = store_open_as_is(place, &s, err);

    if (st != ST_OK)
        return st;
    st = migrate(s, err);
    if (st == ST_OK && !s->db->engine->shared)
        st = interrupt_running(s, err);
    if (st != ST_OK) {
        store_close(s);
        return st;
    }
    *ret_store = s;
    return ST_OK;
}

bool store_is_shared(const struct store *s) { return s->db->engine->shared; }

void store_close(struct store *s)
{
    if (!s)
        return;
    if (s->db)
        s->db->engine->close(s->db);
    pthread_mutex_destroy(&s->calling);
    pthread_mutex_destroy(&s->lock);
    if (s->place)
        explicit_bzero(s->place, strlen(s->place)); /* it may hold a password */
    free(s->place);
    free(s);
}
