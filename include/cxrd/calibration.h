/* include/cxrd/calibration.h - the last step from a logit to a probability: probability = sigmoid(scale * logit + shift).
 *
 * Fitted on validation rows after training (jobs/training/calibrate.h) and stored in the weights' metadata under
 * "calibration"; without it, scale is 1 and shift 0. A scale is above 0, so the order of a finding's scores, and with it
 * its AUROC, stays. Two ways to fit, one form:
 *   temperature  one scale for all findings; logits move towards or away from the training rows' log-odds b:
 *                b + scale * (logit - b). Guo et al., ICML 2017, whose scores have no base rates to move towards
 *   platt        a scale and a shift for each finding (Platt, 1999)
 * A third is not fitted here; models of others bring it along:
 *   thresholds   for each finding a probability in 0..1 that becomes 0.5, the ones below and above it stretched to what is left
 *                on their side: p < t ? p / (2 t) : 1 - (1 - p) / (2 (1 - t)). torchxrayvision's op_norm() (Cohen et al., MIDL 2022) */
#ifndef CXRD_CALIBRATION_H
#define CXRD_CALIBRATION_H

#include "cxrd/labels.h"
#include "cxrd/status.h"

enum calibration_method {
    CALIBRATION_NONE,
    CALIBRATION_TEMPERATURE,
    CALIBRATION_PLATT,
    CALIBRATION_THRESHOLDS
};

struct calibration {
    enum calibration_method method;
    float scale[MAX_LABELS], shift[MAX_LABELS]; /* [labels], the rest is not read */
    float threshold[MAX_LABELS];                /* between 0 and 1; of CALIBRATION_THRESHOLDS alone */
};

extern const struct calibration CALIBRATION_IDENTITY;

const char *calibration_name(enum calibration_method m); /* "none", "temperature", "platt", "thresholds" */

/* logits [n][n_labels] -> probabilities [n][n_labels]. */
void calibration_apply(const struct calibration *c, size_t n, size_t n_labels, const float *logits,
                       float *ret_prob);

/* As the metadata has it: {"method":…,"scale":[n_labels],"shift":[n_labels]}, and "threshold" with that method; numbers that read back as the same float32. The caller
 * owns the text (free()); NULL without memory. */
char *calibration_text(const struct calibration *c, size_t n_labels);

/* Errors: ST_FORMAT (the sentence says what is wrong). */
MUST_USE enum status calibration_parse(const char *text, size_t n_labels, struct calibration *ret,
                                       struct error *err);

#endif
