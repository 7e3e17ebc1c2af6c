/* jobs/queue/forget.c - a patient is to be left out of every later job on a data set: the models that used their rows are named, and ended
 * where it is not over. See cxrd/runner.h and cxrd/patients.h.
 *
 * The order is what makes it safe: first it is on disk that they are to be left out, then one looks at whose rows jobs have
 * written that they use. A job that reads the table writes first and asks afterwards (run_write_patients()). So one of the two
 * sees the other. */
#include "worker.h"

#include "cxrd/dataset.h"
#include "cxrd/image_cache.h"
#include "cxrd/log.h"
#include "cxrd/patients.h"

#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { MOST_ID = 256 }; /* bytes of a patient's id */

struct forgetting {
    struct runner *r;
    const char *dataset;
    char code[PATIENT_CODE_SIZE];
    json_t *table_jobs; /* of the store, the oldest first; owned, as all of these */
    json_t *jobs, *models, *unknown, *cancelled;
    bool replay;             /* asked for: */
    const char *replay_of;   /* NULL: whichever */
    char replay_id[ID_SIZE]; /* "": none is queued */
};

/* Several servers may share the store, each with its own key file. A server whose key did not make the codes would leave out nobody. */
static enum status key_check(const struct runner *r, struct error *err)
{
    char check[PATIENT_CODE_SIZE];

    return patients_key_check(r->options.patients_key, check) == ST_OK
               ? store_patients_key(r->store, check, err)
               : error_nomem(err);
}

enum status forgotten_load(const struct runner *r, const char *dataset, struct patients **ret,
                           struct error *err)
{
    struct patients *p = NULL;
    json_t *codes = NULL;
    enum status st;

    *ret = NULL;
    if (!r->options.patients_key)
        return ST_OK;
    st = store_forgotten(r->store, dataset, &codes, err);
    if (st == ST_OK && json_array_size(codes) > 0)
        st = key_check(r, err);
    if (st == ST_OK)
        st = patients_new(r->options.patients_key, dataset, &p, err);
    for (size_t i = 0; st == ST_OK && i < json_array_size(codes); i++)
        if (patients_add(p, json_string_value(json_array_get(codes, i))) != ST_OK)
            st = error_nomem(err);
    json_decref(codes);
    if (st == ST_OK)
        *ret = p;
    else
        patients_free(p);
    return st;
}

/* ---- what was asked ---- */

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* As the table's reader has a cell. */
static bool key_read(const char *text, size_t n, uint64_t *ret)
{
    while (n > 0 && is_blank(text[n - 1]))
        n--;
    while (n > 0 && is_blank(*text))
        text++, n--;
    *ret = patient_key(text, n);
    return n > 0 && n <= MOST_ID;
}

/* An id is a text or a whole number, as a table has either. */
static void take_patient(const json_t *value, uint64_t *ret, json_t *errors)
{
    char number[24];
    const char *text = json_string_value(value);

    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
        text = number;
    }
    if (!text || !key_read(text, strlen(text), ret))
        config_error(errors, "patient_id", "must be a patient's id as the table has it, 1 to %d bytes",
                     MOST_ID);
}

/* true: of the model that answers, or else the newest; or a job by its id. */
static void take_replay(const json_t *value, struct forgetting *f, json_t *errors)
{
    f->replay_of = json_string_value(value);
    f->replay = f->replay_of || json_is_true(value);
    if (value && !json_is_boolean(value) && !(f->replay_of && id_ok(f->replay_of, strlen(f->replay_of))))
        config_error(errors, "replay", "must be true, false or the id of a job");
}

static enum status take(const json_t *request, struct forgetting *f, uint64_t *ret_patient, json_t *errors,
                        struct error *err)
{
    const char *name;
    json_t *value;

    if (!json_is_object(request))
        return error_set(err, ST_INVALID, "the body must be a JSON object");
    json_object_foreach ((json_t *)request, name, value)
        if (strcmp(name, "dataset") != 0 && strcmp(name, "patient_id") != 0 && strcmp(name, "replay") != 0)
            config_error(errors, name, "there is no such field");
    f->dataset = json_string_value(json_object_get(request, "dataset"));
    if (!f->dataset || !dataset_path_ok(f->dataset))
        config_error(errors, "dataset", "must be the name of a data set");
    take_patient(json_object_get(request, "patient_id"), ret_patient, errors);
    take_replay(json_object_get(request, "replay"), f, errors);
    if (json_array_size(errors) > 0)
        return error_set(err, ST_INVALID, "the request has a field that cannot be used");
    return ST_OK;
}

/* ---- whether there is such a data set ---- */

