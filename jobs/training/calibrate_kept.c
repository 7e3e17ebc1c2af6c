/* jobs/training/calibrate_kept.c - the kept model gets the calibration that its validation rows ask for. */
#include "calibrate.h"
#include "run.h"

#include <math.h>
#include <stdlib.h>

static enum status fit(const struct run *r, struct calibration_fit *ret)
{
    const struct scores *s = &r->kept_validation;
    double log_odds[MAX_LABELS];
    enum status st;

    run_base_log_odds(r, log_odds);
    st = calibrate(
        &(struct calibration_rows){ s->n, s->labels->n, s->logits, s->truth, s->patients, log_odds }, ret);
    return st == ST_OK ? ST_OK : error_nomem(r->err);
}

static enum status put(struct run *r, const struct calibration *c)
{
    char *text = calibration_text(c, r->net->n_labels);
    const enum status st = run_add_note(r, "calibration", text);

    free(text);
    if (st == ST_OK)
        scores_recalibrate(&r->kept_validation, r->result->model);
    return st;
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
