/* include/cxrd/lineage.h - which rows a model has learned from, and the models that it began from.
 *
 * A training may begin from a model. Rows are split by the training's own seed and table, so that rows which validate
 * and test it may have taught that model: then AUROC, thresholds and calibration flatter. So every training leaves
 * digests of its rows and of their split in the weights' metadata, under "data", and what it knew of the model before
 * it; here that is read again and compared. Rows are told apart by the names of their pictures. */
#ifndef CXRD_LINEAGE_H
#define CXRD_LINEAGE_H

#include "cxrd/digest.h"
#include "cxrd/status.h"

#include <jansson.h>

#define DATA_NOTE "data" /* the key in the metadata, a JSON object as text */

/* The models before a training, as far as they are known, however far back. Only of the last two it has to be feared that
 * figures flatter. */
enum lineage {
    LINEAGE_NONE,   /* no parent: it began from random weights */
    LINEAGE_SAME,   /* all of them learned, were validated and were tested on the same rows as the training */
    LINEAGE_OTHER,  /* one of them had another split, or other data */
    LINEAGE_UNKNOWN /* one of them does not say */
};
extern const char *const LINEAGE_NAMES[]; /* NULL, "same", "other", "unknown" */

/* A model's notes on the rows that it was trained on. */
struct trained_rows {
    char split_sha256[DIGEST_TEXT_SIZE]; /* dataset_report's; "": it does not say */
    enum lineage before;                 /* of its own training */
};

/* Read it from the metadata's text, NULL for none. A file may say there what it likes: what is not as a training here
 * writes it is not known. Errors: ST_NOMEM. */
MUST_USE enum status trained_rows_parse(const char *text, struct trained_rows *ret);

/* The relation of that model to a training, or to rows that it is scored on, whose rows are split so; never LINEAGE_NONE. */
enum lineage lineage_of(const struct trained_rows *model, const char *split_sha256);

/* Why a training's figures may flatter, one sentence; NULL where there is nothing to fear. */
const char *lineage_warning(enum lineage before);

/* The same as a record, a card and a reply have it, a new reference: [{"code":"init_split","detail":…}], or []. */
json_t *lineage_warnings(enum lineage before);

#endif
