/* jobs/training/run.h - one training, passed from phase to phase; what the files of this folder share of it.
 *
 * trainer.c is the spine: scan.c, prepare.c, epochs.c (with step.c) and finish.c are its phases, in this order. The whole way:
 * docs/internals/data.md. */
#ifndef JOBS_TRAINING_RUN_H
#define JOBS_TRAINING_RUN_H

#include "balance.h"
#include "batches.h"
#include "cxrd/principal.h"
#include "cxrd/rng.h"
#include "cxrd/trainer.h"
#include "cxrd/training.h"
#include "evaluate.h"
#include "score_reference.h"

/* A generator for each use: drawing more for one does not change another. */
enum {
    STREAM_WEIGHTS = 1,
    STREAM_BATCHES,
    STREAM_VALIDATION,
    STREAM_DROPOUT = 5 /* 4 was another's */,
    STREAM_TEST
};

enum { MAX_BATCH = 256, AGREE_STEPS = 100 /* from one look at the weights of all ranks to the next */ };

/* The sums of an epoch. */
struct running {
    size_t begun;    /* 1 from an epoch's first step to its end, 0 between two epochs */
    double loss_sum; /* of what is known, over all findings: see balance_unweighted_loss() */
    size_t images, top5_hits, top5_rows;
    double started, seconds; /* training only */
    size_t known;            /* findings of these pictures of which it is known whether they are there */
};

/* Everything a run holds, in the order in which it comes to be. */
struct run {
    const struct train_config *config;
    const struct train_request *request;
    const struct train_observer *observer;
    struct train_result *result;
    struct error *err;
    struct ranks *ranks; /* borrowed; NULL: this process is alone */

    char root_path[2 * CONFIG_TEXT + 512]; /* of the data set */
    int root;                              /* its descriptor */
    struct table table;
    struct picture_files *files;
    struct rows used, normal; /* rows to learn from; normal chests to test with */
    struct split split;
    int base_split; /* the part whose base rates a model is held against: TRAIN, but see scoring.c */
    struct image_cache *cache;
    struct patients *patients; /* who is to be left out, owned; NULL: nobody is asked */
    bool *left_out;            /* [table.n_rows]: their rows */
    bool patients_written;     /* request->patients_path is this run's, and not that of one before */
    bool *unusable;            /* [table.n_rows]: pictures that were found but could not be decoded */
    uint64_t *pixels;          /* [table.n_rows]: see struct picture_facts, of rows looked at */
    uint32_t *codes;           /* the same */
    struct decoder *decoder;   /* of pictures that are no PNG */
    struct pictures pictures;
    struct pool *pool;
    struct scorer *scorer;

    const struct network *net;
    struct inputs inputs;      /* that the network takes beside the picture */
    struct model *alone;       /* the regression on them, see run_fit_inputs(); owned; NULL: none */
    struct transfer *transfer; /* the head is fitted to features, see transfer.h; owned; NULL: it is not */
    struct preprocess pre;
    struct training *training;
    struct adam adam;
    float *average; /* of all values of the network, see ema_update(); owned; NULL: none is kept */
    struct rng batch_rng, validation_rng;
    struct order order; /* of the training rows */
    struct batch batch;
    struct balance balance;
    float batch_inputs[MAX_BATCH * N_INPUT_NUMBERS];
    float weights[MAX_BATCH * MAX_LABELS]; /* of the batch's terms in the loss; 0: not known */

    bool trained;                     /* training is over: nobody is asked any more whether it is enough */
    size_t n_epochs, steps_per_epoch; /* of epochs that are no regression, see run_regresses() */
    size_t images_done, images_total; /* progress: pictures to be trained on, validated and scored */
    size_t
        images_given_up; /* of them those of epochs that a cancelled run does not see any more: not in the total */
    uint64_t *reports;       /* [epochs][words]: room for the epochs' reports as a checkpoint has them */
    double started, elapsed; /* training and all after it; what a checkpoint says has passed */
    struct train_progress progress;
    struct running sums;           /* of the present epoch */
    struct scores kept_validation; /* of the kept model */
    struct tried tried;            /* validation pictures, by the gate; owned */
    struct input_gate *gate;       /* of the training pictures, owned; NULL: too few of them */
};

