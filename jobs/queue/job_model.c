/* jobs/queue/job_model.c - the model that is kept of a job, see worker.h. */
#include "worker.h"

#include "cxrd/weights.h"

enum status job_model_add(struct runner *r, const struct claim *by, const struct model *m, json_t *record,
                          struct error *err)
{
    struct buf bytes = BUF_INIT(WEIGHTS_MAX_BYTES);
    json_t *card = NULL;
    enum status st = weights_write(m, &bytes, err);

    if (st == ST_OK)
        st = registry_add(r->registry, bytes.data, bytes.len, by, &card, err);
    if (st == ST_OK)
        json_object_set(record, "model", json_object_get(card, "id"));
    json_decref(card);
    buf_release(&bytes);
    return st;
}

/* checkpoint_best(), but a checkpoint that is no good is ST_CONFLICT: what is asked for cannot be, the job's end can. */
static enum status best_of(const char *path, struct model **ret_model, struct checkpoint_figures *ret_figures,
                           struct error *err)
{
    struct error why = { 0 };
    const enum status st = checkpoint_best(path, ret_model, ret_figures, &why);

    if (st == ST_FORMAT || st == ST_LIMIT || st == ST_CONFLICT)
        return error_set(err, ST_CONFLICT, "nothing can be kept: %s; cancel without keep_best", why.text);
    return st == ST_OK ? ST_OK : error_set(err, st, "%s", why.text);
}

enum status job_keep_checkpoint(struct runner *r, const struct claim *by, json_t *record, struct error *err)
{
    struct checkpoint_figures figures;
    struct model *m = NULL;
    char path[PATH_MAX];
    enum status st = job_path(r, by->job, CHECKPOINT_NAME, path, err);

    if (st == ST_OK)
        st = best_of(path, &m, &figures, err);
    if (st == ST_NOTFOUND)
        return ST_OK;
    if (st == ST_OK) {
        json_object_set_new(record, "validation_loss", number_or_null(figures.validation_loss));
        json_object_set_new(record, "top5_accuracy", number_or_null(figures.top5_accuracy));
        json_object_set_new(record, "kept_epoch", json_integer((json_int_t)figures.kept_epoch));
        st = job_report_save(r, by->job, JOB_CANCELLED, record, m, NULL, err);
    }
    if (st == ST_OK)
        st = job_model_add(r, by, m, record, err);
    model_unref(m);
    return st;
}
