/* include/cxrd/scoring.h - a model on the pictures of a data set, without any training: each is scored through the same door as a
 * prediction, and in a validation the scores are held against what the table says.
 *
 * A validation's rows are "test" rows in the words of a training: none of them has taught the model anything here or chosen its
 * thresholds. All that reads a training's figures, scores or report reads these. */
#ifndef CXRD_SCORING_H
#define CXRD_SCORING_H

#include "cxrd/trainer.h"

struct score_config {
    struct train_config data; /* of it what says which data: see score_config_parse() */
    bool validates;           /* else the scores are all that is made */
    char model[CONFIG_TEXT];  /* its id; "": not said */
    char profile
        [CONFIG_TEXT]; /* of a validation: the id of a profile that is held against the rows beside the active one; "": none */
    char rows[CONFIG_TEXT]; /* a list of the pictures that are scored; "": all of the table */
    struct site_words site;
    struct labels named; /* the findings that `labels` names, in its order; settled into site.asked */
};

/* Parse a request: "dataset", "model", "profile", "rows", "labels", "other_words" and those fields of a training that say what the data are.
 * As train_config_parse(). A job that is already in the store is read the same way. */
MUST_USE enum status score_config_parse(const json_t *object, bool validates, struct score_config *ret,
                                        json_t *errors);
json_t *score_config_json(const struct score_config *c); /* every field, resolved; NULL without memory */

/* Let it be about the findings of a model, and name in `errors` what does not fit it. */
void score_config_settle(struct score_config *c, const struct model *m, json_t *errors);

struct score_request {
    const struct score_config *config; /* settled by the model */
    const struct model *model;
    const char *model_sha256; /* of its file */
    const char *datasets, *cache_folder;
    uint64_t cache_bytes;
    size_t threads;
    enum pool_class class;
    const char *csv_sha256; /* what the table must still be; NULL: anything */
    const char *partial;    /* where it is kept what has been scored, to go on from; NULL: nowhere */
    const char *scores;     /* where the scores of all rows go */
    const char *patients;   /* where it is written whose rows are scored, see train_request */

    /* Names of pictures that the model may have learned from or been chosen by, one a line; NULL: not known. */
    const char *learned;
    size_t learned_size;
    struct patients
        *learned_patients; /* and patients of this data set who have such a picture; NULL: not known */
};

struct score_result {
    struct train_result as_training; /* what a training would have, of its test rows */
    uint64_t has;                    /* findings that the table has, and so are scored */
    bool in_common_known;
    struct in_common {
        size_t pictures, patients, rows; /* rows: with such a picture, or of such a patient */
    } in_common;
    json_t *unusable; /* [{"image","detail"}]: pictures that could not be scored, the first ones; owned */
};

enum { MOST_UNUSABLE_SHOWN = 100 };

/* Run it, in the calling thread and the threads of its own pool. *ret_result is filled as far as it came; release it in any case. Of
 * the observer `cancelled`, `phase`, `dataset` and `step` are called.
 * Errors: train_run()'s of the data; ST_UNUSABLE (a validation's table has none of the model's findings). */
MUST_USE enum status score_run(const struct score_request *request, const struct train_observer *observer,
                               struct score_result *ret_result, struct error *err);
/* Parts of the record: the data as soon as they are known, and the rest in the end. */
void score_record_dataset(json_t *record, const struct train_result *so_far, const struct score_config *c);

struct scored_with {
    const char *id, *sha256; /* of the model; the id may be NULL. Of its file */
    const struct model *m;
    const char *scores_sha256; /* of the file of scores */
    const json_t *tables,
        *datasets; /* digests and names of what it, and the models that it began from, were trained with */
    bool unknown;  /* that is not all of it, or not known to the picture */
};
void score_record(json_t *record, const struct score_result *result, const struct score_config *c,
                  const struct scored_with *with);

void score_result_release(struct score_result *r); /* safe on zeroes */

#endif
