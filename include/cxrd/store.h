/* include/cxrd/store.h - what must survive: jobs, models and which model is active, in one SQLite file or a PostgreSQL database.
 *
 * Every change is one transaction that is on disk when the call returns. One connection
 * behind one mutex: any thread may call. Records and cards are JSON in the contract's shape; the columns beside them
 * (state, times) are authoritative and are merged in when a record is read. How it is built: docs/internals/store.md. */
#ifndef CXRD_STORE_H
#define CXRD_STORE_H

#include "cxrd/caption.h"
#include "cxrd/clock.h"
#include "cxrd/id.h"
#include "cxrd/job.h"
#include "cxrd/status.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

struct store;

/* Open or make the database. Checks its integrity and brings an older schema up to date. A file is one server's at a time, so jobs
 * that are running in it were left so by a dead one, and become interrupted.
 *   place  a path, or postgresql://… as libpq reads it
 * Errors: ST_IO (cannot be opened or is damaged), ST_UNSUPPORTED (written by a newer version). */
MUST_USE enum status store_open(const char *place, struct store **ret_store, struct error *err);
void store_close(struct store *s); /* NULL is fine */

/* Whether that place is a database which other processes may open too; a path is not. */
bool store_place_is_shared(const char *place);

/* ---- jobs ---- */

struct new_job {
    const char *type;            /* JOB_TRAIN … */
    const json_t *config;        /* every field, resolved */
    const char *idempotency_key; /* NULL: none */
    const char *request_sha256;  /* of the request's body, to tell a repetition from another request */
    size_t max_queued;
    const struct caption *caption; /* NULL: none */
    const char *dataset;           /* which one it trains on, fetches or scores, for lists */
    const json_t *record; /* the other fields of the contract, before there is anything to say; NULL: none */
};

#define JOB_TRAIN    "train"
#define JOB_FETCH    "fetch"
#define JOB_PREDICT  "predict"
#define JOB_VALIDATE "validate"
enum { JOB_TYPE_SIZE = 16 };

/* ---- claims: the runner of a job, and its right to write to it ----
 *
 * A claim holds a job for LEASE_S seconds by the database's clock, and for as many again each time that it is renewed before they are
 * over. Its token is greater than that of the job's claim before. Each change of a job that runs carries the token; where the claim is
 * over, since another has the job or it has ended, the change is refused with ST_CONFLICT. */

/* A wish of others of a job that runs: that it ends, or that it ends and the best epoch so far is kept. */
enum asked { ASKED_NOTHING, ASKED_CANCEL, ASKED_KEEP_BEST };

struct claim {
    char job[ID_SIZE];
    int64_t token;    /* 0: of a caller that does not run the job; it may write while nobody runs it */
    enum asked asked; /* before it was claimed */
};
enum { LEASE_S = 15, LEASE_RENEW_S = 4 };
struct claim unclaimed(const char *job);

/* Whether other processes may have the same store open, and claim jobs of it. */
bool store_is_shared(const struct store *s);

/* Queue a job; the record is durable when this returns ST_OK.
 *   ret_id  the new job's id, or that of the job which the same idempotency key and body made before
 * Errors: ST_CONFLICT (the key was used with another body), ST_BUSY (max_queued are waiting), ST_IO. */
MUST_USE enum status store_job_add(struct store *s, const struct new_job *job, char ret_id[ID_SIZE],
                                   struct error *err);

/* Only look for the job which that key and body made before.
 * Errors: ST_NOTFOUND (none, or no key), ST_CONFLICT (the key was used with another body), ST_IO. */
MUST_USE enum status store_job_repeated(struct store *s, const struct new_job *job, char ret_id[ID_SIZE],
                                        struct error *err);

/* The jobs that a server can do.
 *   datasets  the names of data sets that it has, each with a "/" before and behind it: "/a/b/"; "": none
 *   fetches   it gets data sets from elsewhere, so a job that does need not be on one of them */
struct able {
    const char *datasets;
    bool fetches;
};

/* Tell the other servers which data sets this one has; again whenever they change. Errors: ST_NOTFOUND (this server is not
 * among the replicas), ST_IO. */
MUST_USE enum status store_able_tell(struct store *s, const struct able *able, struct error *err);

/* A job that waits, and that no server with a lease can do: the oldest, or with `id` that one. Errors: ST_NOTFOUND, ST_IO.
 *   ret_why  one sentence */
