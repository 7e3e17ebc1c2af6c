/* jobs/store/store.c - the database that jobs and models are kept in, see cxrd/store.h: it is opened, checked, and
 * brought up to date.
 *
 * One connection behind a mutex: SQLite before 3.51.3 can corrupt a WAL that two connections reset, and nothing here
 * is in a hurry. A rollback journal with synchronous=EXTRA syncs the folder too when a transaction ends. */
#include "parts.h"

#include "cxrd/clock.h"

#include <stdlib.h>
#include <string.h>

/* Schema changes, in order; user_version counts those that a file has. Never edit one that was released: add. */
static const char *const MIGRATIONS[] = {
    "CREATE TABLE jobs(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL,"
    "  state TEXT NOT NULL, created_at TEXT NOT NULL, started_at TEXT, finished_at TEXT,"
    "  config TEXT NOT NULL, record TEXT NOT NULL DEFAULT '{}',"
    "  idempotency_key TEXT UNIQUE, request_sha256 TEXT);"
    "CREATE INDEX jobs_by_state ON jobs(state, seq);"
    "CREATE TABLE models(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
    "  created_at TEXT NOT NULL, card TEXT NOT NULL);"
    "CREATE TABLE settings(name TEXT PRIMARY KEY, value TEXT NOT NULL);",
    /* every job's journal; of jobs from before, what their records say */
    ("CREATE TABLE events(job TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, seq INTEGER NOT NULL,"
     "  name TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY(job, seq)) WITHOUT ROWID;"
     "INSERT INTO events SELECT jobs.id, e.key + 1, 'epoch', e.value FROM jobs, json_each(record, "
     "'$.epochs') "
     "e;"
     "INSERT INTO events SELECT id, (SELECT count(*) FROM events WHERE job = jobs.id) + 1, 'state',"
     "  json_object('state', state, 'at', coalesce(finished_at, started_at, created_at)) FROM jobs;"),
    /* what is to be told to others; no url: the operator's own receiver */
    "CREATE TABLE notices(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, url TEXT,"
    "  body TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0, due INTEGER NOT NULL);",
    /* what lists show of a record, so that they need not read it */
    ("CREATE TABLE summaries(job INTEGER PRIMARY KEY REFERENCES jobs(seq) ON DELETE CASCADE,"
     "  record TEXT NOT NULL);"
     "INSERT INTO summaries SELECT seq, json_remove(record, '$.config', '$.dataset', '$.calibration',"
     "  '$.evaluation', '$.environment', '$.epochs', '$.promotion', '$.weights_sha256', '$.replay',"
     "  '$.files') FROM jobs WHERE json_valid(record);"),
    /* in which order jobs ended for good, whatever the clock said */
    ("ALTER TABLE jobs ADD COLUMN ended INTEGER;"
     "UPDATE jobs SET ended = seq WHERE state IN ('succeeded', 'failed', 'cancelled');"
     "CREATE INDEX jobs_by_end ON jobs(ended);"),
    /* when a notice was put off: a clock that was set back shows */
    ("ALTER TABLE notices ADD COLUMN since INTEGER NOT NULL DEFAULT 0; UPDATE notices SET due = 0;"),
    /* when a job first began, however often it was resumed; of those from before, the latest that is known */
    ("ALTER TABLE jobs ADD COLUMN begun_at TEXT; UPDATE jobs SET begun_at = started_at;"),
    /* what people call them, which data set they are about, and how good the kept model was: in lists, which read none of the long
     * columns that these would stand behind in the row of a job */
    ("CREATE TABLE captions(job INTEGER PRIMARY KEY REFERENCES jobs(seq) ON DELETE CASCADE,"
     "  name TEXT, note TEXT, dataset TEXT);"
     "INSERT INTO captions(job, dataset) SELECT seq, iif(json_valid(config),"
     "  json_extract(config, iif(type = 'fetch', '$.name', '$.dataset')), NULL) FROM jobs;"
     "ALTER TABLE models ADD COLUMN name TEXT; ALTER TABLE models ADD COLUMN note TEXT;"
     "UPDATE summaries SET record = json_set(record, '$.macro_auroc',"
     "  (SELECT json_extract(jobs.record, '$.evaluation.test.macro_auroc') FROM jobs WHERE jobs.seq = "
     "summaries.job AND json_valid(jobs.record))) WHERE json_valid(record);"),
    /* the scores of answered predictions until their time is over, those that a model in the shadow gave the same pictures, and
     * what readers say of them; `patient` is a number that is equal for one patient's, and 0 where nothing is known */
    ("CREATE TABLE scored(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, model TEXT NOT "
     "NULL,"
     "  operating TEXT NOT NULL, at INTEGER NOT NULL, until INTEGER NOT NULL, patient INTEGER NOT NULL,"
     "  known INTEGER NOT NULL, positive INTEGER NOT NULL, scores BLOB NOT NULL);"
     "CREATE INDEX scored_by_until ON scored(until);"
     "CREATE TABLE scored_models(model TEXT PRIMARY KEY, labels TEXT NOT NULL) WITHOUT ROWID;"
     "CREATE TABLE shadow_scores(prediction INTEGER NOT NULL REFERENCES scored(seq) ON DELETE CASCADE,"
     "  model TEXT NOT NULL, known INTEGER NOT NULL, positive INTEGER NOT NULL, scores BLOB NOT NULL,"
     "  PRIMARY KEY(prediction, model)) WITHOUT ROWID;"
     "CREATE TABLE feedback(prediction INTEGER NOT NULL REFERENCES scored(seq) ON DELETE CASCADE,"
     "  reader TEXT NOT NULL, finding TEXT NOT NULL, says INTEGER NOT NULL, at INTEGER NOT NULL,"
     "  PRIMARY KEY(prediction, reader, finding)) WITHOUT ROWID;"),
    /* patients who are to be left out of jobs, as codes */
    "CREATE TABLE forgotten(seq INTEGER PRIMARY KEY AUTOINCREMENT, dataset TEXT NOT NULL, code TEXT NOT NULL,"
    "  at TEXT NOT NULL, UNIQUE(dataset, code));",
    /* thresholds that an operator has set */
    "ALTER TABLE models ADD COLUMN own_thresholds TEXT;",
    /* profiles of sites, and which of each model is active */
    ("CREATE TABLE profiles(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
     "  model TEXT NOT NULL REFERENCES models(id) ON DELETE CASCADE, created_at TEXT NOT NULL, name TEXT,"
     "  document TEXT NOT NULL, signature TEXT);"
     "CREATE INDEX profiles_by_model ON profiles(model, seq);"
     "CREATE TABLE profile_choices(model TEXT PRIMARY KEY REFERENCES models(id) ON DELETE CASCADE,"
     "  active TEXT REFERENCES profiles(id) ON DELETE SET NULL,"
     "  previous TEXT REFERENCES profiles(id) ON DELETE SET NULL);"),
    /* who stands for a model: the digest that was signed, of its file or of the foreign one that it was made of */
    "CREATE TABLE model_signatures(model TEXT PRIMARY KEY REFERENCES models(id) ON DELETE CASCADE,"
    "  sha256 TEXT NOT NULL, signature TEXT NOT NULL);",
};
enum { N_MIGRATIONS = sizeof MIGRATIONS / sizeof MIGRATIONS[0] };

