/* include/cxrd/trainer.h - the whole pipeline, from a table and a folder of PNGs to a trained model.
 *
 * One call, train_run(), in the calling thread and the threads of its own pool. It knows no database and no HTTP:
 * the server's jobs and `cxrd train` are two observers of the same run. */
#ifndef CXRD_TRAINER_H
#define CXRD_TRAINER_H

#include "cxrd/buf.h"
#include "cxrd/decision.h"
#include "cxrd/estimate.h"
#include "cxrd/groups.h"
#include "cxrd/input_gate.h"
#include "cxrd/metrics.h"
#include "cxrd/model.h"
#include "cxrd/operating_points.h"
#include "cxrd/patients.h"
#include "cxrd/pool.h"
#include "cxrd/ranks.h"
#include "cxrd/train_config.h"

/* In the order of a training. */
enum train_phase {
    PHASE_SCANNING,
    PHASE_SPLITTING,
    PHASE_CACHING,
    PHASE_TRAINING,
    PHASE_EVALUATING,
    PHASE_SAVING,
    PHASE_SCORING /* of a job that does not train, after PHASE_SCANNING */
};
extern const char *const PHASE_NAMES[]; /* "scanning" … */

/* Where a run is; told after every step. */
struct train_progress {
    double progress;              /* 0..1, by pictures */
    double eta_s;                 /* seconds left, estimated; -1 while there is no estimate */
    size_t epoch, step, steps;    /* from 1; 0 before training */
    double loss, images_per_s;    /* running, of this epoch */
    uint64_t images;              /* trained on since the run began, or was resumed */
    bool validated;               /* an epoch has ended since: */
    double val_auroc[MAX_LABELS]; /* its validation, [labels]; NaN where not defined */
};

struct epoch_report {
    size_t epoch;                                        /* from 1 */
    double loss, top5_accuracy;                          /* running means while the weights move */
    double val_loss, val_top5_accuracy, val_macro_auroc; /* NaN where not defined */
    double images_per_s, seconds;
    double learning_rate;         /* of its last step; NaN where there are no steps */
    double val_auroc[MAX_LABELS]; /* [labels]; NaN where not defined */
};

/* One finding on one set of rows; NaN where not defined. Measures of ranking need a positive and a negative row. */
struct finding_report {
    size_t positives, positive_patients; /* rows, and whose they are */
    size_t unknown; /* rows of which it is not known whether they have it: of no figure */
    double prevalence, predicted_mean;
    struct estimate auroc; /* of ranking */
    double average_precision;
    struct estimate brier;                     /* of the probability itself */
    double ece, ece_expected, ece_expected_sd; /* the last two: of a model without a fault, see metrics.h */
    double base_rate, baseline_brier;          /* among the training rows; of predicting it for everyone */
    struct operating_report {
        double threshold;
        struct estimate sensitivity, specificity; /* of ranking */
        struct estimate positive_rate;            /* rows at or above it; false positives on normal chests */
        struct estimate ppv, npv; /* of the rows at or above it, those with the finding; below, without */
    } operating[N_OPERATING];
};

/* The scores of predicting the training rows' base rates for everyone. */
struct baseline {
    double loss, top5_accuracy, macro_brier;
};

/* How right whole rows are: means over the rows of the measures of metrics.h. NaN where not defined. */
struct by_sample {
    size_t no_finding; /* rows without any */
    struct estimate order[N_SAMPLE_MEASURES - N_CALL_MEASURES];
    struct sample_point {
        size_t thresholds; /* findings that have one, and so can be called */
        struct estimate measure[N_CALL_MEASURES];
    } operating[N_OPERATING];
    double baseline[N_SAMPLE_MEASURES]; /* findings in the order of the base rates, and none called */
};

struct evaluation {
    size_t rows, patients;
    struct estimate loss; /* mean over rows and findings */
    double top5_accuracy;
    struct mean_report { /* NaN where not defined */
        double auroc, average_precision, brier, ece, ece_expected, ece_expected_sd;
    } macro, micro; /* mean over the findings that have one; all rows and findings as one column */
    struct estimate macro_auroc, macro_brier; /* those of `macro`, with their errors */
    struct baseline baseline;
    struct estimate loss_gain;                  /* the base rates' loss less the model's, row by row */
    struct finding_report findings[MAX_LABELS]; /* [labels] */
    struct by_sample by_sample;
    struct inputs_alone {
        bool known;                            /* false: the model takes none, or nothing besides */
        struct estimate loss, macro_auroc;     /* of the inputs' logistic regression, on the same rows */
        struct estimate loss_gain, auroc_gain; /* what the model gains over it: of pairs, by patient */
    } inputs_alone;
};

/* An AUROC of the job's model and of the one that it is held against, on the same rows; NaN where not defined. */
struct compared {
    double candidate, active;
    struct estimate gain; /* candidate - active: of pairs, by patient */
    double p;             /* two-sided, of a gain that is 0 (Student's t); NaN where the gain has no error */
};

