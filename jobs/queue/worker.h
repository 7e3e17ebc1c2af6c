/* jobs/queue/worker.h - what the files behind cxrd/runner.h share: submission.c, submit.c and submit_scoring.c are how a job enters the queue,
 * runner.c the thread that works it off, training_job.c, scoring_job.c and fetch_job.c the work of the kinds of jobs, status.c a job as it is
 * now, cancel.c what becomes of one that does not simply succeed, pending_end.c one whose end is not written yet, job_files.c
 * what a job has on the disk, kept_files.c what of that is in a store that servers share. */
#ifndef JOBS_WORKER_H
#define JOBS_WORKER_H

#include "cxrd/buf.h"
#include "cxrd/clock.h"
#include "cxrd/runner.h"
#include "progress.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#define PARTIAL_NAME "partial.scores" /* in a job's folder: what one that scores has come to so far */

/* Enough: it is cancelled, but what it would have kept so far is evaluated before it ends. Lost: it is no longer this runner's, so the
 * work ends and nothing of it is written. */
enum stop_reason { GO_ON, STOP_ENOUGH, STOP_CANCELLED, STOP_SHUTDOWN, STOP_LOST };

static inline bool stop_cancels(int reason) { return reason == STOP_ENOUGH || reason == STOP_CANCELLED; }

/* A job whose end could not be written, since the storage fails: told from here, and written as soon as it can be. */
struct unwritten {
    struct claim claim; /* its job is "": there is none */
    enum job_state state;
    char finished_at[CLOCK_TEXT_SIZE];
    json_t *record; /* owned */
};

struct runner {
    struct runner_options options;
    struct store *store;
    struct registry *registry;
    pthread_t thread, lease_thread; /* the latter renews the lease of the running job, see lease.c */

    pthread_mutex_t
        lock; /* guards `running`, `trusted_until`, `too_late`, `unwritten`, `shutdown` and `over` */
    pthread_cond_t wake;  /* a job was queued, shutdown, or over */
    pthread_cond_t begun; /* a job begins to run, or over */
    struct claim
        running; /* the job that runs, "" for none; only the runner's thread changes it, which reads it without the lock */
    double trusted_until; /* until then nobody else has it, as clock_seconds() counts */
    bool too_late;        /* to cancel it: its results are being kept */
    struct unwritten unwritten;
    char *told_datasets; /* of struct able, as the other servers were told; owned by the runner's thread */
    double tell_again;   /* when they are told once more: a server that was away for a day has a new row */
    char left
        [ID_SIZE]; /* the runner's thread's: the job that no server can do which the log was told of last */
    bool shutdown, over; /* over: the thread is about to end */
    pthread_mutex_t
        fetching; /* held while a file is fetched: no two are written at one place; may be taken with `lock` */
    atomic_int stop;             /* enum stop_reason; asked at every batch */
    atomic_bool keep_best;       /* of a job that is cancelled */
    struct progress progress;    /* of the running job */
    atomic_uint_fast64_t images; /* trained on, by all jobs */
};

/* ---- the work of a job, to its end: in the runner's thread, without the lock ----
 *   record  borrowed; what is known of the job, which grows, and which the store keeps; of job_record_begin() */

/* Errors: ST_INVALID (the configuration), train_run()'s, registry_load()'s of `init`, and what saving can meet. */
MUST_USE enum status training_job_run(struct runner *r, const char *id, const json_t *config, json_t *record,
                                      struct error *err);

/* Errors: ST_INVALID (the configuration, or this server fetches nothing), fetch_run()'s. */
MUST_USE enum status fetching_run(struct runner *r, const char *id, const json_t *config, json_t *record,
                                  struct error *err);

/* Of JOB_PREDICT and JOB_VALIDATE. Errors: ST_INVALID (the configuration), ST_UNUSABLE (the model), score_run()'s, and what saving
 * can meet. */
MUST_USE enum status scoring_job_run(struct runner *r, const char *id, const char *type, const json_t *config,
                                     json_t *record, struct error *err);

/* ---- by any thread ---- */

/* The patients who are to be left out of a job on that data set, by now; patients_free() it. Errors: ST_IO, ST_NOMEM. */
MUST_USE enum status forgotten_load(const struct runner *r, const char *dataset, struct patients **ret,
                                    struct error *err);

/* A record that says nothing yet, but whether the job only looks at its data; NULL: no memory. */
json_t *job_record_begin(const struct runner *r, const char *type, const json_t *config);

/* Write a model into the registry as the job's, and its id into the record. Errors: ST_CONFLICT (the claim is over), ST_IO, ST_LIMIT,
 * ST_NOMEM. */
MUST_USE enum status job_model_add(struct runner *r, const struct claim *by, const struct model *m,
                                   json_t *record, struct error *err);

/* The epoch that the job would have kept so far, from its checkpoint, into the registry and the record. No checkpoint, or none
 * with a finished epoch: nothing to keep. Errors: ST_CONFLICT (the checkpoint is damaged, the claim is over), ST_IO, ST_LIMIT, ST_NOMEM. */
MUST_USE enum status job_keep_checkpoint(struct runner *r, const struct claim *by, json_t *record,
                                         struct error *err);

/* Where a job is, into its record: what is left of it when it ends before it is done. */
void snapshot_record(const struct snapshot *now, json_t *record);

