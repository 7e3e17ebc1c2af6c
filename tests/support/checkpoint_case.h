/* tests/support/checkpoint_case.h - trainings of the tiny data set that are interrupted and go on, or must not.
 *
 * A suite that uses it says .init = checkpoint_begin, .fini = checkpoint_end: each test has a folder of its own. It trains
 * tiny_graph(), of which a hundred trainings take seconds; a test to which the network matters says train_cnn4(). */
#ifndef TESTS_CHECKPOINT_CASE_H
#define TESTS_CHECKPOINT_CASE_H

#include "cxrd/file.h"
#include "cxrd/trainer.h"

extern char *case_folder, case_datasets[4096], checkpoint[4096]; /* of the running test */

enum { CASE_ROWS = 24, CASE_NORMAL = 4 };

void checkpoint_begin(void);
void checkpoint_end(void);

/* From here on trainings begin with cnn4 at random. */
void train_cnn4(void);

/* A run, where it is to be interrupted, and what it told. */
struct trial {
    struct train_config config;
    const struct model *init;
    const char *checkpoint, *csv_sha256, *split_sha256;
    size_t threads;        /* 0: two */
    size_t asked, stop_at; /* the question whether it is cancelled that gets a yes; 0: none */
    size_t lose_at;        /* the question at which its pictures go away; 0: none */
    size_t resumed_with, epochs_told;
    double progress;
    bool will_not_resume;
    const char *copy_at_epoch_end; /* the checkpoint as it is then, for a run that is killed right after */
    struct train_result result;
    enum status st;
    struct error err;
};

/* A training that is not begun: tiny_config() with `changes` and what trainings begin with now, with this checkpoint or NULL. */
struct trial trial_of(const char *changes, const char *at);

/* The end is in r->st and r->err. */
void trial_run(struct trial *r);
void trial_release(struct trial *r);

/* trial_of(), run until it is interrupted at the question `stop_at`; 0: to its end. */
struct trial trained(const char *changes, const char *at, size_t stop_at);

/* The first question after which an interrupted run leaves a checkpoint. */
size_t earliest_checkpoint(const char *changes);

/* All pictures to another place, or back. */
void pictures_move(bool away);

/* Not a bit of difference, but in how long it took. */
void check_same_end(const char *what, const struct trial *a, const struct trial *b);

/* Going on from the checkpoint as it is now must fail with a sentence that holds `word`. */
void check_checkpoint_refused(const char *changes, const char *word);

/* A job, and one that differs from it: JOB ",\"seed\":9}". */
#define JOB         "{\"epochs\":3,\"steps_per_epoch\":3,\"patience\":0"
#define INTERRUPTED JOB "}"

/* Its checkpoint after some steps, the caller's to release. */
struct file_bytes interrupted_file(void);

#endif
