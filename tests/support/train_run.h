/* tests/support/train_run.h - trainings of the tiny data set, each with an observer that keeps what it was told.
 *
 * A suite that uses it says .init = train_begin, .fini = train_end: each test has a folder of data sets of its own. */
#ifndef TESTS_TRAIN_RUN_H
#define TESTS_TRAIN_RUN_H

#include "cxrd/trainer.h"
#include "scores_file.h"

extern char *datasets; /* of the running test */

void train_begin(void);
void train_end(void);

enum { MAX_STEPS = 256, MAX_PHASES = 8, N_EPOCHS = 16 };

/* The calls that an observer saw. */
struct seen {
    size_t n_phases, n_steps, n_datasets, n_epochs, asked;
    enum train_phase phases[MAX_PHASES];
    struct train_progress steps[MAX_STEPS]; /* those of training */
    struct epoch_report epochs[N_EPOCHS];
    struct baseline baseline; /* told with the last of them */
    double progress;          /* the last */
    size_t cancel_at;         /* the question that is answered with yes; 0: none */
    size_t enough_after;      /* epochs; 0: never */
    size_t enough_asked;      /* how often, after training too */
    bool cancel_evaluation;   /* whether it is cancelled for good when it evaluates */
    void (*after_epoch)(size_t epoch);
};

/* A run and its end. */
struct trial {
    struct train_config config;
    const struct model *init;
    const char *cache;
    json_t *notes;
    struct seen seen;
    struct train_result result;
    enum status st;
    struct error err;
};

/* With r->config and what else is set in it; the end is in r->st and r->err. */
void run_once(struct trial *r);
void run_release(struct trial *r);

/* Train on the tiny data set as `changes` say; it must succeed. */
struct trial trained(const char *changes);

/* The scores of a set, see scores_file.h. */
struct scores_file scores_of(const struct trial *r, int set);

const float *params_of(const struct trial *r);
size_t n_params(const struct trial *r);
bool same_weights(const struct trial *a, const struct trial *b);

/* Which of the tiny rows trained: those that neither scores file names. [n_rows], the caller's to free. */
bool *training_rows(const struct trial *r, size_t n_rows, size_t *ret_n);

/* Counts of each finding among the training rows; returns how many rows there are. */
size_t training_counts(const struct trial *r, size_t n_rows, double counts[N_NIH_LABELS]);

/* The same as base rates: with half a row more of either kind where none or all have the finding. Returns how many rows. */
size_t training_rates(const struct trial *r, size_t n_rows, double rates[N_NIH_LABELS]);

/* `found` differs from `expected` by no more than the share `relative` of it. */
void check_near(const char *what, double found, double expected, double relative);

/* A learning rate at which weights do not move: then what is left to differ is which rows were used. */
#define STILL "\"learning_rate\":1e-9,\"steps_per_epoch\":1,\"split_by\":\"image\",\"patience\":0"

/* So high a rate that losses jump about: the best epoch is not always the last. */
#define JUMPY "\"epochs\":6,\"steps_per_epoch\":2,\"learning_rate\":0.1,\"lr_schedule\":\"constant\""

#endif
