/* jobs/queue/submit.c - a request becomes a job in the queue: its configuration is held against what this server has and
 * may do, and it gets the record that it begins with. */
#include "submission.h"

#include "cxrd/fetch.h"
#include "cxrd/json.h"
#include "replay.h"

#include <stdlib.h>

enum status runner_resume(struct runner *r, const char *id, struct error *err)
{
    enum status st;

    pthread_mutex_lock(&r->lock);
    if ((st = unwritten_settle(r, id, err)) ==
        ST_OK) /* or the store calls running what was told as interrupted */
        st = store_job_resume(r->store, id, r->options.job_queue, err);
    if (st == ST_BUSY)
        job_refuse_full(r, err);
    else if (st == ST_OK)
        pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
    return st;
}

void job_check_webhook(const struct runner *r, const char *webhook, json_t *errors)
{
    struct error err;

    if (!webhook[0])
        return;
    if (!outgoing_enabled(r->options.outgoing, OUTGOING_NOTICE))
        config_error(errors, "webhook", "this server was started without --webhook-hosts");
    else if (outgoing_check(r->options.outgoing, OUTGOING_NOTICE, webhook, &err) != ST_OK)
        config_error(errors, "webhook", "%s", err.text);
}

/* ---- a training ---- */

static enum status check_init(struct runner *r, struct train_config *c, json_t *errors, struct error *err)
{
    const char *field = "init";
    struct model *m = NULL;
    enum status st = c->init[0] ? registry_load(r->registry, c->init, &m, err) : ST_OK;

    if (st != ST_OK && st != ST_NOTFOUND && status_is_outside(st))
        return st;
    if (st != ST_OK) {
        config_error(errors, "init", "%s", err->text);
        return ST_OK;
    }
    st = train_config_adopt(c, m, &field, err);
    if (st == ST_INVALID)
        config_error(errors, field, "%s", err->text);
    model_unref(m);
    return st == ST_NOMEM ? st : ST_OK;
}

/* A request into the configuration that it means, with every field checked. */
static enum status train_request(struct runner *r, const json_t *request, struct train_config *ret,
                                 json_t *errors, struct error *err)
{
    enum status st = train_config_parse(request, ret, errors);
    bool lost =
        st == ST_NOMEM; /* a complaint; asked after each, as what comes next may look into the store */

    if (st == ST_OK) {
        replay_resolve(r->store, request, ret, errors);
        lost = json_ran_out();
        st = json_array_size(errors) > 0 ? ST_INVALID : ST_OK;
    }
    if (st == ST_OK) {
        st = train_config_check(ret, r->options.datasets, errors, err);
        lost = json_ran_out() || lost;
        if (st == ST_OK)
            st = check_init(r, ret, errors, err);
        if (st != ST_OK)
            return st;
        job_check_webhook(r, ret->webhook, errors);
        lost = json_ran_out() || lost;
    }
    return submission_judge(errors, lost, "job", err);
}

enum status runner_submit(struct runner *r, const json_t *request, const char *idempotency_key,
                          const char *request_sha256, char ret_id[ID_SIZE], json_t *errors, struct error *err)
{
    struct submission s = {
        .job = { .type = JOB_TRAIN, .idempotency_key = idempotency_key, .request_sha256 = request_sha256 }
    };
    struct train_config c;
    enum status st = submission_begin(r, &s, request, CAPTION_BOTH, ret_id, errors, err);

    if (st == ST_NOTFOUND) {
        st = train_request(r, s.fields, &c, errors, err);
        if (st == ST_OK)
            st = submission_queue(r, &s, c.dataset, train_config_json(&c), ret_id, err);
    }
    submission_release(&s);
    return st;
}

/* ---- fetching ---- */

static void check_source(const struct runner *r, const struct fetch_source *s, const char *where,
                         json_t *errors)
{
    struct error err;
    char field[40];

    snprintf(field, sizeof field, "%s.url", where);
    if (outgoing_check(r->options.outgoing, OUTGOING_DATA, s->url, &err) != ST_OK)
        config_error(errors, field, "%s", err.text);
    snprintf(field, sizeof field, "%s.s3_region", where);
    if (s->region[0] && !r->options.s3_credentials)
        config_error(errors, field, "this server was started without --data-credentials");
}

static void check_fetch(const struct runner *r, const struct fetch_config *c, json_t *errors)
{
    for (size_t i = 0; i < c->n_sources; i++) {
        char where[32] = "table";

        if (i > 0)
            snprintf(where, sizeof where, "archives[%zu]", i - 1);
        check_source(r, &c->sources[i], where, errors);
    }
    job_check_webhook(r, c->webhook, errors);
    if (fetch_name_taken(r->options.datasets, c->name))
        config_error(errors, "name", "there is a data set of that name already");
}

/* A request into the configuration that it means, with every field checked. */
static enum status fetch_request(const struct runner *r, const json_t *request, struct fetch_config *ret,
                                 json_t *errors, struct error *err)
{
    enum status st = fetch_config_parse(request, ret, errors);
    bool lost = st == ST_NOMEM;

    if (st == ST_OK) {
        check_fetch(r, ret, errors);
        lost = json_ran_out();
    }
    return submission_judge(errors, lost, "data set", err);
}

enum status runner_submit_fetch(struct runner *r, const json_t *request, const char *idempotency_key,
                                const char *request_sha256, char ret_id[ID_SIZE], json_t *errors,
                                struct error *err)
{
    struct submission s = {
        .job = { .type = JOB_FETCH, .idempotency_key = idempotency_key, .request_sha256 = request_sha256 }
    };
    struct fetch_config *c = calloc(1, sizeof *c);
    enum status st = submission_begin(r, &s, request, CAPTION_NOTE_ALONE, ret_id, errors, err);

    if (st == ST_NOTFOUND) {
        st = c ? fetch_request(r, s.fields, c, errors, err) : error_nomem(err);
        if (st == ST_OK)
            st = submission_queue(r, &s, c->name, fetch_config_json(c), ret_id, err);
    }
    submission_release(&s);
    free(c);
    return st;
}
