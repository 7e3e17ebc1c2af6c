/* tests/unit/test_checkpoint.c - a training that was interrupted, wherever that was, ends as if it had not been: the
 * same weights and scores bit for bit, the same epochs. Its best epoch can be had without going on. */
#include "checkpoint_case.h"
#include "files.h"
#include "sentence.h"
#include "support.h"
#include "tiny_dataset.h"

#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

TestSuite(checkpoint, .init = checkpoint_begin, .fini = checkpoint_end);

/* ---- the same end ---- */

/* Interrupt a run at every question that it asks, each time from the beginning, and let it go on. Returns how many
 * questions there were. */
static size_t check_every_point(const char *changes)
{
    struct trial whole = trained(changes, NULL, 0);

    for (size_t at = 1; at < whole.asked; at++) {
        struct trial r = trained(changes, checkpoint, at);
        char what[64];

        snprintf(what, sizeof what, "interrupted at question %zu of %zu", at, whole.asked);
        trial_release(&r);
        r = trained(changes, checkpoint, 0);
        check_same_end(what, &whole, &r);
        cr_assert_not(r.result.began_again, "%s: its checkpoint was not believed", what);
        cr_assert_eq(r.resumed_with + r.epochs_told, whole.result.n_epochs,
                     "%s: %zu epochs were known, %zu told", what, r.resumed_with, r.epochs_told);
        trial_release(&r);
        unlink(checkpoint);
    }
    trial_release(&whole);
    return whole.asked;
}

/* Whole epochs with the best kept; a learning rate at which the best is not the last. */
Test(checkpoint, run_that_is_interrupted_anywhere_ends_as_if_it_had_not_been)
{
    const size_t points = check_every_point("{\"epochs\":3,\"steps_per_epoch\":2,\"learning_rate\":0.01,"
                                            "\"patience\":0,\"lr_schedule\":\"cosine\",\"batch_size\":4}");

    cr_assert_geq(points, 5 + 6 + 3 + 3); /* phases, steps, validations, scored sets */
}

/* Its pictures go at any question after they were found, and are there again later. None of them counts as a broken one. */
static void check_every_loss(const char *changes, size_t first)
{
    struct trial whole = trained(changes, NULL, 0);
    for (size_t at = first; at < whole.asked; at++) {
        struct trial r = trial_of(changes, checkpoint);
        char what[64];

        r.lose_at = at;
        snprintf(what, sizeof what, "pictures away at question %zu of %zu", at, whole.asked);
        trial_run(&r);
        pictures_move(false);
        check_refusal(what, r.st, ST_IO, &r.err, "cannot be opened");
        cr_assert_eq(r.result.unreadable, 0, "%s: %zu are called unreadable", what, r.result.unreadable);
        trial_release(&r);
        r = trained(changes, checkpoint, 0);
        check_same_end(what, &whole, &r);
        trial_release(&r);
        unlink(checkpoint);
    }
    trial_release(&whole);
}

Test(checkpoint, run_whose_pictures_are_away_for_a_while_ends_as_if_they_had_been_there)
{
    check_every_loss("{\"epochs\":2,\"steps_per_epoch\":2,\"batch_size\":4,\"patience\":0}", 4);
}

Test(checkpoint, notebook_run_whose_pictures_are_away_too)
{
    check_every_loss("{\"recipe\":\"notebook\",\"epochs\":1,\"steps_per_epoch\":3,\"validation_steps\":1,"
                     "\"val_fraction\":0.5,\"batch_size\":4}",
                     4);
}

/* Few validation rows, drawn afresh; more steps than the split holds; the last epoch kept. */
Test(checkpoint, notebook_run_too)
{
    check_every_point("{\"recipe\":\"notebook\",\"epochs\":2,\"steps_per_epoch\":3,\"validation_steps\":1,"
                      "\"val_fraction\":0.5,\"batch_size\":4}");
}