/* ---- the phases; each leaves *r as the next one needs it ---- */
MUST_USE enum status run_scan(struct run *r);     /* table, filter, files */
MUST_USE enum status run_look(struct run *r);     /* pictures: opened, looked at */
MUST_USE enum status run_split(struct run *r);    /* which rows train, validate, test */
MUST_USE enum status run_prepare(struct run *r);  /* everything that training needs is made ready */
MUST_USE enum status run_train(struct run *r);    /* epochs of steps, each with its validation */
MUST_USE enum status run_evaluate(struct run *r); /* the kept model on all rows of each set */

/* The patients whose rows are not used (leave_out.c): asked anew, into r->patients and r->left_out. Errors: those of the observer, ST_NOMEM. */
MUST_USE enum status run_ask_patients(struct run *r);

/* After the split: write whose rows are used. False in *ret_final: somebody was added since they were asked about, so that the rows have to
 * be shared out again. Errors: ST_CONFLICT (rows of someone who is to be left out were used before this run was interrupted),
 * ST_IO, ST_NOMEM. */
MUST_USE enum status run_write_patients(struct run *r, bool *ret_final);

/* Take those rows out of the normal chests, and out of the first rows of the table that a record shows. */
void run_leave_out(struct run *r);

/* Make the way from a row to its picture, and the threads: `pictures`, `pool` and what they need. The first of run_look(). */
MUST_USE enum status run_open(struct run *r);

/* Let go of all of it. */
void run_close(struct run *r);

/* Figures, the file of scores and curves of a set of rows, into the result. */
MUST_USE enum status run_evaluate_set(struct run *r, int set, const struct scores *s);

/* How many rows there are, and whose, once the split is made. ST_NOMEM. */
MUST_USE enum status run_count_flow(struct run *r);

/* A list of pictures of the data set's folder. Errors: ST_NOTFOUND, ST_LIMIT, ST_IO. */
struct file_bytes;
MUST_USE enum status run_list_load(struct run *r, const char *name, struct file_bytes *ret);

/* Look at the pictures of `rows`; none where none is looked at. A picture that is no good is marked and counted. Errors: what
 * lies outside of the data, ST_CANCELLED, ST_NOMEM. */
MUST_USE enum status run_look_at(struct run *r, const struct rows *rows);

/* The logistic regression of each finding on the inputs of the training rows, as a model: what they say without a picture.
 * The head begins at it, a job without pictures ends with it, and a network is held against it. Errors: ST_NUMERIC (inputs
 * that are not finite), ST_NOMEM. */
MUST_USE enum status run_fit_inputs(struct run *r);

/* Score the same rows with it, and hold the kept model's scores against its own. Errors: scorer_run()'s. */
MUST_USE enum status run_inputs_alone(struct run *r, const struct scores *s, struct inputs_alone *ret);

/* Whether an epoch, counted from 1, is the regression of a job without pictures, or of one that transfers: one step. */
bool run_regresses(const struct run *r, size_t epoch);

/* The result. */
const struct model *run_regression(const struct run *r);

/* The learning rate of a step of the run, counted from 0; the backbone has its share of it. */
double run_learning_rate(const struct run *r, uint64_t step);

/* All that changes between a gradient and the next: weights, the optimiser's means, the average. */
MUST_USE enum status run_optimise_begin(struct run *r); /* from the first weights on; ST_NOMEM */
void run_optimise(struct run *r);                       /* one step along the gradient */
void run_optimise_end(struct run *r); /* lets go of the means and the average; safe on none */

/* The values that an epoch is validated on and that are kept: the weights, or their average. */
const float *run_values(const struct run *r);

/* The mean loss of what is known so far; NaN where nothing is. */
double run_mean_loss(const struct run *r, const struct running *e);

/* That all ranks have the same: after the scan the table and the pictures that are there; once the split is made, that; between two steps the
 * weights, as their digest. Errors: ST_CONFLICT (it names those that differ), those of ranks, ST_NOMEM. */
MUST_USE enum status run_agree_table(struct run *r);
MUST_USE enum status run_agree_split(struct run *r);
MUST_USE enum status run_agree_weights(struct run *r);

