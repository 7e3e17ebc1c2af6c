/* jobs/queue/learned.c - see learned.h. */
#include "learned.h"

#include "../training/scores_read.h"
#include "cxrd/patients.h"

#include <string.h>

enum { MOST_MODELS = 16, MOST_PICTURE_BYTES = LIST_MAX_BYTES };

static const char *text_in(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static void note(json_t *list, const char *text)
{
    if (text && *text)
        json_array_append_new(list, json_string(text));
}

/* The pictures of one of its job's sets. */
static enum status pictures_add(const char *path, const char *split, struct learned *l)
{
    struct read_scores scores;
    struct error why;
    const enum status st = scores_read(path, split, &scores, &why);

    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < scores.scores.n; i++)
        buf_printf(&l->pictures, "%s\n", scores_name(&scores, i));
    read_scores_release(&scores);
    return ST_OK;
}

/* The patients of a job, where it was on the same data set. Jobs of before have no such file. */
static enum status patients_of(struct runner *r, const char *id, const json_t *job, const char *dataset,
                               struct learned *l)
{
    const char *its = text_in(json_object_get(job, "config"), "dataset");
    char path[PATH_MAX];
    struct error why;
    enum status st;

    if (!l->patients || !its || strcmp(its, dataset) != 0)
        return ST_OK;
    st = job_file(r, id, PATIENTS_NAME, path, &why);
    if (st == ST_OK)
        st = patients_read(l->patients, path, 1u << TRAIN | 1u << VALIDATION, &why);
    return st == ST_NOMEM ? st : ST_OK;
}

/* One model: its card, its job's record, scores and patients.
 *   ret_before  the model that it began from; "": from none */
static enum status model_add(struct runner *r, const char *model, const char *dataset, struct learned *l,
                             char ret_before[ID_SIZE], struct error *err)
{
    char path[PATH_MAX], name[JOB_FILE_SIZE];
    json_t *card = NULL, *job = NULL;
    const char *id, *before;
    struct error why;
    enum status st = store_model_get(r->store, model, &card, err);

    ret_before[0] = '\0';
    if (st != ST_OK)
        return st;
    id = text_in(card, "job");
    note(l->tables, text_in(json_object_get(card, "data"), "csv_sha256"));
    st = id ? store_job_get(r->store, id, &job, &why) : ST_NOTFOUND;
    note(l->datasets, text_in(json_object_get(job, "config"), "dataset"));
    before = text_in(json_object_get(job, "config"), "init");
    snprintf(ret_before, ID_SIZE, "%s", before ? before : "");
    job_scores_name(SCORED_ALL, name);
    if (st == ST_OK)
        st = job_file(r, id, name, path, &why);
    if (st == ST_OK)
        st = pictures_add(path, SPLIT_NAMES[TRAIN], l);
    if (st == ST_OK)
        st = pictures_add(path, SPLIT_NAMES[VALIDATION], l);
    if (job && st != ST_NOMEM && patients_of(r, id, job, dataset, l) != ST_OK)
        st = ST_NOMEM;
    l->unknown = l->unknown || st != ST_OK;
    json_decref(job);
    json_decref(card);
    return st == ST_NOMEM ? error_nomem(err) : ST_OK;
}

enum status learned_find(struct runner *r, const char *model, const char *dataset, struct learned *ret,
                         struct error *err)
{
    char id[ID_SIZE], before[ID_SIZE];
    enum status st = ST_OK;

    *ret = (struct learned){ json_array(), json_array(), BUF_INIT(MOST_PICTURE_BYTES), NULL, false };
    if (r->options.patients_key)
        st = patients_new(r->options.patients_key, dataset, &ret->patients, err);
    snprintf(id, sizeof id, "%s", model);
    for (size_t i = 0; id[0] && i < MOST_MODELS && st == ST_OK; i++) {
        st = model_add(r, id, dataset, ret, before, err);
        if (st == ST_NOTFOUND && i > 0) { /* one that it began from is gone */
            ret->unknown = true;
            st = ST_OK;
            break;
        }
        snprintf(id, sizeof id, "%s", before);
    }
    ret->unknown = ret->unknown || id[0];
    if (st == ST_OK && buf_status(&ret->pictures) != ST_OK) {
        ret->unknown = true;
        buf_clear(&ret->pictures);
    }
    if (st != ST_OK)
        learned_release(ret);
    return st;
}

void learned_release(struct learned *l)
{
    json_decref(l->tables);
    json_decref(l->datasets);
    buf_release(&l->pictures);
    patients_free(l->patients);
    *l = (struct learned){ 0 };
}