enum { WAITS_FOR_SIZE = 400 };
MUST_USE enum status store_job_left(struct store *s, const char *id, char ret_id[ID_SIZE],
                                    char ret_why[WAITS_FOR_SIZE], struct error *err);

/* The oldest job that is queued, or that runs with a lease which has run out, becomes the caller's, and running. One whose
 * configuration cannot be read any more fails with a reason, and the next is taken. Errors: ST_NOTFOUND (no job waits), ST_IO.
 *   able        others wait; NULL: all can be done
 *   ret_config  a new reference */
MUST_USE enum status store_job_begin(struct store *s, const struct able *able, struct claim *ret,
                                     char ret_type[JOB_TYPE_SIZE], json_t **ret_config, struct error *err);

/* Milliseconds until the first lease of a job that this server can do ends; 0: it has ended; -1: there is no lease. Errors: ST_IO. */
MUST_USE enum status store_job_due(struct store *s, const struct able *able, int64_t *ret_ms,
                                   struct error *err);

/* The job goes on: it is the claim's for another LEASE_S seconds. Errors: ST_CONFLICT (it no longer is), ST_IO. */
MUST_USE enum status store_job_renew(struct store *s, const struct claim *c, enum asked *ret_asked,
                                     struct error *err);

/* Ask that a job ends which another process runs: that one hears of it when it renews its lease, every LEASE_RENEW_S seconds. Where the
 * lease has run out and nothing is to be kept, the job is cancelled at once.
 *   asked  ASKED_CANCEL, or ASKED_KEEP_BEST, which does not undo the former
 * Errors: ST_NOTFOUND, ST_CONFLICT (it does not run, or is keeping its results), ST_IO. */
MUST_USE enum status store_job_ask(struct store *s, const char *id, enum asked asked, struct error *err);

/* The job begins to keep its results, unless something was asked of it: from then on it is too late to ask.
 * Errors: ST_NOTFOUND, ST_CONFLICT (the claim is over), ST_IO. */
MUST_USE enum status store_job_keeping(struct store *s, const struct claim *c, enum asked *ret_asked,
                                       struct error *err);

/* Change a job's state; `record`, unless NULL, replaces what is kept beside the columns. A change that the same claim has made
 * already, though its answer was lost, is done. A job begins to run in store_job_begin() alone.
 * Errors: ST_NOTFOUND, ST_CONFLICT (the claim is over, or the change is not legal; the sentence names the state), ST_IO. */
MUST_USE enum status store_job_move(struct store *s, const struct claim *c, enum job_state to,
                                    const json_t *record, struct error *err);

/* An interrupted job waits again, to go on where it was.
 * Errors: ST_NOTFOUND, ST_CONFLICT (it is not interrupted), ST_BUSY (max_queued are waiting), ST_IO. */
MUST_USE enum status store_job_resume(struct store *s, const char *id, size_t max_queued, struct error *err);

/* Forget a job that has ended. Errors: ST_NOTFOUND, ST_CONFLICT (it has not), ST_IO. */
MUST_USE enum status store_job_delete(struct store *s, const char *id, struct error *err);

/* Of the jobs that ended for good, all but the newest `keep`: the one that ended first, "" when there is none. One whose
 * model is there, whose record tells what that is worth, is passed over, and so is one that a job to run is to repeat.
 * Errors: ST_IO. */
MUST_USE enum status store_job_surplus(struct store *s, size_t keep, char ret_id[ID_SIZE], struct error *err);

/* A job's state, and a new reference to what is kept beside the columns. Errors: ST_NOTFOUND, ST_IO. */
MUST_USE enum status store_job_look(struct store *s, const char *id, enum job_state *ret_state,
                                    json_t **ret_record, struct error *err);

/* Replace the record of a job. Errors: ST_NOTFOUND, ST_CONFLICT, ST_IO. */
MUST_USE enum status store_job_record(struct store *s, const struct claim *c, const json_t *record,
                                      struct error *err);

/* A job in the contract's shape, a new reference. Where a cell cannot be read any more its `error` says so, here and,
 * of the cells that those show, in lists: its `config` is null then, its state "failed". Errors: ST_NOTFOUND, ST_IO. */
MUST_USE enum status store_job_get(struct store *s, const char *id, json_t **ret_job, struct error *err);

/* ---- a job's journal: its events, numbered 1, 2, 3 … ----
 *
 * Every change of state is in it by itself, in the transaction that makes it. So a number once given stands for the
 * same event for ever, whatever happens to the server. */

