/* jobs/store/postgresql_schema.c - what the store consists of in a PostgreSQL database, change by change; see schema.h. */
#include "schema.h"

#include <stddef.h>

#define SEQ "seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"

const char *const POSTGRESQL_MIGRATIONS[] = {
    /* as SQLITE_MIGRATIONS leaves it after its fourteenth */
    ("CREATE TABLE jobs(" SEQ ", id TEXT NOT NULL UNIQUE, type TEXT NOT NULL, state TEXT NOT NULL,"
     "  created_at TEXT NOT NULL, started_at TEXT, finished_at TEXT, config TEXT NOT NULL,"
     "  record TEXT NOT NULL DEFAULT '{}', idempotency_key TEXT UNIQUE, request_sha256 TEXT, ended BIGINT,"
     "  begun_at TEXT);"
     "CREATE INDEX jobs_by_state ON jobs(state, seq);"
     "CREATE INDEX jobs_by_end ON jobs(ended);"
     "CREATE TABLE models(" SEQ ", id TEXT NOT NULL UNIQUE, created_at TEXT NOT NULL, card TEXT NOT NULL,"
     "  name TEXT, note TEXT, own_thresholds TEXT, job TEXT, imported BIGINT);"
     "CREATE TABLE settings(name TEXT PRIMARY KEY, value TEXT NOT NULL, model TEXT);"
     "CREATE TABLE events(job TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, seq BIGINT NOT NULL,"
     "  name TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY(job, seq));"
     "CREATE TABLE notices(" SEQ ", id TEXT NOT NULL UNIQUE, url TEXT, body TEXT NOT NULL,"
     "  tries BIGINT NOT NULL DEFAULT 0, due BIGINT NOT NULL, since BIGINT NOT NULL DEFAULT 0);"
     "CREATE TABLE summaries(job BIGINT PRIMARY KEY REFERENCES jobs(seq) ON DELETE CASCADE,"
     "  record TEXT NOT NULL);"
     "CREATE TABLE captions(job BIGINT PRIMARY KEY REFERENCES jobs(seq) ON DELETE CASCADE,"
     "  name TEXT, note TEXT, dataset TEXT);"
     "CREATE TABLE job_links(job BIGINT PRIMARY KEY REFERENCES jobs(seq) ON DELETE CASCADE,"
     "  init TEXT, model TEXT, replay_of TEXT, webhook TEXT);"
     "CREATE TABLE scored(" SEQ ", id TEXT NOT NULL UNIQUE, model TEXT NOT NULL, operating TEXT NOT NULL,"
     "  at BIGINT NOT NULL, until BIGINT NOT NULL, patient BIGINT NOT NULL, known BIGINT NOT NULL,"
     "  positive BIGINT NOT NULL, scores BYTEA NOT NULL);"
     "CREATE INDEX scored_by_until ON scored(until);"
     "CREATE TABLE scored_models(model TEXT PRIMARY KEY, labels TEXT NOT NULL);"
     "CREATE TABLE shadow_scores(prediction BIGINT NOT NULL REFERENCES scored(seq) ON DELETE CASCADE,"
     "  model TEXT NOT NULL, known BIGINT NOT NULL, positive BIGINT NOT NULL, scores BYTEA NOT NULL,"
     "  PRIMARY KEY(prediction, model));"
     "CREATE TABLE feedback(prediction BIGINT NOT NULL REFERENCES scored(seq) ON DELETE CASCADE,"
     "  reader TEXT NOT NULL, finding TEXT NOT NULL, says BIGINT NOT NULL, at BIGINT NOT NULL,"
     "  PRIMARY KEY(prediction, reader, finding));"
     "CREATE TABLE forgotten(" SEQ ", dataset TEXT NOT NULL, code TEXT NOT NULL, at TEXT NOT NULL,"
     "  UNIQUE(dataset, code));"
     "CREATE TABLE profiles(" SEQ ", id TEXT NOT NULL UNIQUE,"
     "  model TEXT NOT NULL REFERENCES models(id) ON DELETE CASCADE, created_at TEXT NOT NULL, name TEXT,"
     "  document TEXT NOT NULL, signature TEXT);"
     "CREATE INDEX profiles_by_model ON profiles(model, seq);"
     "CREATE TABLE profile_choices(model TEXT PRIMARY KEY REFERENCES models(id) ON DELETE CASCADE,"
     "  active TEXT REFERENCES profiles(id) ON DELETE SET NULL,"
     "  previous TEXT REFERENCES profiles(id) ON DELETE SET NULL);"
     "CREATE TABLE model_signatures(model TEXT PRIMARY KEY REFERENCES models(id) ON DELETE CASCADE,"
     "  sha256 TEXT NOT NULL, signature TEXT NOT NULL);"),
    ("CREATE TABLE leases(job BIGINT PRIMARY KEY REFERENCES jobs(seq) ON DELETE CASCADE,"
     "  token BIGINT NOT NULL, holder TEXT NOT NULL, until BIGINT NOT NULL);"),
    ("CREATE TABLE job_files(job TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, name TEXT NOT NULL,"
     "  sha256 TEXT NOT NULL, bytes BYTEA NOT NULL, PRIMARY KEY(job, name));"
     "CREATE TABLE model_files(model TEXT PRIMARY KEY REFERENCES models(id) ON DELETE CASCADE,"
     "  bytes BYTEA NOT NULL);"
     /* numbers without a pattern do not compress */
     "ALTER TABLE job_files ALTER COLUMN bytes SET STORAGE EXTERNAL;"
     "ALTER TABLE model_files ALTER COLUMN bytes SET STORAGE EXTERNAL;"),
    /* requests to a running job: see asked.c */
    "ALTER TABLE leases ADD COLUMN asked TEXT;",
    ("CREATE TABLE epochs(epoch BIGINT PRIMARY KEY, model TEXT NOT NULL, at TEXT NOT NULL,"
     "  idempotency_key TEXT UNIQUE);"
     "INSERT INTO epochs(epoch, model, at) SELECT 1, value, '' FROM settings WHERE name = 'active_model';"
     "CREATE TABLE replicas(id TEXT PRIMARY KEY, host TEXT, address TEXT, build TEXT, begun_at TEXT NOT NULL,"
     "  until BIGINT NOT NULL, epoch BIGINT NOT NULL, fault TEXT);"),
    /* how often what servers share was changed: see generations.c */
    "CREATE TABLE generations(name TEXT PRIMARY KEY, number BIGINT NOT NULL);",
    /* which jobs each server can do: see leases.c */
    "ALTER TABLE replicas ADD COLUMN datasets TEXT; ALTER TABLE replicas ADD COLUMN fetches BIGINT;", NULL
};