/* One batch, one change of the weights. After ST_CANCELLED and ST_IO it is as if it had not begun. */
MUST_USE enum status run_step(struct run *r, struct running *e);

/* ---- what several of them use; run.c, and gate.c, prepare.c, annotate.c, incumbent.c ---- */
MUST_USE enum status run_gate_fit(struct run *r);           /* r->gate */
MUST_USE enum status run_gate_try(struct run *r, int part); /* on pictures of that part: result->gate */
bool run_cancelled(const struct run *r);
size_t run_unusable(const struct run *r); /* pictures that were found and are no good, so far */
MUST_USE enum status run_check_cancelled(const struct run *r); /* ST_CANCELLED */
struct interruption run_interruption(struct run *r); /* the same question, for whoever knows no run */
void run_tell_phase(const struct run *r, enum train_phase phase);
void run_tell_dataset(struct run *r); /* the result's `dataset` is known */
void run_tell_progress(struct run *r);

/* Validation rows that an epoch scores; test rows that the evaluation does. */
size_t run_validation_rows(const struct run *r);
size_t run_test_rows(const struct run *r);

/* The cost of a picture that is trained on, in forward passes: about. */
size_t run_step_cost(const struct run *r);

size_t run_scored_rows(const struct run *r); /* rows that the kept model is evaluated on, of all sets */

/* How often each finding occurs among the rows of `base_split` of which that is known, [labels]; never 0 or 1, since no data make anything certain: a finding that
 * none has, or all have, occurs as if half a row of one more were the other way. A rate of 0 would cost a test row 16 nats, and
 * a few such rows would prove that any model has learned. */
void run_base_rates(const struct run *r, double *rates);

/* The log-odds of all of them with half a row more of either kind, and so finite. */
void run_base_log_odds(const struct run *r, double *ret);

/* The kept model once more, with a text in its notes. Errors: model_new()'s; ST_NOMEM also for a text that is NULL. */
MUST_USE enum status run_add_note(struct run *r, const char *key, const char *text);

/* Whom the training has seen: "all", or "findings-only" when it had no normal chest, nor had the model it began with. */
const char *run_population(const struct run *r);

/* Which rows the training sees and what it knows of those before it, as the weights say it (DATA_NOTE), for free(); NULL
 * without memory. */
char *run_data_text(const struct run *r);

/* Write what the evaluation found into the kept model's notes. Errors: ST_NOMEM. */
MUST_USE enum status run_annotate(struct run *r);

/* Into the result: what predicting the base rates for everyone scores on the rows that the kept model was validated on.
 * Errors: ST_NOMEM. */
MUST_USE enum status run_baseline(struct run *r);

/* Rows that an incumbent will be scored on, if there is one. */
size_t run_incumbent_rows(const struct run *r);

/* After the kept model has scored these: score the observer's incumbent on the same rows and compare the two, if the job is
 * to be promoted by figures. Errors: scorer_run()'s. */
MUST_USE enum status run_incumbent(struct run *r, const struct scores *validation,
                                   const struct scores *normal);

/* A map of test rows (embedding.c): which of `rows` and room for what the kept model's head reads of their pictures; and, when
 * these are there, the map itself into the result's plots. Nothing where the job does not ask for it.
 * Errors: ST_CANCELLED, ST_NOMEM. */
MUST_USE enum status run_pick_features(const struct run *r, const uint32_t *rows, size_t n,
                                       struct features *ret);
MUST_USE enum status run_embed(struct run *r, struct features *f);

/* The run's progress and cancellation. */
struct scoring_hooks run_hooks(struct run *r);

/* Score rows with a model, with the run's progress and cancellation.
 *   features  see scorer_run(); run_score() has none
 * Errors: scorer_run()'s. */
MUST_USE enum status run_score_by(struct run *r, struct scorer *scorer, const struct model *m,
                                  const uint32_t *rows, size_t n, struct features *features,
                                  struct scores *ret);
MUST_USE enum status run_score(struct run *r, const struct model *m, const uint32_t *rows, size_t n,
                               struct scores *ret);

#endif