/* Add an event to it and, unless `record` is NULL, replace the job's record: both or neither. Errors: ST_NOTFOUND,
 * ST_CONFLICT, ST_IO. */
MUST_USE enum status store_job_tell(struct store *s, const struct claim *c, const char *name,
                                    const json_t *data, const json_t *record, struct error *err);

/* The events after number `after`, at most `limit`: an array of {"seq","event","data"}, a new reference.
 * Errors: ST_NOTFOUND, ST_IO. */
MUST_USE enum status store_job_events(struct store *s, const char *id, int64_t after, size_t limit,
                                      json_t **ret_events, struct error *err);

/* A number that grows whenever a journal does, or in a shared store may have, for those who look often. Never waits. */
uint64_t store_journal_changes(struct store *s);

/* ---- notices: what is to be told to others, see notices.h ----
 *
 * The end of a job and the activation of a model write them, in the same transaction: one for the address that the job
 * names as its webhook, and one for the operator's own receiver where there is one. */

struct notice {
    int64_t seq;
    char id[ID_SIZE + 4];
    char *url;          /* owned; NULL: the operator's own receiver */
    char *body;         /* owned; JSON */
    int64_t tries, due; /* how often it was tried; when it is to be tried next, seconds since 1970 */
};
void notice_release(struct notice *n); /* safe on zeroes */

/* From now on `added` is called, in whichever thread and without a lock held, when there are new ones.
 *   all  there is a receiver of the operator's; without one, what was meant for it is forgotten
 * Errors: ST_IO. */
MUST_USE enum status store_notices_begin(struct store *s, bool all, void (*added)(void *arg), void *arg,
                                         struct error *err);
void store_notices_end(struct store *s); /* no call of `added` is under way when it returns */

/* Scores have drifted: one for the operator's receiver, where there is one. `data` is its. Errors: ST_IO, ST_NOMEM. */
MUST_USE enum status store_note_drift(struct store *s, const json_t *data, struct error *err);

/* The one that is due first, due or not. One that was put off at a time that is still to come, since the clock was set back,
 * is due at once.
 *   now  seconds since 1970
 * Errors: ST_NOTFOUND (no notice waits), ST_IO, ST_NOMEM. */
MUST_USE enum status store_notice_first(struct store *s, int64_t now, struct notice *ret, struct error *err);
MUST_USE enum status store_notice_done(struct store *s, int64_t seq, struct error *err);
MUST_USE enum status store_notice_again(struct store *s, int64_t seq, int64_t now, int64_t pause,
                                        struct error *err);

/* ---- patients who are to be left out of jobs, as codes: see patients.h ---- */

/* Which key the codes are made with. Errors: ST_CONFLICT (there are codes of another), ST_IO. */
MUST_USE enum status store_patients_key(struct store *s, const char *check, struct error *err);

/* One of a data set's, once and for all.
 *   check  as of store_patients_key(), which this does too, in one transaction
 *   ret_at  when it was first said
 *   ret_new  it was now
 * Errors: ST_CONFLICT (there are codes of another key), ST_IO. */
MUST_USE enum status store_forget(struct store *s, const char *check, const char *dataset, const char *code,
                                  char ret_at[CLOCK_TEXT_SIZE], bool *ret_new, struct error *err);

/* All codes of a data set, an array, a new reference. Errors: ST_IO, ST_NOMEM. */
MUST_USE enum status store_forgotten(struct store *s, const char *dataset, json_t **ret_codes,
                                     struct error *err);

/* How many each data set has: [{"dataset","patients","latest_at"}], a new reference. Errors: ST_IO, ST_NOMEM. */
MUST_USE enum status store_forgotten_counts(struct store *s, json_t **ret_list, struct error *err);

/* All jobs that read a table, the oldest first, as far as it matters here: [{"id","state","dataset","init","model"}], a new reference;
 * the last three may be null. Errors: ST_IO, ST_NOMEM. */
MUST_USE enum status store_table_jobs(struct store *s, json_t **ret_jobs, struct error *err);

/* Models of jobs that are gone, whose rows nobody knows any more: an array of ids, a new reference. Errors: ST_IO, ST_NOMEM. */
MUST_USE enum status store_orphans(struct store *s, json_t **ret_models, struct error *err);

/* ---- lists ---- */

