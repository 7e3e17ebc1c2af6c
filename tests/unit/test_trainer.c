/* tests/unit/test_trainer.c - the whole pipeline: on real pictures, what an observer is told, what is learned, the cache, and
 * trainings that are stopped. */
#include "files.h"
#include "sentence.h"
#include "support.h"
#include "tiny_dataset.h"
#include "train_run.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(train, .init = train_begin, .fini = train_end);

/* Row 40 is a patient's picture with findings, row 41 the same patient's without. */
static void check_normal_rows(const char *changes, size_t n, bool with_41)
{
    struct trial r = trained(changes);
    struct scores_file normal = scores_of(&r, SCORED_NO_FINDING);

    cr_assert_eq(normal.n, n, "%s: %zu rows", changes, normal.n);
    cr_assert_eq(scores_file_find(&normal, tiny_image(41)) != NULL, with_41, "%s", changes);
    cr_assert_eq(r.result.evaluation[SCORED_NO_FINDING].rows, n);
    scores_file_release(&normal);
    run_release(&r);
}

static void list_becomes(const char *name, size_t from, size_t to)
{
    struct buf text = BUF_INIT(1 << 16);

    for (size_t i = from; i < to; i++)
        buf_printf(&text, "%s\n", tiny_image(i));
    write_bytes(path_in(datasets, "tiny/%s", name), text.data, text.len);
    buf_release(&text);
}

Test(train, normal_chests_of_patients_that_are_learned_from_are_not_scored)
{
    tiny_dataset(datasets, 41, 5);
    list_becomes("test_list.txt", 30, 46);
    list_becomes("train_val_list.txt", 0, 30);
    check_normal_rows("{\"split_by\":\"list\"}", 5, true);
    list_becomes("test_list.txt", 0, 30);
    list_becomes("train_val_list.txt", 30, 46);
    check_normal_rows("{\"split_by\":\"list\"}", 4, false);
    check_normal_rows("{\"split_by\":\"image\"}", 5, true);
}

/* ---- real pictures ---- */

static struct trial trained_on_nih256(const char *recipe)
{
    static char cache[4096];
    struct trial r = { 0 };
    json_t *object = json_pack("{s:s,s:s,s:i,s:i,s:i,s:i}", "dataset", "nih256", "recipe", recipe, "epochs",
                               2, "steps_per_epoch", 2, "validation_steps", 1, "image_size", 64);
    json_t *errors = json_array();
    char *scratch = datasets, *real = strdup(test_data("nih256"));

    cr_assert_eq(train_config_parse(object, &r.config, errors), ST_OK);
    snprintf(cache, sizeof cache, "%s/cache", scratch);
    *strrchr(real, '/') = '\0';
    datasets = real;
    r.cache = cache;
    run_once(&r);
    cr_assert_eq(r.st, ST_OK, "%s", r.err.text);
    datasets = scratch;
    free(real);
    json_decref(errors);
    json_decref(object);
    return r;
}

/* Pictures of one patient: their names begin with the same eight digits. */
static bool patient_is_in(const struct scores_file *f, const char *image)
{
    for (size_t i = 0; i < f->n; i++)
        if (memcmp(f->lines[i].image, image, 8) == 0)
            return true;
    return false;
}

/* Of the 358 normal chests so many are scored. */
static void check_nih256(const struct trial *r, size_t n_normal)
{
    const struct dataset_report *d = &r->result.dataset;
    struct scores_file validation = scores_of(r, SCORED_VALIDATION), test = scores_of(r, SCORED_TEST),
                       normal = scores_of(r, SCORED_NO_FINDING);

    cr_assert(d->rows == 112120 && d->dropped_age == 16 && d->dropped_no_finding == 60353);
    cr_assert(d->usable == 351 && d->missing_images == 51751 - 351);
    cr_assert_eq(d->label_counts[labels_find(&NIH_LABELS, "Hernia", 6)], 227,
                 "counts are of the table, not of the files");
    cr_assert_eq(d->train + d->validation + d->test, 351);
    cr_assert(validation.n == d->validation && test.n == d->test);
    cr_assert_eq(normal.n, n_normal, "%zu normal chests", normal.n);
    cr_assert(r->result.n_epochs == 2 && r->seen.n_epochs == 2 && r->seen.n_steps == 4);
    cr_assert_eq(r->result.unreadable, 0);
    cr_assert_eq(r->result.evaluation[SCORED_TEST].rows, d->test);
    for (size_t i = 0; i < normal.n; i++)
        cr_assert_null(memchr(normal.lines[i].truth, 1, N_NIH_LABELS), "a normal chest has a finding");
    for (size_t i = 0; i < normal.n && r->config.split_by == SPLIT_PATIENT; i++)
        cr_assert(!patient_is_in(&validation, normal.lines[i].image), "'%s': its patient is known",
                  normal.lines[i].image);
    scores_file_release(&validation);
    scores_file_release(&test);
    scores_file_release(&normal);
}

