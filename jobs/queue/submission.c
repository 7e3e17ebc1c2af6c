/* jobs/queue/submission.c - see submission.h. */
#include "submission.h"

#include <string.h>

/* Whether it only looks at the data. */
static bool is_dry(const char *type, const json_t *config)
{
    const json_t *epochs = json_object_get(config, "epochs");

    return strcmp(type, JOB_TRAIN) == 0 && json_is_integer(epochs) && json_integer_value(epochs) == 0;
}

json_t *job_record_begin(const struct runner *r, const char *type, const json_t *config)
{
    return json_pack("{s:b,s:n,s:[],s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:[],s:o}", "dry_run",
                     is_dry(type, config), "dataset", "epochs", "validation_loss", "top5_accuracy",
                     "baseline", "transfer", "calibration", "evaluation", "model", "error", "promotion",
                     "weights_sha256", "replay", "warnings", "environment",
                     environment_json(r->options.threads));
}

/* With the lock held. */
enum status job_refuse_full(const struct runner *r, struct error *err)
{
    if (!r->running.job[0]) /* it is another server's that runs */
        return error_set(err, ST_BUSY, "the job queue is full: %zu jobs wait", r->options.job_queue);
    return error_set(err, ST_BUSY, "the job queue is full: %zu jobs wait for job %s", r->options.job_queue,
                     r->running.job);
}

enum status job_submit(struct runner *r, struct new_job *job, char ret_id[ID_SIZE], struct error *err)
{
    json_t *record = job_record_begin(r, job->type, job->config);
    enum status st;

    job->max_queued = r->options.job_queue;
    job->record = record;
    st = record ? store_job_add(r->store, job, ret_id, err) : error_nomem(err);
    json_decref(record);
    pthread_mutex_lock(&r->lock);
    if (st == ST_BUSY)
        job_refuse_full(r, err);
    else
        pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
    return st;
}

enum status submission_begin(struct runner *r, struct submission *s, const json_t *request,
                             enum caption_parts parts, char ret_id[ID_SIZE], json_t *errors,
                             struct error *err)
{
    enum status st;

    s->job.caption = &s->caption;
    s->fields = json_copy((json_t *)request); /* its members are shared */
    if (!s->fields)
        return error_nomem(err);
    st = store_job_repeated(r->store, &s->job, ret_id, err);
    if (st == ST_NOTFOUND)
        caption_take(s->fields, parts, &s->caption, errors);
    return st;
}

enum status submission_judge(const json_t *errors, bool lost, const char *what, struct error *err)
{
    if (lost)
        return error_nomem(err);
    if (json_array_size(errors) > 0)
        return error_set(err, ST_INVALID, "%zu field%s of the %s cannot be used", json_array_size(errors),
                         json_array_size(errors) == 1 ? "" : "s", what);
    return ST_OK;
}

enum status submission_queue(struct runner *r, struct submission *s, const char *dataset, json_t *config,
                             char ret_id[ID_SIZE], struct error *err)
{
    s->job.config = s->config = config;
    s->job.dataset = dataset;
    return config ? job_submit(r, &s->job, ret_id, err) : error_nomem(err);
}

void submission_release(struct submission *s)
{
    json_decref(s->fields);
    json_decref(s->config);
}