/* A page of a list, newest first. */
struct page {
    size_t limit;      /* at most so many */
    int64_t before;    /* the cursor of the page before; 0: from the newest */
    const char *state; /* jobs only: of this state; NULL: any */
    const char *type;  /* likewise */
    const char *text;  /* in whose name or data set this is, or whose id begins so; NULL: any */
};

/* Give a job a name, a note, or both. Errors: ST_NOTFOUND, ST_IO. */
MUST_USE enum status store_job_caption(struct store *s, const char *id, const struct caption *c,
                                       struct error *err);

/* An array of jobs without their long parts, a new reference, and the cursor of the next page, 0 at the end. */
MUST_USE enum status store_jobs(struct store *s, const struct page *page, json_t **ret_jobs,
                                int64_t *ret_next, struct error *err);

/* How many jobs are in each state. Errors: ST_IO. */
MUST_USE enum status store_job_counts(struct store *s, size_t ret_counts[N_JOB_STATES], struct error *err);

/* ---- models ---- */

/* The same of a model; one that a job makes begins with the job's name.
 *   own_thresholds  as own_thresholds_text() makes them; NULL: they stay what they are */
MUST_USE enum status store_model_change(struct store *s, const char *id, const struct caption *c,
                                        const char *own_thresholds, struct error *err);

/* The bytes of a model's file, borrowed. */
struct model_file {
    const void *bytes;
    size_t size;
};

/* Add a model; its file is in place already.
 *   by    the job that has made it; NULL: none has
 *   file  of a store that others share, which keeps it too: see store_files.h; NULL: it does not
 * Errors: ST_FORMAT (its card, as text, could not be read again), ST_CONFLICT (the claim is over), ST_IO. */
MUST_USE enum status store_model_add(struct store *s, const char *id, const json_t *card,
                                     const struct claim *by, const struct model_file *file,
                                     struct error *err);
MUST_USE enum status store_model_get(struct store *s, const char *id, json_t **ret_card, struct error *err);

/* A card that cannot be read any more is left out, and logged. */
MUST_USE enum status store_models(struct store *s, const struct page *page, json_t **ret_cards,
                                  int64_t *ret_next, struct error *err);

/* Since when a model answers: each change of the active model is an epoch, whose number is greater than that of any before. */
struct epoch {
    int64_t number; /* 0: none yet */
    char model[ID_SIZE];
};

/* Conditions of an activation; NULL: it has none of the kind. */
struct activation {
    const struct claim *by; /* the job that asks for it; else a person does */
    const char *active;     /* which model is still the active one, "" for none */
    const char *previous;   /* likewise, the one before it */
    bool in_shadow;         /* the model is still in the shadow */
    const char *key;        /* an activation with a key is done once, and has an epoch of its own */
};

/* Make a model the active one; the one before is remembered. One that is active already keeps its epoch.
 *   a          NULL: without conditions
 *   ret_epoch  NULL: nobody asks
 * Errors: ST_NOTFOUND, ST_CONFLICT (the claim is over, or a condition is not so), ST_IO. */
MUST_USE enum status store_activate(struct store *s, const char *id, const struct activation *a,
                                    int64_t *ret_epoch, struct error *err);

/* The newest epoch; with a key, the one that was made with it. Errors: ST_NOTFOUND (none was made with the key), ST_IO. */
MUST_USE enum status store_epoch(struct store *s, const char *key, struct epoch *ret, struct error *err);

/* The active model's id, "" when there is none. Errors: ST_IO. */
MUST_USE enum status store_active(struct store *s, char ret_id[ID_SIZE], struct error *err);

/* The id of the model that was active before it, "" when there is none. Errors: ST_IO. */
MUST_USE enum status store_previous(struct store *s, char ret_id[ID_SIZE], struct error *err);

/* Forget a model, whose file goes after it.
 * Errors: ST_NOTFOUND, ST_CONFLICT (it is active, in a trial, or a job that is to run starts from it), ST_IO. */
MUST_USE enum status store_model_delete(struct store *s, const char *id, struct error *err);

/* ---- trials ----
 *
 * The models beside the active one, which a server has to know after a restart: "shadow" and "canary", objects whose `model`
 * cannot be deleted meanwhile. */

/*   ret  a new reference; NULL: there is none
 * Errors: ST_IO, ST_NOMEM. */
MUST_USE enum status store_setting_get(struct store *s, const char *name, json_t **ret, struct error *err);