Test(train, notebook_recipe_runs_on_real_pictures)
{
    struct trial r = trained_on_nih256("notebook");

    check_nih256(&r, 358);
    cr_assert(r.result.dataset.train == 252 && r.result.dataset.validation == 63 &&
              r.result.dataset.test == 36);
    cr_assert_eq(r.result.kept_epoch, 2);
    run_release(&r);
}

Test(train, standard_recipe_runs_on_real_pictures)
{
    struct trial r = trained_on_nih256("standard");

    check_nih256(&r, 342);
    cr_assert_eq(r.result.dataset.patients_in_both, 0);
    run_release(&r);
}

/* ---- what an observer is told ---- */

Test(train, phases_come_in_order_and_every_step_and_epoch_is_told)
{
    struct trial r;

    tiny_dataset(datasets, 40, 4);
    r = trained("{\"epochs\":3,\"steps_per_epoch\":2,\"lr_schedule\":\"constant\",\"patience\":0}");
    cr_assert_eq(r.seen.n_phases, 5);
    for (size_t i = 0; i < 5; i++)
        cr_assert_eq(r.seen.phases[i], i, "phase %s at place %zu", PHASE_NAMES[r.seen.phases[i]], i);
    cr_assert(r.seen.n_datasets == 1 && r.seen.n_steps == 6 && r.seen.n_epochs == 3);
    for (size_t i = 0; i < 6; i++)
        cr_assert(r.seen.steps[i].epoch == i / 2 + 1 && r.seen.steps[i].step == i % 2 + 1 &&
                  r.seen.steps[i].steps == 2);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(r.seen.epochs[i].epoch, i + 1);
        cr_assert_eq(memcmp(&r.seen.epochs[i].loss, &r.result.epochs[i].loss, sizeof(double)), 0);
        cr_assert(r.seen.epochs[i].images_per_s > 0 && r.seen.epochs[i].seconds > 0);
    }
    cr_assert_eq(r.seen.progress, 1, "it ends at %g", r.seen.progress);
    run_release(&r);
}

Test(train, zero_epochs_report_the_data_and_make_no_model)
{
    struct trial r;

    tiny_dataset(datasets, 40, 4);
    r = trained("{\"epochs\":0}");
    cr_assert(r.result.has_dataset && r.seen.n_datasets == 1);
    cr_assert(r.result.dataset.rows == 44 && r.result.dataset.usable == 40);
    cr_assert(r.result.model == NULL && r.result.n_epochs == 0 && r.seen.n_steps == 0);
    cr_assert(r.seen.n_phases == 2 && r.seen.phases[1] == PHASE_SPLITTING);
    cr_assert_eq(r.result.scores_csv[SCORED_TEST].len, 0);
    run_release(&r);
}

/* Findings that a 64 x 64 picture shows plainly are learned in seconds: the machinery as a whole points downhill. */
Test(train, learns_what_can_be_seen)
{
    struct trial r;

    tiny_dataset(datasets, 120, 0);
    r = trained("{\"epochs\":8,\"learning_rate\":0.001,\"patience\":0}");
    cr_assert_lt(r.result.validation_loss, 0.7 * r.result.baseline.loss, "%g, base rates score %g",
                 r.result.validation_loss, r.result.baseline.loss);
    cr_assert_gt(r.result.evaluation[SCORED_TEST].macro.auroc, 0.9);
    run_release(&r);
}

/* ---- the cache ---- */

static void wreck_pictures(size_t epoch)
{
    for (size_t i = 0; epoch == 1 && i < 40; i++)
        overwrite_unseen(tiny_image_path(datasets, i), 'x');
}

/* All rows train or validate, so the first epoch has seen every picture; then the files become garbage that looks
 * unchanged from outside. */
static void run_and_wreck(struct trial *r, const char *cache)
{
    tiny_dataset(datasets, 40, 0);
    r->config = tiny_config("{\"epochs\":3,\"test_fraction\":0,\"missing_images\":\"fail\",\"patience\":0}");
    r->cache = cache;
    r->seen.after_epoch = wreck_pictures;
    run_once(r);
}