void jobs_retain(
    struct runner *r); /* delete the oldest of those that ended, where there are more than `keep_jobs` */

/* "<state>/jobs/<id>" and a file in it. Errors: ST_IO (too long). */
MUST_USE enum status job_folder(const struct runner *r, const char *id, char path[PATH_MAX],
                                struct error *err);
MUST_USE enum status job_path(const struct runner *r, const char *id, const char *name, char path[PATH_MAX],
                              struct error *err);

/* A file of a job for reading, as job_path(): where another server made it, it is fetched first. Not with the lock held.
 * Errors: ST_IO, ST_NOMEM; that there is no such file shows where it is opened. */
MUST_USE enum status job_file(struct runner *r, const char *id, const char *name, char path[PATH_MAX],
                              struct error *err);

/* In a shared store: make a file of a job that does not run here what the store has of it, which may be nothing. Errors: as above. */
MUST_USE enum status job_file_fetch(struct runner *r, const char *id, const char *name, struct error *err);

/* In a shared store: put a file of the running job there, or all that it has; the checkpoint where it goes on later. None on the disk is
 * fine.
 * Errors: ST_CONFLICT (the claim is over), ST_IO, ST_LIMIT, ST_NOMEM. */
MUST_USE enum status job_file_keep(struct runner *r, const char *id, const char *name, struct error *err);
MUST_USE enum status job_files_keep(struct runner *r, const char *id, bool goes_on, struct error *err);

/* Write the page of a job that is about to end.
 *   state   in which it will be
 *   record  as it will be kept
 *   m       the kept model; plots: cxrd/report.h; both may be NULL
 * Errors: ST_NOTFOUND, ST_IO, ST_LIMIT, ST_NOMEM. */
MUST_USE enum status job_report_save(struct runner *r, const char *id, enum job_state state,
                                     const json_t *record, const struct model *m, const json_t *plots,
                                     struct error *err);

void job_checkpoint_drop(struct runner *r,
                         const char *id); /* of a job that has ended; a file that is not there is no error */
void job_scores_name(int set, char name[JOB_FILE_SIZE]); /* "validation.csv"; of SCORED_ALL "scores.csv" */

/* Write the scores of the sets that there are some of. Errors: ST_IO, ST_LIMIT, ST_NOMEM. */
MUST_USE enum status job_scores_save(const struct runner *r, const char *id,
                                     const struct train_result *result, struct error *err);

/* The digest of a file of a job. Errors: ST_NOTFOUND, ST_IO, ST_NOMEM. */
MUST_USE enum status job_file_digest(const char *path, char ret[DIGEST_TEXT_SIZE], struct error *err);

/* Put what went wrong with the disk into words that say so. Returns `st`. */
enum status storage_error(enum status st, const struct error *why, struct error *err);

/* The store has not written an event, a record or a file of the running job: put `why` into words of storage. Where the job is another's
 * by now, or may be as others share the store, its work ends, and the next claim goes on from its checkpoint. */
void running_not_written(struct runner *r, const struct error *why, struct error *err);

/* `st` is of something that the running job asked of the store and cannot go on without. Where the store did not answer and others share it,
 * the work ends likewise. Returns `st`. */
enum status running_needs(struct runner *r, enum status st);

/* How long after a claim or a renewal was asked for the job is surely nobody else's. */
enum { LEASE_TRUST_S = LEASE_S - 3 };

/* Start `lease_thread`, and let it end. Errors: ST_IO. */
MUST_USE enum status lease_thread_start(struct runner *r, struct error *err);
void lease_thread_end(struct runner *r);

/* The names of the data sets below a folder, as struct able has them; folder NULL: the server has no data sets. Errors: ST_IO, ST_LIMIT, ST_NOMEM. */
enum { DATASETS_MOST = 1 << 20 };
MUST_USE enum status datasets_here(const char *folder, struct buf *ret, struct error *err);

/* With the lock held, in the runner's thread: tell the others what this server can do where that is new; log a job that no server can do, once. */
void able_tell(struct runner *r, const struct able *able);
void left_job_log(struct runner *r);

/* ---- entering the queue ---- */

/* With the lock held: ST_BUSY, and how many wait for which job. */
enum status job_refuse_full(const struct runner *r, struct error *err);

/* Queue a job whose configuration is good. Errors: store_job_add()'s. */
struct new_job;
MUST_USE enum status job_submit(struct runner *r, struct new_job *job, char ret_id[ID_SIZE],
                                struct error *err);
void job_check_webhook(const struct runner *r, const char *webhook, json_t *errors);

/* ---- with the lock held ---- */
bool job_is_running(const struct runner *r, const char *id);
void cancel_running(struct runner *r, bool keep_best);
void cancel_asked(struct runner *r, enum asked asked); /* of the running job, by another process */
MUST_USE enum status cancel_waiting(struct runner *r, const char *id, bool keep_best, struct error *err);
void unwritten_keep(struct runner *r, const struct claim *c, enum job_state state, json_t *record);
bool unwritten_retry(struct runner *r); /* true: nothing is left to be written */
/* Before something else becomes of a job: ST_IO while its end is known to this process only. */
MUST_USE enum status unwritten_settle(struct runner *r, const char *id, struct error *err);
bool unwritten_tell(const struct runner *r, json_t *job); /* false: it is not this job */

#endif
