/* jobs/store/sqlite_schema.c - what an SQLite file of the store consists of, change by change; see schema.h. */
#include "schema.h"

#include <stddef.h>

const char *const SQLITE_MIGRATIONS[] = {
    "CREATE TABLE jobs(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL,"
    "  state TEXT NOT NULL, created_at TEXT NOT NULL, started_at TEXT, finished_at TEXT,"
    "  config TEXT NOT NULL, record TEXT NOT NULL DEFAULT '{}',"
    "  idempotency_key TEXT UNIQUE, request_sha256 TEXT);"
    "CREATE INDEX jobs_by_state ON jobs(state, seq);"
    "CREATE TABLE models(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
    "  created_at TEXT NOT NULL, card TEXT NOT NULL);"
    "CREATE TABLE settings(name TEXT PRIMARY KEY, value TEXT NOT NULL);",
    /* every job's journal; of jobs from before, made from their records */
    ("CREATE TABLE events(job TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, seq INTEGER NOT NULL,"
     "  name TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY(job, seq)) WITHOUT ROWID;"
     "INSERT INTO events SELECT jobs.id, e.key + 1, 'epoch', e.value FROM jobs, json_each(record, "
     "'$.epochs') "
     "e;"
     "INSERT INTO events SELECT id, (SELECT count(*) FROM events WHERE job = jobs.id) + 1, 'state',"
     "  json_object('state', state, 'at', coalesce(finished_at, started_at, created_at)) FROM jobs;"),
    /* notices to be sent; no url: to the operator's own receiver */
    "CREATE TABLE notices(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, url TEXT,"
    "  body TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0, due INTEGER NOT NULL);",
    /* the columns of lists, so that a list need not read the records */
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
    /* the signature of a model: of the digest of its file, or of the foreign file that it was made of */
    "CREATE TABLE model_signatures(model TEXT PRIMARY KEY REFERENCES models(id) ON DELETE CASCADE,"
    "  sha256 TEXT NOT NULL, signature TEXT NOT NULL);",
    /* what the store itself asks of configurations and cards: the models that a job needs, the job that it repeats, whom to tell;
     * the job that made a model */
    ("CREATE TABLE job_links(job INTEGER PRIMARY KEY REFERENCES jobs(seq) ON DELETE CASCADE,"
     "  init TEXT, model TEXT, replay_of TEXT, webhook TEXT);"
     "INSERT INTO job_links SELECT seq, json_extract(config, '$.init'), json_extract(config, '$.model'),"
     "  json_extract(config, '$.replay_of'), json_extract(config, '$.webhook') FROM jobs"
     "  WHERE json_valid(config);"
     "ALTER TABLE models ADD COLUMN job TEXT; ALTER TABLE models ADD COLUMN imported INTEGER;"
     "UPDATE models SET job = json_extract(card, '$.job'), imported = json_extract(card, '$.imported')"
     "  WHERE json_valid(card);"
     "ALTER TABLE settings ADD COLUMN model TEXT;"
     "UPDATE settings SET model = json_extract(value, '$.model') WHERE name IN ('shadow', 'canary')"
     "  AND json_valid(value);"),
    /* which runner has which job: see leases.c */
    "CREATE TABLE leases(job INTEGER PRIMARY KEY REFERENCES jobs(seq) ON DELETE CASCADE,"
    "  token INTEGER NOT NULL, holder TEXT NOT NULL, until INTEGER NOT NULL);",
    /* files, where servers share the store: see files.c */
    ("CREATE TABLE job_files(job TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, name TEXT NOT NULL,"
     "  sha256 TEXT NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY(job, name));"
     "CREATE TABLE model_files(model TEXT PRIMARY KEY REFERENCES models(id) ON DELETE CASCADE,"
     "  bytes BLOB NOT NULL);"),
    /* requests to a running job: see asked.c */
    "ALTER TABLE leases ADD COLUMN asked TEXT;",
    /* since when which model answers, and which servers do: see epochs.c and replicas.c */
    ("CREATE TABLE epochs(epoch INTEGER PRIMARY KEY, model TEXT NOT NULL, at TEXT NOT NULL,"
     "  idempotency_key TEXT UNIQUE);"
     "INSERT INTO epochs(epoch, model, at) SELECT 1, value, '' FROM settings WHERE name = 'active_model';"
     "CREATE TABLE replicas(id TEXT PRIMARY KEY, host TEXT, address TEXT, build TEXT, begun_at TEXT NOT NULL,"
     "  until INTEGER NOT NULL, epoch INTEGER NOT NULL, fault TEXT);"),
    /* how often what servers share was changed: see generations.c */
    "CREATE TABLE generations(name TEXT PRIMARY KEY, number INTEGER NOT NULL);",
    /* which jobs each server can do: see leases.c */
    "ALTER TABLE replicas ADD COLUMN datasets TEXT; ALTER TABLE replicas ADD COLUMN fetches INTEGER;", NULL
};