/* The rows are those that validated the job, and the normal chests that it left out, if any. `macro` is of the findings whose
 * gain has an interval: whose positive rows, and negative ones, are of two patients at least. */
struct comparison {
    size_t rows, normal_rows, patients;
    bool narrower; /* the active model has seen normal chests, the candidate has not */
    struct compared macro, findings[MAX_LABELS]; /* [labels] */
};

/* The input gate on validation pictures as they are: every warning is a false alarm. */
struct gate_report {
    size_t rows; /* pictures that were tried; 0: the model has no gate */
    double threshold;
    size_t warned, by_code[N_GATE_CODES];
};

/* The sets of rows that a trained model is scored on. */
enum {
    SCORED_VALIDATION,
    SCORED_TEST,
    SCORED_NO_FINDING,
    N_SCORED,
    SCORED_ALL = N_SCORED /* of files: everything in one */
};
extern const char *const SCORED_NAMES[N_SCORED]; /* "validation", "test", "no_finding" */

enum { MAX_EPOCHS = 1000 };

enum incumbent {
    INCUMBENT_NONE,
    INCUMBENT_SCORED,
    INCUMBENT_FAILED,        /* no numbers, or not of the same rows */
    INCUMBENT_OTHER_FINDINGS /* it does not answer for the same findings */
};

struct train_result {
    struct labels labels; /* of all that is [labels] */
    struct dataset_report dataset;
    bool has_dataset; /* the table has been read and split */
    bool began_again; /* a checkpoint was damaged, so nothing was gone on from, then or in a run before */
    size_t n_epochs;
    struct epoch_report *epochs; /* [n_epochs], owned */
    struct model *model;         /* the kept one, owned; NULL: none was made */
    bool evaluated;              /* the kept model was: scores, figures and curves are there */
    size_t kept_epoch;
    double validation_loss, top5_accuracy; /* of the kept model's epoch, before calibration */
    struct baseline baseline;              /* of the base rates on the same rows */
    enum calibration_method calibration;   /* that the kept model carries */
    double calibration_loss_before,
        calibration_loss_after;        /* on validation rows; after: that the fit has not seen */
    struct operating_points operating; /* chosen on validation */
    struct evaluation evaluation[N_SCORED];
    struct groups groups;       /* of the test rows */
    struct decisions decisions; /* the same */
    struct gate_report gate;
    enum incumbent incumbent;        /* with "if_better", of the observer's incumbent: */
    struct comparison comparison;    /* with it, if it was scored */
    enum lineage incumbent_split;    /* of the incumbent, for this run's split, if it was scored */
    struct buf scores_csv[N_SCORED]; /* header and a line a row, in table order */
    size_t unreadable;               /* pictures that were found but are no good */
    struct slow_rank {               /* made all others wait, see ranks_slow() */
        size_t rank;
        char name[RANKS_TEXT];
        double times;
    } slow[8];
    size_t n_slow;
    json_t *plots; /* what the report's pictures need, an object, owned; jobs/training/plots.h */
};

/* Calls from inside train_run(), all but one in its thread. Any may be NULL. A pointer's target is valid during the
 * call. */
struct train_observer {
    void *arg;
    /* Asked every few pictures, by any thread of the run, one at a time; true ends the run with ST_CANCELLED. */
    bool (*cancelled)(void *arg);
    /* Asked as often until the training is over; true ends it, and with the epoch that is kept so far the run goes on to
     * evaluate it, to end with ST_CANCELLED all the same. Without a finished epoch it ends at once. */
    bool (*enough)(void *arg);
    bool (*will_resume)(
        void *arg); /* asked once after that, or a fault: will it go on later? NULL: it will */
    /* With a checkpoint, before training: the epochs that have been trained already, none for a new run, with any the
     * baseline, and whether it began again. */
    void (*resumed)(void *arg, const struct train_result *so_far);
    void (*phase)(void *arg, enum train_phase phase);
    void (*dataset)(void *arg, const struct train_result *so_far); /* its `dataset` is known */
    void (*step)(void *arg, const struct train_progress *progress);
    /* An epoch is over; with what the base rates score on the rows that the model kept so far was validated on. */
    void (*epoch)(void *arg, const struct epoch_report *report, const struct baseline *baseline);
    /* The patients who are to be left out, by now: asked before pictures are looked at, when rows are shared out, and once more when the
     * file of their patients is written. NULL: nobody is.
     *   ret_patients  the run's own */
    enum status (*patients)(void *arg, struct patients **ret_patients, struct error *err);
    /* The model to compare with, when the new one is evaluated: borrowed to the end of the run; NULL: none. */
    const struct model *(*incumbent)(void *arg);
};

