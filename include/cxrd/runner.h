/* include/cxrd/runner.h - the thread that does jobs, one at a time, in the order they came.
 *
 * A job is in the store before it is acknowledged. Any thread may call; readers of a running job's progress never wait for
 * it: the runner publishes its numbers after every step and never takes a reader's lock. */
#ifndef CXRD_RUNNER_H
#define CXRD_RUNNER_H

#include "cxrd/clock.h"
#include "cxrd/fetch.h"
#include "cxrd/outgoing.h"
#include "cxrd/registry.h"
#include "cxrd/report.h"
#include "cxrd/store.h"
#include "cxrd/trainer.h"

#include <limits.h>

struct runner;

#define CHECKPOINT_NAME "checkpoint.safetensors" /* in "<state>/jobs/<id>/" */

/* The i-th of the files of a job that go wherever it goes, whether it has that file or not; false: there are no more. */
enum { JOB_FILE_SIZE = 64 };
bool job_kept_file(size_t i, char ret_name[JOB_FILE_SIZE]);

/* A job's wish that its model be tried in the shadow of the active one. */
struct shadow_promotion {
    char job[ID_SIZE], model[ID_SIZE];
    char active[ID_SIZE];        /* with which it was compared, and whose place it may take */
    uint64_t pictures;           /* that are looked at before it is decided, */
    char until[CLOCK_TEXT_SIZE]; /* or nothing comes of it */
    double discordance;          /* that is allowed: see shadow_decision.h */
};

struct runner_options {
    const char *
        state; /* folder; scores, report and checkpoint go to "<state>/jobs/<id>/", the picture cache to "<state>/cache" */
    const char *datasets; /* folder that holds data sets; NULL: none, every job is refused */
    uint64_t cache_bytes;
    size_t job_queue;                        /* jobs that may wait */
    size_t threads;                          /* of a training */
    size_t keep_models;                      /* trained here; 0: all, see registry_retain() */
    const struct patients_key *patients_key; /* see patients.h; NULL: nobody is ever left out */
    size_t keep_jobs; /* that ended for good, but for those whose model is there; 0: all */
    const struct outgoing
        *outgoing;              /* whom a job may have told, and whom it may ask for data; NULL: nobody */
    const char *s3_credentials; /* "ID:SECRET"; NULL: none */
    uint64_t data_bytes;        /* of a data set that is fetched, packed, and again unpacked; see fetch.h */
    size_t data_files, data_tries;

    /* Called in the runner's thread when a job has made its model the active one; may be NULL. */
    void (*activated)(void *arg, const char *job, const char *model);

    /* Called there for a job that asks for it: its model is to be looked at in the shadow of the active one, and may take its place after
     * that (promote "after_shadow"). NULL: nothing has a shadow here. Errors: ST_CONFLICT and others (it cannot be; the sentence says
     * why), ST_IO, ST_NOMEM. */
    enum status (*shadow)(void *arg, const struct shadow_promotion *promotion, struct error *err);
    void *arg;
};

/* Start the thread; queued jobs start by themselves.
 *   store, registry  borrowed; must outlive the runner; so must what `options` points to
 * Errors: ST_IO, ST_NOMEM. */
MUST_USE enum status runner_start(const struct runner_options *options, struct store *store,
                                  struct registry *registry, struct runner **ret_runner, struct error *err);

/* Ask the running job to end; it becomes interrupted, and no other begins. Queued jobs stay queued. NULL is fine. */
void runner_halt(struct runner *r);

/* The same; wait for the thread and let go of everything. NULL is fine.
 *   seconds  how long to wait for it, as nobody can make it come to an end on a machine that is busy with other things
 * False: it has not ended by then. Nothing was let go of, so call again or end the process, which is safe: as after a
 * crash, the next start finds the job interrupted and its checkpoint as the last epoch left it. */
MUST_USE bool runner_stop(struct runner *r, double seconds);

/* Queue a training.
 *   request          the job's JSON object, as it was sent
 *   idempotency_key  NULL: none
 *   request_sha256   of the body
 *   errors           an array of the caller's: gets {"field","detail"} for every wrong field
 * The same key and body again are the same job, even where it would be refused by now.
 * Errors: ST_INVALID (see errors), ST_CONFLICT (key used with another body), ST_BUSY (the queue is full; the sentence
 * names the running job), ST_IO, ST_NOMEM. */
MUST_USE enum status runner_submit(struct runner *r, const json_t *request, const char *idempotency_key,
                                   const char *request_sha256, char ret_id[ID_SIZE], json_t *errors,
                                   struct error *err);

/* Queue the fetching of a data set, see fetch.h. As runner_submit(). There must be `datasets` and hosts to ask for data. */
MUST_USE enum status runner_submit_fetch(struct runner *r, const json_t *request, const char *idempotency_key,
                                         const char *request_sha256, char ret_id[ID_SIZE], json_t *errors,
                                         struct error *err);