static enum status integrity_check(struct store *s, struct error *err)
{
    sqlite3_stmt *stmt = store_prepare(s, err, "PRAGMA integrity_check(1)", "");
    enum status st = store_row(s, stmt, err);
    const char *said = st == ST_OK ? store_column(stmt, 0) : NULL;

    if (st == ST_OK && !said)
        st = store_broken(s, err, "state of its own");
    else if (st == ST_OK && strcmp(said, "ok") != 0)
        st = error_set(err, ST_IO, "the job database is damaged: %.160s", said);
    sqlite3_finalize(stmt);
    return st;
}

static enum status migrate(struct store *s, struct error *err)
{
    int64_t version = 0;
    enum status st = store_integer(s, "PRAGMA user_version", &version, err);

    if (st == ST_OK && version > N_MIGRATIONS)
        st = error_set(err, ST_UNSUPPORTED, "the job database was written by a newer version of cxrd");
    for (; st == ST_OK && version < N_MIGRATIONS; version++) {
        char bump[48];

        st = store_begin(s, err);
        if (st != ST_OK)
            break;
        snprintf(bump, sizeof bump, "PRAGMA user_version = %d", (int)version + 1);
        st = store_run(s, MIGRATIONS[version], err);
        if (st == ST_OK)
            st = store_run(s, bump, err);
        st = store_end(s, st, err);
    }
    return st;
}

/* Jobs that a server that died left running. */
static enum status interrupt_running(struct store *s, struct error *err)
{
    char now[CLOCK_TEXT_SIZE];
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    clock_utc(now);
    st = store_finish(
        s,
        store_prepare(s, err,
                      "INSERT INTO events SELECT id, (SELECT ifnull(max(seq), 0) + 1 FROM events WHERE job = "
                      "jobs.id), 'state',"
                      " json_object('state', 'interrupted', 'at', ?) FROM jobs WHERE state = 'running'",
                      "t", now),
        err);
    if (st == ST_OK)
        st = store_finish(
            s,
            store_prepare(s, err,
                          "UPDATE jobs SET state = 'interrupted', finished_at = ? WHERE state = 'running'",
                          "t", now),
            err);
    if (st == ST_OK)
        st = store_note_ended(s, "state = 'interrupted' AND finished_at = ?", now, true, err);
    return store_end(s, st, err);
}

enum status store_open(const char *path, struct store **ret_store, struct error *err)
{
    struct store *s = calloc(1, sizeof *s);
    enum status st = ST_OK;

    if (!s)
        return error_nomem(err);
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->calling, NULL);
    if (sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK)
        st = store_fail(s, err, "be opened");
    if (st == ST_OK)
        st = store_run(s,
                       "PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA; PRAGMA foreign_keys = ON;"
                       "PRAGMA trusted_schema = OFF; PRAGMA busy_timeout = 5000;",
                       err);
    if (st == ST_OK)
        st = integrity_check(s, err);
    if (st == ST_OK)
        st = migrate(s, err);
    if (st == ST_OK)
        st = interrupt_running(s, err);
    if (st != ST_OK) {
        store_close(s);
        return st;
    }
    *ret_store = s;
    return ST_OK;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    sqlite3_close(s->db);
    pthread_mutex_destroy(&s->calling);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