struct train_request {
    const struct train_config *config; /* resolved: `dataset` is set */
    const char *datasets;              /* the folder that holds data sets */
    const char *cache_folder;          /* NULL: pictures are decoded in every epoch */
    uint64_t cache_bytes;
    const struct model *init; /* to start from; NULL: initial weights by the recipe */
    size_t threads;
    enum pool_class class;
    struct ranks *
        ranks; /* that train together, each by such a call with the same job and data; NULL: this process is alone. Files are
                            written by rank 0, and its checkpoint is that of all */
    json_t *notes; /* strings for the weights' metadata, borrowed; NULL is fine */

    /* A run that survives: with `checkpoint` it goes on from that file where there is one, and replaces it at the end
     * of every epoch and when it is cancelled or the data cannot be read; whoever asked for the run removes the file. It
     * ends with the weights that it would have had uninterrupted, bit for bit; see train_threads(). */
    const char *checkpoint;                /* NULL: none */
    const char *csv_sha256, *split_sha256; /* what the data must still be; NULL: anything */

    const struct site_words
        *site; /* of a table that need not have all findings, see table_source; NULL: it must */

    /* Where the rows of all splits go with what the kept model says of them (jobs/training/scores_file.h), for which those that
     * trained it are scored too; NULL: nowhere. The caller removes it where the run comes to nothing. */
    const char *scores_path;

    /* The file of the patients whose rows are used (cxrd/patients.h), where the observer has `patients`; NULL: none is written. The caller of
     * the run removes it with the job. One that is there already was written by this run before it was interrupted: it does not go on
     * where somebody of them is to be left out since. */
    const char *patients_path;
};

/* Run it. *ret_result is filled as far as the run came, even when it fails; release it in any case.
 * Errors: ST_NOTFOUND (no such data set or table), ST_FORMAT (also: of the checkpoint), ST_LIMIT (a table, a list or a
 * folder that is too large), ST_UNUSABLE (no usable row or no picture; the sentence says which), ST_CONFLICT (the data, or
 * the checkpoint's configuration, are no longer those that were asked for), ST_CANCELLED (with what was kept, where `enough` said so), ST_NUMERIC (the loss is not
 * finite), ST_IO (also: a picture that cannot be opened, a rank that is not heard of), ST_NOMEM; with ranks what another of them failed of. After those of status_is_outside() another call may go on
 * from the checkpoint. */
MUST_USE enum status train_run(const struct train_request *request, const struct train_observer *observer,
                               struct train_result *ret_result, struct error *err);

/* How many processes decode JPEG and DICOM for a run of so many threads. */
size_t train_decoders(size_t threads);

/* Whether the kept model's validation loss is below that of the base rates. Without that it is no model to put to work. */
bool train_beats_base_rates(const struct train_result *r);
void train_result_release(struct train_result *r); /* safe on zeroes */

/* The model that the run behind a checkpoint would have kept so far, and how good it was.
 * Errors: ST_NOTFOUND (no such file, or no epoch was finished), ST_FORMAT (it is damaged), ST_CONFLICT (it is no checkpoint, or of another
 * version), ST_LIMIT, ST_IO, ST_NOMEM. */
struct checkpoint_figures {
    size_t kept_epoch;
    double validation_loss, top5_accuracy;
};
MUST_USE enum status checkpoint_best(const char *path, struct model **ret_model,
                                     struct checkpoint_figures *ret_figures, struct error *err);

/* Whether the kept model says anything that the base rates do not: their loss less its own, paired by row and clustered by
 * patient, on the test split, or on validation where there is no test row.
 *   ret_set  the scored set that it goes by */
enum learning { LEARNING_NOT_KNOWN, LEARNING_LEARNED, LEARNING_WORSE };
extern const char *const LEARNING_NAMES[]; /* "not_known", "learned", "worse" */
enum learning learning_of(const struct train_result *result, int *ret_set);

/* ---- the parts of a job record, new references ---- */
json_t *dataset_json(const struct dataset_report *report, const struct train_config *config);
/* [{"code":…,"detail":…},…]: the warnings of the data and of the checkpoint, as soon as both have been read; and with those of
 * the figures, when a run has ended. */
json_t *start_warnings(const struct train_result *so_far);
json_t *result_warnings(const struct train_result *result);
json_t *epoch_json(const struct epoch_report *report, size_t n_labels);
json_t *current_json(const struct train_progress *p); /* `current`: where the training is; NULL before it */
json_t *calibration_json(const struct train_result *result);
json_t *transfer_json(const struct train_result *result); /* null where the head was fitted to no features */
json_t *evaluation_json(const struct train_result *result); /* of all scored sets */
json_t *metrics_json(const struct train_result *result);    /* its short form, for the weights' metadata */
json_t *environment_json(size_t threads);

/* How many threads a job uses that goes on or is run again: as many as there are `here`; without shards those that its record
 * names, since its sums are rounded otherwise with any other number. record: NULL for a new job. */
size_t train_threads(const struct train_config *c, const json_t *record, size_t here);
json_t *number_or_null(double v); /* null for NaN and infinity */

#endif