/* Queue the scoring of a data set with a model, or its validation there, see scoring.h. As runner_submit(). */
MUST_USE enum status runner_submit_predict(struct runner *r, const json_t *request,
                                           const char *idempotency_key, const char *request_sha256,
                                           char ret_id[ID_SIZE], json_t *errors, struct error *err);
MUST_USE enum status runner_submit_validate(struct runner *r, const json_t *request,
                                            const char *idempotency_key, const char *request_sha256,
                                            char ret_id[ID_SIZE], json_t *errors, struct error *err);

/* Ask a job to end: one that waits or was interrupted is cancelled at once, a running one at its next batch.
 *   keep_best  the epoch that it would have kept so far becomes a model, if one was finished
 * Errors: ST_NOTFOUND, ST_CONFLICT (it has ended, or saves its results; or nothing can be kept, as its checkpoint is
 * damaged), ST_IO. */
MUST_USE enum status runner_cancel(struct runner *r, const char *id, bool keep_best, struct error *err);

/* Queue an interrupted job again; it goes on from its checkpoint. Errors: ST_NOTFOUND, ST_CONFLICT (it is not
 * interrupted), ST_BUSY (the queue is full), ST_IO. */
MUST_USE enum status runner_resume(struct runner *r, const char *id, struct error *err);

/* Forget a job that has ended, with its scores and checkpoint; its model stays. Errors: ST_NOTFOUND, ST_CONFLICT (it
 * has not ended), ST_IO. */
MUST_USE enum status runner_delete(struct runner *r, const char *id, struct error *err);

/* A job as it is now, in the contract's shape, a new reference. Errors: ST_NOTFOUND, ST_IO. */
MUST_USE enum status runner_job(struct runner *r, const char *id, json_t **ret_job, struct error *err);

/* The numbers of the running job; false when it is not this one that runs. */
bool runner_progress(struct runner *r, const char *id, struct train_progress *ret);

/* The same of a job that fetches; false also before its first file. */
bool runner_fetch_progress(struct runner *r, const char *id, struct fetch_progress *ret);

/* Pictures that jobs have been trained on since the runner was started, each as often as it was. */
uint64_t runner_images(const struct runner *r);

/* Bring the running job in a list up to date with its progress. */
void runner_refresh(struct runner *r, json_t *job);

/* Open the scores of a job that has some, of one set or of SCORED_ALL: a descriptor and its size.
 * Errors: ST_NOTFOUND, ST_IO. */
MUST_USE enum status runner_scores(struct runner *r, const char *id, int set, int *ret_fd, size_t *ret_size,
                                   struct error *err);

/* The path of the scores and truths of all rows of a job that has some, for a reader that opens files; it must not be written.
 * Errors: ST_NOTFOUND (so it is of a job that only predicts), ST_IO. */
MUST_USE enum status runner_scores_path(struct runner *r, const char *id, char path[PATH_MAX],
                                        struct error *err);

/* Compare two jobs' kept models on the rows that both were tested on, see runs_compare(), whose `split` this is.
 * Errors: ST_NOTFOUND (a job, or its scores), ST_UNUSABLE, ST_IO, ST_NOMEM. */
struct run_comparison;
MUST_USE enum status runner_compare(struct runner *r, const char *first, const char *second,
                                    const char *split, struct run_comparison *ret, struct error *err);

/* The same of its report, an HTML page, in one of its forms. */
MUST_USE enum status runner_report(struct runner *r, const char *id, enum report_form form, int *ret_fd,
                                   size_t *ret_size, struct error *err);

/* Forget a patient: from now on no job on that data set uses their rows. Jobs that have used them and are not over are cancelled, and
 * all decoded pictures on the disk go. The same again changes nothing, and has the same answer.
 *   request  {"dataset","patient_id","replay"}, as it was sent
 *   errors   as runner_submit()'s
 *   ret_answer  in the contract's shape, a new reference
 * Errors: ST_INVALID (see errors), ST_NOTFOUND (there is no such data set), ST_BUSY (they are forgotten, and the replay finds the queue
 * full), ST_CONFLICT, ST_IO, ST_NOMEM. */
MUST_USE enum status runner_forget(struct runner *r, const json_t *request, json_t *errors,
                                   json_t **ret_answer, struct error *err);

/* Fill in `dataset` where it is not set and check what needs the disk: that the folder and the table are there.
 * Wrong fields are named in `errors`. Shared with `cxrd train`. Errors: ST_IO, ST_NOMEM (whether they are cannot be told). */
MUST_USE enum status train_config_check(struct train_config *c, const char *datasets, json_t *errors,
                                        struct error *err);

/* The same of a job that scores, with its list of rows. */
struct score_config;
MUST_USE enum status score_config_check(struct score_config *c, const char *datasets, json_t *errors,
                                        struct error *err);

#endif