/* Interrupted again and again after a few questions, never twice at the same place. */
Test(checkpoint, run_that_is_interrupted_all_the_time_gets_there)
{
    const char *changes = "{\"epochs\":2,\"steps_per_epoch\":4,\"learning_rate\":0.01,\"patience\":0}";
    struct trial whole = trained(changes, NULL, 0), r = { .st = ST_CANCELLED };
    size_t rounds = 0;

    while (r.st == ST_CANCELLED) {
        trial_release(&r);
        r = trial_of(changes, checkpoint);
        r.stop_at = 6 + rounds / 4;
        trial_run(&r);
        cr_assert_lt(++rounds, 100);
    }
    cr_assert_eq(r.st, ST_OK, "%s", r.err.text);
    cr_assert_gt(rounds, 4);
    check_same_end("interrupted all the time", &whole, &r);
    trial_release(&whole);
    trial_release(&r);
}

/* Killed without a warning: all that is left is the checkpoint of the last epoch. */
Test(checkpoint, run_that_is_killed_goes_on_from_its_last_epoch)
{
    const char *changes = "{\"epochs\":3,\"steps_per_epoch\":2,\"learning_rate\":0.01,\"patience\":0}";
    struct trial whole, killed, r;

    train_cnn4();
    whole = trained(changes, NULL, 0);
    killed = trial_of(changes, path_in(case_folder, "killed"));
    killed.copy_at_epoch_end = checkpoint;
    trial_run(&killed);
    trial_release(&killed);
    r = trained(changes, checkpoint, 0);
    cr_assert_eq(r.resumed_with, 1);
    check_same_end("killed", &whole, &r);
    trial_release(&r);
    trial_release(&whole);
}

/* All that the optimiser does besides: the same end with any number of threads, and with another since it was interrupted. */
Test(checkpoint, run_with_clipping_averages_and_two_rates_goes_on_with_any_number_of_threads)
{
    static const size_t THREADS[] = { 1, 2, 3, 5, 8 };
    const char *changes =
        "{\"epochs\":2,\"steps_per_epoch\":3,\"patience\":0,\"learning_rate\":0.01,\"batch_size\":4,"
        "\"weight_decay\":1,\"weight_decay_scope\":\"head\",\"backbone_rate\":0.3,"
        "\"clip_norm\":0.05,\"ema\":0.9}";
    struct trial whole = trained(changes, NULL, 0);

    for (size_t i = 0; i < 5; i++) {
        struct trial r = trial_of(changes, checkpoint);

        r.threads = THREADS[i];
        r.stop_at = whole.asked - 5 - 2 * i;
        trial_run(&r);
        cr_assert_eq(r.st, ST_CANCELLED, "%s", r.err.text);
        trial_release(&r);
        r = trial_of(changes, checkpoint);
        r.threads = THREADS[4 - i];
        trial_run(&r);
        cr_assert_eq(r.st, ST_OK, "%s", r.err.text);
        check_same_end("another number of threads", &whole, &r);
        trial_release(&r);
        unlink(checkpoint);
    }
    trial_release(&whole);
}

/* Some seed's validation loss gets worse twice in a row; that run, interrupted before the second time, ends there. */
Test(checkpoint, patience_is_remembered)
{
    struct trial whole, r;
    char changes[256];

    for (int seed = 1;; seed++) {
        snprintf(changes, sizeof changes,
                 "{\"epochs\":8,\"steps_per_epoch\":2,\"learning_rate\":0.1,\"lr_schedule\":\"constant\","
                 "\"patience\":2,\"seed\":%d}",
                 seed);
        whole = trained(changes, NULL, 0);
        if (whole.result.n_epochs < 8)
            break;
        trial_release(&whole);
        cr_assert_lt(seed, 20, "no run ended early");
    }
    r = trained(changes, checkpoint, whole.asked - 5);
    trial_release(&r);
    r = trained(changes, checkpoint, 0);
    check_same_end("patience", &whole, &r);
    trial_release(&r);
    trial_release(&whole);
}

