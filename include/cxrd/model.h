/* include/cxrd/model.h - a trained network: geometry, weights, and how a picture becomes its input.
 *
 * Immutable once made and counted by reference: any thread may run it, and it goes when the last holder lets go. */
#ifndef CXRD_MODEL_H
#define CXRD_MODEL_H

#include "cxrd/calibration.h"
#include "cxrd/input_gate.h"
#include "cxrd/inputs.h"
#include "cxrd/labels.h"
#include "cxrd/lineage.h"
#include "cxrd/network.h"
#include "cxrd/operating_points.h"
#include "cxrd/precision.h"
#include "cxrd/preprocess.h"
#include "cxrd/status.h"

#include <jansson.h>

struct model;

/* Make a model from its parts; `net` is shared; `labels`, as many as it has logits, `pre` and `params` [n_params + n_state of the network] are copied.
 *   notes  a JSON object of strings that travel in the weights' metadata beside the required keys ("job",
 *          "created_at", "metrics", …); taken over; NULL is fine. "calibration" and
 *          "inputs" are obeyed: see calibration_text() and inputs_text()
 * Errors: ST_FORMAT (a note that is obeyed, or "metrics"; inputs that are not as many as the network takes), ST_NUMERIC
 * (a weight is NaN or infinite, or a variance below 0; the tensor is named), ST_NOMEM.
 * `notes` is gone even then. */
MUST_USE enum status model_new(const struct network *net, const struct labels *labels,
                               const struct preprocess *pre, const float *params, json_t *notes,
                               struct model **ret_model, struct error *err);

/* Another model of the same network and weights, which computes in this precision; one that was just made does in float32.
 * Errors: ST_NOMEM. */
MUST_USE enum status model_in_precision(const struct model *m, enum precision precision,
                                        struct model **ret_model, struct error *err);
enum precision model_precision(const struct model *m);

struct model *model_ref(struct model *m);
void model_unref(struct model *m); /* NULL is fine */

/* Numbers that the head reads of a picture; 0 where it sees none. */
size_t model_features(const struct model *m);

/* All borrowed: valid as long as a reference is held. */
const struct network *model_network(const struct model *m);
const struct labels *model_labels(const struct model *m);         /* of its logits, in their order */
const struct preprocess *model_preprocess(const struct model *m); /* zeroes where it sees no picture */
const float *model_params(const struct model *m);
const json_t *model_notes(const struct model *m); /* an object, maybe empty */

/* The look of its training pictures, as its notes have it (GATE_KEY); NULL: they do not say. */
const struct input_gate *model_gate(const struct model *m);

const struct calibration *model_calibration(const struct model *m);
const struct operating_points *model_operating(const struct model *m); /* OPERATING_NONE without any */

/* The notes on the rows that it was trained on (DATA_NOTE). */
const struct trained_rows *model_trained_rows(const struct model *m);

/* The numbers beside the picture that it takes; none where n is 0. */
const struct inputs *model_inputs(const struct model *m);

/* Whether it is only for a training to begin from: its head was made for labels that it has never seen, and its notes say so
 * (BACKBONE_NOTE is "1"). It must not answer. */
bool model_is_backbone(const struct model *m);
#define BACKBONE_NOTE    "backbone"
#define BACKBONE_REFUSED "the model is only for a training to begin from: its head has learned nothing"

/* Reasons to doubt its figures and answers, [{"code":…,"detail":…}]: lineage_warnings(), and that it repeats what earlier
 * readers wrote where it takes a history. A new reference. */
json_t *model_warnings(const struct model *m);
#define HISTORY_CODE "history"
#define HISTORY_WARNING                                                                                      \
    "the model takes the patient's history, and so repeats what earlier readers wrote: a finding that they " \
    "missed or "                                                                                             \
    "were wrong about is carried on, and it looks better where labels were written with earlier reports at " \
    "hand"

/* Whether it looks at a picture, see network_sees(). One that does not has logits without a session: those of model_bias(),
 * with what model_add_inputs() adds. */
bool model_sees(const struct model *m);
void model_bias(const struct model *m, float *ret_logits); /* [labels] */

/* Add the part of a patient's inputs to the logits of one picture, [labels], as a session gives them. A model without inputs, and
 * values that are not known, add nothing.
 *   ret_part  what was added to each finding's logit; may be NULL
 * Errors: ST_NUMERIC (a sum is not finite; logits holds what came out). */
MUST_USE enum status model_add_inputs(const struct model *m, const struct input_values *values, float *logits,
                                      float *ret_part);

/* logits [n][labels], as a session gives them -> probabilities [n][labels] after the model's calibration, each finding on its
 * own. The only way from one to the other. */
void model_probabilities(const struct model *m, size_t n, const float *logits, float *ret_prob);

#endif