Test(train, no_epoch_after_the_first_decodes_a_picture)
{
    struct trial cached = { 0 }, uncached = { 0 };
    char cache[4096];

    snprintf(cache, sizeof cache, "%s/cache", datasets);
    run_and_wreck(&cached, cache);
    cr_assert_eq(cached.st, ST_OK, "%s", cached.err.text);
    cr_assert_eq(cached.result.n_epochs, 3);
    run_and_wreck(&uncached, NULL);
    cr_assert_neq(uncached.st, ST_OK, "without a cache it works too: nothing was shown");
    run_release(&cached);
    run_release(&uncached);
}

Test(train, cache_does_not_change_the_weights)
{
    struct trial plain, filling = { 0 }, filled = { 0 };
    char cache[4096];

    tiny_dataset(datasets, 40, 0);
    snprintf(cache, sizeof cache, "%s/cache", datasets);
    plain = trained("{}");
    filling.config = filled.config = tiny_config("{}");
    filling.cache = filled.cache = cache;
    run_once(&filling);
    run_once(&filled);
    cr_assert(same_weights(&plain, &filling) && same_weights(&plain, &filled));
    run_release(&plain);
    run_release(&filling);
    run_release(&filled);
}

/* ---- cancelling ---- */

/* However late the question is answered with yes, the run ends there; only one that is never asked again succeeds. */
Test(train, can_be_cancelled_at_every_point)
{
    size_t at = 0;

    tiny_dataset(datasets, 40, 4);
    for (;;) {
        struct trial r = { .config = tiny_config("{\"epochs\":2,\"steps_per_epoch\":2,\"patience\":0}") };
        enum status st;

        r.seen.cancel_at = ++at;
        run_once(&r);
        st = r.st;
        if (st == ST_OK) {
            run_release(&r);
            break;
        }
        check_refusal("cancelled", st, ST_CANCELLED, &r.err, "cancelled");
        cr_assert_eq(r.seen.asked, at, "it went on");
        cr_assert_eq(r.result.n_epochs, r.seen.n_epochs);
        run_release(&r);
    }
    cr_assert_geq(at, 5 + 4 + 2 + 3, "asked %zu times only",
                  at - 1); /* phases, steps, validations, scored sets */
}

/* Training that is enough ends at its next batch; what is kept of it is worth as much as if the job had been that long. */
Test(train, what_is_kept_of_a_training_that_is_enough_is_evaluated)
{
    struct trial cut = { .config =
                             tiny_config("{\"epochs\":9,\"patience\":0,\"lr_schedule\":\"constant\"}") };
    struct trial whole;

    tiny_dataset(datasets, 40, 4);
    cut.seen.enough_after = 1;
    run_once(&cut);
    check_refusal("enough", cut.st, ST_CANCELLED, &cut.err, "cancelled");
    whole = trained("{\"epochs\":1,\"patience\":0,\"lr_schedule\":\"constant\"}");
    cr_assert(cut.result.evaluated && whole.result.evaluated);
    cr_assert_eq(cut.seen.phases[cut.seen.n_phases - 1], PHASE_EVALUATING);
    cr_assert_eq(cut.result.n_epochs, 1);
    cr_assert_eq(cut.result.evaluation[SCORED_TEST].loss.value,
                 whole.result.evaluation[SCORED_TEST].loss.value);
    for (int i = 0; i < N_SCORED; i++)
        cr_assert_str_eq(cut.result.scores_csv[i].data, whole.result.scores_csv[i].data);
    cr_assert_eq(whole.seen.progress, 1);
    cr_assert(cut.seen.progress > 1.0 / 9 && cut.seen.progress < 2.0 / 9,
              "one epoch of nine, and the scoring, come to %g", cut.seen.progress);
    run_release(&cut);
    run_release(&whole);
}

Test(train, nothing_is_evaluated_of_a_training_that_has_no_epoch_or_is_cancelled_for_good)
{
    struct trial none = { .config = tiny_config("{\"epochs\":9}") },
                 twice = { .config = tiny_config("{\"epochs\":9,\"patience\":0}") };

    tiny_dataset(datasets, 40, 4);
    none.seen.cancel_at = 12; /* in its first epoch */
    none.seen.enough_after = 9;
    run_once(&none);
    check_refusal("cancelled", none.st, ST_CANCELLED, &none.err, "cancelled");
    cr_assert(!none.result.model && !none.result.evaluated);
    twice.seen.enough_after = 2;
    twice.seen.cancel_evaluation = true;
    run_once(&twice);
    check_refusal("twice", twice.st, ST_CANCELLED, &twice.err, "cancelled");
    cr_assert(twice.result.model && !twice.result.evaluated, "what is kept is kept, without figures");
    run_release(&none);
    run_release(&twice);
}
