/* jobs/queue/submission.c - see submission.h. */
#include "submission.h"

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
