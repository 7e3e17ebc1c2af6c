/* jobs/training/calibrate_kept.c - the kept model gets the calibration that its validation rows ask for. */
#include "calibrate.h"
#include "run.h"

#include <math.h>
#include <stdlib.h>

static enum status fit(const struct run *r, struct calibration_fit *ret)
{
    const struct scores *s = &r->kept_validation;
    uint64_t *patients = malloc((s->n + 1) * sizeof *patients);
    double log_odds[N_LABELS];
    enum status st;

    if (!patients)
        return error_nomem(r->err);
    for (size_t i = 0; i < s->n; i++)
        patients[i] = r->table.rows[s->rows[i]].patient;
    run_base_log_odds(r, log_odds);
    st = calibrate(&(struct calibration_rows){ s->n, s->logits, s->truth, patients, log_odds }, ret);
    free(patients);
    return st == ST_OK ? ST_OK : error_nomem(r->err);
}

/* The kept model once more, with a calibration in its notes. */
static enum status put(struct run *r, const struct calibration *c)
{
    struct model *before = r->result->model, *after = NULL;
    json_t *notes = json_deep_copy(model_notes(before));
    char *text = calibration_text(c);
    enum status st = ST_NOMEM;

    if (notes && text && json_object_set_new(notes, "calibration", json_string(text)) == 0)
        st = model_new(model_network(before), model_preprocess(before), model_params(before),
                       json_incref(notes), &after, r->err);
    free(text);
    json_decref(notes);
    if (st != ST_OK)
        return error_set(r->err, st, "the kept model cannot be calibrated: %s", status_text(st));
    model_unref(before);
    r->result->model = after;
    scores_recalibrate(&r->kept_validation, after);
    return ST_OK;
}

enum status run_calibrate(struct run *r)
{
    struct train_result *result = r->result;
    struct calibration_fit f = { .calibration = CALIBRATION_IDENTITY, .loss_before = NAN, .loss_after = NAN };
    enum status st = r->config->calibrate ? fit(r, &f) : ST_OK;

    result->calibration = f.calibration.method;
    result->calibration_loss_before = f.loss_before;
    result->calibration_loss_after = f.loss_after;
    if (st == ST_OK && f.calibration.method != CALIBRATION_NONE)
        st = put(r, &f.calibration);
    return st;
}
