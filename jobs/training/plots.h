/* jobs/training/plots.h - what the report's pictures need and a record does not hold: collected while table, pictures and
 * scores are at hand, as members of one JSON object.
 *
 *   combinations  [{"labels":[…],"images":n}], the ten commonest, and "other_images"
 *   samples       [{"image","labels","png"}]: pictures of training rows as the network sees them, base64
 *   roc           {"<label>":[[false positive rate, sensitivity],…] or null}
 *   worst         [{"label","positive","probability","image","labels","png","map","map_method"}]: map [rows][columns] in logits,
 *                 map_method as explanation_method_name()
 *   precision_recall      {"<label>":[[recall, precision],…] or null}
 *   reliability_findings  {"<label>":[{"rows","predicted","positive"},…] or null}: ten bins of as many rows
 *   net_benefit   {"<label>":[[threshold, of the model, of treating all],…]}: cxrd/decision.h, 5 to 30 %
 *   tsne          see embedding.c; only where the job asks for it
 *   reliability   {"<split>":[{"rows","predicted","positive"},…]}: ten bins of all findings together */
#ifndef JOBS_TRAINING_PLOTS_H
#define JOBS_TRAINING_PLOTS_H

#include "../dataset/pictures.h"
#include "evaluate.h"

/* The label combinations of some rows. Errors: ST_NOMEM. */
MUST_USE enum status plots_combinations(json_t *plots, const struct table *t, const struct rows *rows);

/* Up to nine of the rows, drawn at random; one that cannot be read is passed over. Errors: ST_IO, ST_NOMEM. */
MUST_USE enum status plots_samples(json_t *plots, const struct pictures *pictures, const struct rows *rows,
                                   uint64_t seed, struct error *err);

/* How often what is predicted with a probability happens. Errors: ST_NOMEM. */
MUST_USE enum status plots_reliability(json_t *plots, const char *split, const struct scores *s);

/* Curves of each finding, on the test rows; plots_curves.c. Errors: ST_NOMEM. */
MUST_USE enum status plots_roc(json_t *plots, const struct scores *s);
MUST_USE enum status plots_precision_recall(json_t *plots, const struct scores *s);
MUST_USE enum status plots_reliability_findings(json_t *plots, const struct scores *s);
MUST_USE enum status plots_net_benefit(json_t *plots, const struct scores *s);

/* Of each finding that has both kinds of rows, or of the REPORT_WORST_FINDINGS that the most rows have where there are more, the row without it that scores highest and the row with it that scores lowest, with
 * the map of where that comes from. `m` sees pictures. Errors: ST_IO, ST_NOMEM. */
MUST_USE enum status plots_worst(json_t *plots, const struct pictures *pictures, const struct model *m,
                                 const struct scores *s, struct error *err);

/* Grey values [size][size] as a PNG in base64, reduced to REPORT_PICTURE_SIDE where they are more: a new reference, or NULL, where
 * there is no memory. plots_picture.c */
json_t *picture_json(uint8_t *grey, size_t size);

/* The names of a row's findings, a new reference. */
json_t *labels_json(const struct table *t, size_t row);

#endif