static bool is_there(const struct runner *r, const char *dataset)
{
    const int datasets =
        r->options.datasets ? open(r->options.datasets, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    const int root = datasets < 0 ? -1 : open_beneath(datasets, dataset, O_RDONLY | O_DIRECTORY);

    if (datasets >= 0)
        close(datasets);
    if (root >= 0)
        close(root);
    return root >= 0;
}

static bool text_is(const json_t *object, const char *name, const char *text)
{
    const char *value = json_string_value(json_object_get(object, name));

    return value && strcmp(value, text) == 0;
}

/* One that is gone by now may come back, and models have learned from it. */
static bool is_known(const struct forgetting *f)
{
    size_t i;
    json_t *job;

    json_array_foreach (f->table_jobs, i, job)
        if (text_is(job, "dataset", f->dataset))
            return true;
    return is_there(f->r, f->dataset);
}

/* ---- who has used their rows ---- */

/* The part that means most: of rows that train a model learns. */
static const char *part_name(unsigned parts)
{
    for (int part = 0; part < N_SPLITS; part++)
        if (parts >> part & 1)
            return SPLIT_NAMES[part];
    return NULL;
}

static bool state_ends(const char *state)
{
    return strcmp(state, "succeeded") == 0 || strcmp(state, "failed") == 0 || strcmp(state, "cancelled") == 0;
}

/* A job that is not over must not go on with them. One that is about to save its results has learned from them, as those before. */
static void end_job(struct forgetting *f, const char *id)
{
    struct error why;

    if (runner_cancel(f->r, id, false, &why) == ST_OK)
        json_array_append_new(f->cancelled, json_string(id));
    else if (why.code != ST_CONFLICT && why.code != ST_NOTFOUND)
        log_error(LOG_ERROR, "a job with rows of a patient who is to be forgotten is not cancelled", &why);
}

/* Whether a job has come to its rows. */
static bool has_rows(const struct forgetting *f, const char *id)
{
    enum job_state state;
    json_t *record = NULL;
    struct error why;
    const bool has = store_job_look(f->r->store, id, &state, &record, &why) != ST_OK ||
                     json_is_object(json_object_get(record, "dataset"));

    json_decref(record);
    return has;
}

/* One that has not come to its rows yet has no file, and will leave them out. */
static enum status look_at(struct forgetting *f, const json_t *job, struct error *err)
{
    const char *id = json_string_value(json_object_get(job, "id"));
    const char *state = json_string_value(json_object_get(job, "state"));
    char path[PATH_MAX];
    unsigned parts = 0;
    struct error why;
    enum status st = job_file(f->r, id, PATIENTS_NAME, path, err);

    if (st != ST_OK)
        return st;
    st = patients_look(f->r->options.patients_key, path, f->code, &parts, &why);
    if (st == ST_NOMEM)
        return error_nomem(err);
    if (st != ST_OK && (st != ST_NOTFOUND || has_rows(f, id)))
        json_array_append_new(f->unknown, json_string(id));
    if (parts == 0)
        return ST_OK;
    json_array_append_new(f->jobs, json_pack("{s:s,s:s,s:s,s:O}", "id", id, "part", part_name(parts), "state",
                                             state, "model", json_object_get(job, "model")));
    if (!state_ends(state))
        end_job(f, id);
    return ST_OK;
}

static enum status look_at_all(struct forgetting *f, struct error *err)
{
    enum status st = ST_OK;
    size_t i;
    json_t *job;

    json_array_foreach (f->table_jobs, i, job)
        if (st == ST_OK && text_is(job, "dataset", f->dataset))
            st = look_at(f, job, err);
    return st;
}

static bool is_listed(const json_t *models, const char *id)
{
    size_t i;
    json_t *model;

    json_array_foreach (models, i, model)
        if (text_is(model, "id", id))
            return true;
    return false;
}

static void add_model(json_t *models, const json_t *job, const char *by)
{
    const char *id = json_string_value(json_object_get(job, "model"));

    if (id && !is_listed(models, id))
        json_array_append_new(
            models, json_pack("{s:s,s:O,s:s}", "id", id, "job", json_object_get(job, "id"), "by", by));
}

/* Models that learned from those rows, and models that began from one of these. A job is younger than the model it began from, so one
 * pass in that order finds all. */
static void list_models(struct forgetting *f)
{
    size_t i;
    json_t *job;

    json_array_foreach (f->jobs, i, job)
        if (text_is(job, "part", SPLIT_NAMES[TRAIN]))
            add_model(f->models, job, "rows");
    json_array_foreach (f->table_jobs, i, job) {
        const char *init = json_string_value(json_object_get(job, "init"));

        if (init && is_listed(f->models, init))
            add_model(f->models, job, "init");
    }
}

/* ---- a replay without them ---- */

/* Of the jobs that have learned from those rows and left a model. NULL: none, or not the one that was named. */
static const char *replay_choose(const struct forgetting *f, const char *active)
{
    const char *chosen = NULL;
    size_t i;
    json_t *job;

    json_array_foreach (f->jobs, i, job) {
        const char *id = json_string_value(json_object_get(job, "id"));

        if (!text_is(job, "part", SPLIT_NAMES[TRAIN]) || !json_is_string(json_object_get(job, "model")))
            continue;
        if (f->replay_of ? strcmp(f->replay_of, id) == 0 : text_is(job, "model", active))
            return id;
        chosen = id;
    }
    return f->replay_of ? NULL : chosen;
}

/* The same patient and job again are the same replay: their codes are its key. */
static enum status replay_queue(struct forgetting *f, const char *of, json_t *errors, struct error *err)
{
    char key[PATIENT_CODE_SIZE + ID_SIZE];
    json_t *request = json_pack("{s:s}", "replay_of", of);
    enum status st;

    snprintf(key, sizeof key, "%s %s", f->code, of);
    st = request ? runner_submit(f->r, request, key, "", f->replay_id, errors, err) : error_nomem(err);
    json_decref(request);
    return st;
}

static enum status replay_start(struct forgetting *f, json_t *errors, struct error *err)
{
    char active[ID_SIZE];
    const char *of;
    enum status st;

    if (!f->replay)
        return ST_OK;
    st = store_active(f->r->store, active, err);
    if (st != ST_OK)
        return st;
    of = replay_choose(f, active);
    if (of)
        return replay_queue(f, of, errors, err);
    if (!f->replay_of)
        return ST_OK;
    config_error(errors, "replay", "is no job that has learned from the patient's rows and left a model");
    return error_set(err, ST_INVALID, "the patient is forgotten, and the replay cannot be queued");
}

/* ---- the answer ---- */

static json_t *answer_of(const struct forgetting *f, const char *at, bool is_new, size_t patients,
                         json_t *orphans)
{
    return json_pack("{s:s,s:s,s:b,s:I,s:O,s:O,s:O,s:o,s:{s:O,s:O}}", "dataset", f->dataset, "forgotten_at",
                     at, "new", (int)is_new, "patients", (json_int_t)patients, "jobs", f->jobs, "cancelled",
                     f->cancelled, "models", f->models, "replay",
                     f->replay_id[0] ? json_string(f->replay_id) : json_null(), "unknown", "jobs", f->unknown,
                     "models", orphans);
}

static enum status forget(struct forgetting *f, json_t *errors, json_t **ret_answer, struct error *err)
{
    char at[CLOCK_TEXT_SIZE], cache[PATH_MAX];
    json_t *orphans = NULL, *codes = NULL;
    bool is_new;
    char check[PATIENT_CODE_SIZE];
    enum status st = patients_key_check(f->r->options.patients_key, check) == ST_OK
                         ? store_forget(f->r->store, check, f->dataset, f->code, at, &is_new, err)
                         : error_nomem(err);

    if (st != ST_OK)
        return st;
    if (snprintf(cache, sizeof cache, "%s/cache", f->r->options.state) < (int)sizeof cache)
        image_cache_clear(cache);
    json_decref(f->table_jobs); /* of the time after */
    f->table_jobs = NULL;
    st = store_table_jobs(f->r->store, &f->table_jobs, err);
    if (st == ST_OK)
        st = look_at_all(f, err);
    if (st == ST_OK)
        st = store_orphans(f->r->store, &orphans, err);
    if (st == ST_OK)
        st = store_forgotten(f->r->store, f->dataset, &codes, err);
    if (st == ST_OK) {
        list_models(f);
        st = replay_start(f, errors, err);
    }
    if (st == ST_OK)
        *ret_answer = answer_of(f, at, is_new, json_array_size(codes), orphans);
    json_decref(orphans);
    json_decref(codes);
    return st;
}

enum status runner_forget(struct runner *r, const json_t *request, json_t *errors, json_t **ret_answer,
                          struct error *err)
{
    struct forgetting f = { .r = r,
                            .jobs = json_array(),
                            .models = json_array(),
                            .unknown = json_array(),
                            .cancelled = json_array() };
    uint64_t patient = PATIENT_NONE;
    enum status st = take(request, &f, &patient, errors, err);

    if (st == ST_OK)
        st = store_table_jobs(r->store, &f.table_jobs, err);
    if (st == ST_OK && !is_known(&f))
        st = error_set(err, ST_NOTFOUND, "there is no data set '%.80s', and no job was about one", f.dataset);
    if (st == ST_OK && patient_code(r->options.patients_key, f.dataset, patient, f.code) != ST_OK)
        st = error_nomem(err);
    if (st == ST_OK)
        st = forget(&f, errors, ret_answer, err);
    json_decref(f.table_jobs);
    json_decref(f.jobs);
    json_decref(f.models);
    json_decref(f.unknown);
    json_decref(f.cancelled);
    return st;
}
