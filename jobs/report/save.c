/* jobs/report/save.c - the report of a training that ends as a file, see cxrd/report.h. */
#include "cxrd/report.h"

#include "cxrd/clock.h"
#include "cxrd/digest.h"
#include "cxrd/file.h"
#include "cxrd/weights.h"

/* The digest of the weights' file, as it will be saved; null without a model. */
static enum status weights_digest(const struct model *m, json_t *record, struct error *err)
{
    struct buf bytes = BUF_INIT(WEIGHTS_MAX_BYTES);
    char sha256[DIGEST_TEXT_SIZE];
    enum status st = m ? weights_write(m, &bytes, err) : ST_OK;

    if (m && st == ST_OK && digest_bytes(bytes.data, bytes.len, sha256) != ST_OK)
        st = error_nomem(err);
    if (m && st == ST_OK)
        json_object_set_new(record, "weights_sha256", json_string(sha256));
    buf_release(&bytes);
    return st;
}

static enum status page_save(const char *path, const json_t *record, const json_t *plots,
                             enum report_form form, struct error *err)
{
    struct buf page = BUF_INIT(REPORT_MAX_BYTES);
    enum status st = report_write(record, plots, form, &page);

    if (st == ST_OK)
        st = file_replace(path, &(struct iovec){ page.data, page.len }, 1, err);
    else
        st = error_set(err, st, "the report does not fit");
    buf_release(&page);
    return st;
}

enum status report_save(const char *const paths[N_REPORT_FORMS], const json_t *job, const struct model *model,
                        const json_t *plots, struct error *err)
{
    json_t *whole = json_copy((json_t *)job);
    char now[CLOCK_TEXT_SIZE];
    enum status st = whole ? weights_digest(model, whole, err) : error_nomem(err);

    if (st == ST_OK) {
        json_object_set_new(whole, "config",
                            train_config_shown(json_deep_copy(json_object_get(job, "config"))));
        json_object_set_new(whole, "written_at", json_string(clock_utc(now)));
    }
    for (enum report_form form = REPORT_WHOLE; form < N_REPORT_FORMS && st == ST_OK; form++)
        st = page_save(paths[form], whole, plots, form, err);
    json_decref(whole);
    return st;
}