/* Says how a setting becomes another. It is called in a transaction, so nobody changes it meanwhile on any server; it must not call
 * the store.
 *   now  NULL: the setting does not exist
 *   ret  a new reference; `now` itself: the setting stays; NULL: it is removed
 * Errors: its own, which end the change. */
typedef enum status setting_change(void *arg, json_t *now, json_t **ret, struct error *err);

/* On the disk when it returns.
 *   tell  other servers are to take it up (cxrd/store_replicas.h)
 * Errors: what `change` returns; ST_NOTFOUND (its `model` is not there, or no longer), ST_IO, ST_NOMEM. */
MUST_USE enum status store_setting_change(struct store *s, const char *name, bool tell,
                                          setting_change *change, void *arg, struct error *err);

/* The "shadow" of a model whose training asked for it (promote "after_shadow") is over. In one: it is no longer there, `promotion.shadow` of the
 * job's record has these members, and the job's journal an event "promotion" with them. A job that was deleted is told nothing.
 *   promoted  the model became the active one
 * Errors: ST_NOTFOUND (it is not that model's, or no longer), ST_BUSY (the job has not ended yet, or the model that is to be told "refused" is
 * active by now), ST_IO, ST_NOMEM. */
MUST_USE enum status store_shadow_end(struct store *s, const char *job, const char *model,
                                      const json_t *outcome, bool promoted, struct error *err);

/* The oldest of the models trained here that are more than `keep`, and neither active nor the one before nor needed by
 * a job that is to run; "" when there is none. Errors: ST_IO. */
MUST_USE enum status store_model_surplus(struct store *s, size_t keep, char ret_id[ID_SIZE],
                                         struct error *err);

/* The endorsement of a model: a signature of a digest, instead of the one before. Errors: ST_NOTFOUND (the model), ST_IO. */
MUST_USE enum status store_model_sign(struct store *s, const char *id, const char *sha256,
                                      const char *signature, struct error *err);

/* {"sha256","signature"}, a new reference. Errors: ST_NOTFOUND (not signed), ST_IO. */
MUST_USE enum status store_model_signature(struct store *s, const char *id, json_t **ret, struct error *err);

/* ---- profiles of sites (cxrd/site_profile.h) ----
 *
 * They go with their model. Of each model at most one is active, and the one before it is remembered. */

struct new_profile {
    const char *id, *model;
    const char *name;      /* what people call it; NULL: none */
    const char *document;  /* canonical */
    const char *signature; /* NULL: none */
};

/* Errors: ST_NOTFOUND (the model), ST_IO. */
MUST_USE enum status store_profile_add(struct store *s, const struct new_profile *p, struct error *err);

/* {"id","model","created_at","name","active","profile","signature"}, a new reference; "created_at" is when it came to this
 * store. Errors: ST_NOTFOUND, ST_IO. */
MUST_USE enum status store_profile_get(struct store *s, const char *id, json_t **ret, struct error *err);

/* A page of those of a model, whose id is the page's text. */
MUST_USE enum status store_profiles(struct store *s, const struct page *page, json_t **ret, int64_t *ret_next,
                                    struct error *err);

/* Make it the active one of its model. Errors: ST_NOTFOUND, ST_IO. */
MUST_USE enum status store_profile_activate(struct store *s, const char *id, struct error *err);

/* From now on its model has none. Errors: ST_NOTFOUND, ST_CONFLICT (it is not active), ST_IO. */
MUST_USE enum status store_profile_deactivate(struct store *s, const char *id, struct error *err);

/* Return to what was before the latest change, which may be no profile; called again, to what was left.
 *   ret_id  what is active then, "" none
 * Errors: ST_CONFLICT (nothing was ever active), ST_IO. */
MUST_USE enum status store_profile_rollback(struct store *s, const char *model, char ret_id[ID_SIZE],
                                            struct error *err);

/* The profile that a rollback would return to, as {"profile": its id, or null for none}; null where nothing was ever active. A new reference. */
MUST_USE enum status store_profile_previous(struct store *s, const char *model, json_t **ret,
                                            struct error *err);

/* Errors: ST_NOTFOUND, ST_CONFLICT (it is active), ST_IO. */
MUST_USE enum status store_profile_delete(struct store *s, const char *id, struct error *err);

/* The active ones of all models: [{"model","profile"}], a new reference. */
MUST_USE enum status store_profile_choices(struct store *s, json_t **ret, struct error *err);

#endif