/* A picture that could not be read counts once, whoever saw it. */
Test(checkpoint, unreadable_pictures_are_remembered)
{
    const char *changes = "{\"epochs\":2,\"patience\":0}";
    struct trial whole, r;

    for (size_t i = 0; i < 6; i++)
        write_text(tiny_image_path(case_datasets, i), "no picture");
    whole = trained(changes, NULL, 0);
    cr_assert_eq(whole.result.unreadable, 6);
    r = trained(changes, checkpoint, whole.asked - 1);
    trial_release(&r);
    r = trained(changes, checkpoint, 0);
    check_same_end("unreadable", &whole, &r);
    trial_release(&r);
    trial_release(&whole);
}

/* From a model, as all here but the killed one; its backbone stays as it was. */
Test(checkpoint, run_with_a_frozen_backbone_goes_on)
{
    const char *changes = "{\"epochs\":2,\"freeze\":\"backbone\",\"ema\":0.9}";
    struct trial whole = trained(changes, NULL, 0), r = trained(changes, checkpoint, whole.asked - 5);

    trial_release(&r);
    r = trained(changes, checkpoint, 0);
    check_same_end("from a model", &whole, &r);
    cr_assert_eq(model_params(r.result.model)[0], model_params(r.init)[0]);
    trial_release(&r);
    trial_release(&whole);
}

/* ---- other findings ---- */

#define TWO_FINDINGS                                                                                   \
    "{\"labels\":[\"Nodule\",\"Effusion\"],\"epochs\":2,\"steps_per_epoch\":2,\"learning_rate\":0.01," \
    "\"patience\":0}"

Test(checkpoint, run_of_other_findings_goes_on_wherever_it_was)
{
    cr_assert_geq(check_every_point(TWO_FINDINGS), 8);
}

/* ---- only what was best ---- */

Test(checkpoint, best_epoch_can_be_had_without_going_on)
{
    struct trial r = trained("{\"epochs\":3,\"learning_rate\":0.01,\"patience\":0}", checkpoint, 0);
    struct checkpoint_figures figures;
    struct model *best = NULL;
    struct error err = { 0 };

    cr_assert_eq(checkpoint_best(checkpoint, &best, &figures, &err), ST_OK, "%s", err.text);
    cr_assert_eq(memcmp(model_params(best), model_params(r.result.model),
                        model_network(best)->n_params * sizeof(float)),
                 0);
    cr_assert(figures.kept_epoch == r.result.kept_epoch &&
              figures.validation_loss == r.result.validation_loss);
    model_unref(best);
    trial_release(&r);
}

Test(checkpoint, there_is_no_best_epoch_before_the_first_is_over)
{
    struct trial r = trained(INTERRUPTED, checkpoint, earliest_checkpoint(INTERRUPTED));
    struct checkpoint_figures figures;
    struct model *best = NULL;
    struct error err = { 0 };

    cr_assert_eq(r.result.n_epochs, 0);
    check_refusal("no epoch", checkpoint_best(checkpoint, &best, &figures, &err), ST_NOTFOUND, &err,
                  "no finished");
    check_refusal("no file", checkpoint_best(path_in(case_folder, "none"), &best, &figures, &err),
                  ST_NOTFOUND, &err, "none");
    write_text(checkpoint, "{}");
    check_refusal("no checkpoint", checkpoint_best(checkpoint, &best, &figures, &err), ST_FORMAT, &err, "");
    trial_release(&r);
}

Test(checkpoint, nothing_is_written_for_a_run_that_will_not_go_on)
{
    const char *changes = "{\"epochs\":2}";
    struct trial r = trial_of(changes, checkpoint);

    r.stop_at = earliest_checkpoint(changes);
    r.will_not_resume = true;
    trial_run(&r);
    cr_assert_eq(r.st, ST_CANCELLED);
    cr_assert_neq(access(checkpoint, F_OK), 0, "a checkpoint of nobody");
    trial_release(&r);
}

/* ---- where it cannot be written ---- */

Test(checkpoint, run_whose_checkpoint_cannot_be_written_fails)
{
    struct trial r = trial_of("{\"epochs\":2}", path_in(case_folder, "no/such/folder"));

    trial_run(&r);
    check_refusal("no folder", r.st, ST_IO, &r.err, "storage");
    cr_assert_eq(r.epochs_told, 0, "the record would be ahead of the checkpoint");
    trial_release(&r);
}
