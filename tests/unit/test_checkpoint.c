/* tests/unit/test_checkpoint.c - a training that was interrupted, wherever that was, ends as if it had not been: the
 * same weights and scores bit for bit, the same epochs. And a checkpoint that is not what this run wrote is refused
 * with a sentence, never half believed. */
#include "cxrd/digest.h"
#include "cxrd/log.h"
#include "cxrd/safetensors.h"
#include "cxrd/trainer.h"
#include "cxrd/weights.h"
#include "files.h"
#include "leaks.h"
#include "sentence.h"
#include "support.h"
#include "tiny_dataset.h"
#include "tiny_model.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *folder, datasets[4096], checkpoint[4096];

enum { N_ROWS = 24, N_NORMAL = 4 };

static void begin(void)
{
    log_set_level(LOG_OFF);
    folder = scratch_folder();
    snprintf(datasets, sizeof datasets, "%s/datasets", folder);
    snprintf(checkpoint, sizeof checkpoint, "%s/checkpoint", folder);
    tiny_dataset(datasets, N_ROWS, N_NORMAL);
}

static struct model *begins_with; /* what trainings begin with; NULL: cnn4, at random */

static void end(void)
{
    model_unref(begins_with);
    scratch_remove(folder);
    check_no_leaks();
}

TestSuite(checkpoint, .init = begin, .fini = end);

/* ---- running ---- */

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

/* All pictures to another place, or back. */
static void pictures_move(bool away)
{
    for (size_t i = 0; i < N_ROWS + N_NORMAL; i++) {
        const char *here = tiny_image_path(datasets, i);
        char there[4200];

        snprintf(there, sizeof there, "%s.away", here);
        cr_assert_eq(away ? rename(here, there) : rename(there, here), 0);
    }
}

static bool on_question(void *arg)
{
    struct trial *r = arg;

    if (r->asked + 1 == r->lose_at)
        pictures_move(true);
    return ++r->asked == r->stop_at;
}

static bool on_will_resume(void *arg) { return !((struct trial *)arg)->will_not_resume; }

static void on_resumed(void *arg, const struct train_result *so_far)
{
    struct trial *r = arg;

    for (size_t i = 0; i < so_far->n_epochs; i++)
        cr_assert_eq(so_far->epochs[i].epoch, i + 1);
    cr_assert_eq(so_far->baseline.loss > 0, so_far->n_epochs > 0);
    r->resumed_with = so_far->n_epochs;
}

static void on_step(void *arg, const struct train_progress *p)
{
    struct trial *r = arg;

    cr_assert(p->progress >= r->progress && p->progress <= 1);
    r->progress = p->progress;
}

static void on_epoch(void *arg, const struct epoch_report *report, const struct baseline *baseline)
{
    struct trial *r = arg;

    r->epochs_told++;
    cr_assert_gt(baseline->loss, 0);
    if (r->copy_at_epoch_end && report->epoch == 1) {
        struct file_bytes bytes = read_bytes(r->checkpoint);

        write_bytes(r->copy_at_epoch_end, bytes.data, bytes.size);
        file_bytes_release(&bytes);
    }
}

static void run_once(struct trial *r)
{
    const struct train_request request = { .config = &r->config,
                                           .datasets = datasets,
                                           .init = r->init,
                                           .threads = r->threads ? r->threads : 2,
                                           .checkpoint = r->checkpoint,
                                           .csv_sha256 = r->csv_sha256,
                                           .split_sha256 = r->split_sha256 };
    const struct train_observer observer = { .arg = r,
                                             .cancelled = on_question,
                                             .will_resume = on_will_resume,
                                             .resumed = on_resumed,
                                             .step = on_step,
                                             .epoch = on_epoch };

    r->st = train_run(&request, &observer, &r->result, &r->err);
}

static void run_release(struct trial *r) { train_result_release(&r->result); }

/* From here on they train as little as they can: of a checkpoint it matters not. Nothing of `changes` but the findings does here. */
static void train_little(const char *changes)
{
    const struct train_config config = tiny_config(changes);

    begins_with = tiny_graph(7, &config.labels);
}

static struct train_config config_of(const char *changes)
{
    struct train_config c = tiny_config(changes);
    const char *field;

    if (begins_with) {
        snprintf(c.init, sizeof c.init, "0123456789abcdef");
        cr_assert_eq(train_config_adopt(&c, begins_with, &field, NULL), ST_OK);
    }
    return c;
}

static struct trial trained(const char *changes, const char *at, size_t stop_at)
{
    struct trial r = {
        .config = config_of(changes), .init = begins_with, .checkpoint = at, .stop_at = stop_at
    };

    run_once(&r);
    cr_assert_eq(r.st, stop_at ? ST_CANCELLED : ST_OK, "%s", r.err.text);
    return r;
}

/* The first question after which an interrupted run leaves a checkpoint: training has begun. How many are asked before is the
 * business of what reads the data. */
static size_t earliest_checkpoint(const char *changes)
{
    size_t at = 0;

    while (access(checkpoint, F_OK) != 0) {
        struct trial r = trained(changes, checkpoint, ++at);

        run_release(&r);
        cr_assert_lt(at, 100, "no checkpoint is ever written");
    }
    cr_assert_eq(unlink(checkpoint), 0);
    return at;
}

/* ---- the same end ---- */

static bool same_bytes(const struct buf *a, const struct buf *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

/* Not a bit of difference, but in how long it took. */
static void check_same_end(const char *what, const struct trial *a, const struct trial *b)
{
    const struct train_result *p = &a->result, *q = &b->result;
    const size_t n = model_network(p->model)->n_params;

    cr_assert_eq(memcmp(model_params(p->model), model_params(q->model), n * sizeof(float)), 0,
                 "%s: other weights", what);
    cr_assert(p->n_epochs == q->n_epochs && p->kept_epoch == q->kept_epoch, "%s: other epochs", what);
    for (size_t i = 0; i < p->n_epochs; i++) {
        struct epoch_report x = p->epochs[i], y = q->epochs[i];

        x.images_per_s = y.images_per_s = x.seconds = y.seconds = 0;
        cr_assert_eq(memcmp(&x, &y, sizeof x), 0, "%s: epoch %zu is told otherwise", what, i + 1);
    }
    cr_assert(p->validation_loss == q->validation_loss && p->top5_accuracy == q->top5_accuracy &&
                  p->baseline.loss == q->baseline.loss && p->unreadable == q->unreadable,
              "%s: another result", what);
    for (int set = 0; set < N_SCORED; set++)
        cr_assert(same_bytes(&p->scores_csv[set], &q->scores_csv[set]), "%s: other scores", what);
}

/* Interrupt a run at every question that it asks, each time from the beginning, and let it go on. Returns how many
 * questions there were. */
static size_t check_every_point(const char *changes)
{
    struct trial whole;

    train_little(changes);
    whole = trained(changes, NULL, 0);

    for (size_t at = 1; at < whole.asked; at++) {
        struct trial r = trained(changes, checkpoint, at);
        char what[64];

        snprintf(what, sizeof what, "interrupted at question %zu of %zu", at, whole.asked);
        run_release(&r);
        r = trained(changes, checkpoint, 0);
        check_same_end(what, &whole, &r);
        cr_assert_eq(r.resumed_with + r.epochs_told, whole.result.n_epochs,
                     "%s: %zu epochs were known, %zu told", what, r.resumed_with, r.epochs_told);
        run_release(&r);
        unlink(checkpoint);
    }
    run_release(&whole);
    return whole.asked;
}

/* Whole epochs with the best kept; a learning rate at which the best is not the last. */
Test(checkpoint, run_that_is_interrupted_anywhere_ends_as_if_it_had_not_been)
{
    const size_t points = check_every_point("{\"epochs\":3,\"steps_per_epoch\":2,\"learning_rate\":0.01,"
                                            "\"patience\":0,\"lr_schedule\":\"cosine\",\"batch_size\":4}");

    cr_assert_geq(points, 5 + 6 + 3 + 3); /* phases, steps, validations, scored sets */
}

/* Arrays as an epoch's report was in the first version, without its learning rate and what follows; for free(). */
static char *cut_reports(struct array *a)
{
    const size_t size = offsetof(struct epoch_report, learning_rate),
                 whole = offsetof(struct epoch_report, val_auroc) + N_NIH_LABELS * sizeof(double);
    const size_t epochs = array_bytes(a) / whole;
    char *cut = malloc(epochs * size);

    cr_assert_not_null(cut);
    for (size_t k = 0; k < epochs; k++)
        memcpy(cut + k * size, (const char *)a->data + k * whole, size);
    a->data = cut;
    a->dims[0] = epochs * size / 8;
    return cut;
}

/* The digest as the versions before the third have it. */
static void digest_of_before(const struct array_file *f, char text[DIGEST_TEXT_SIZE])
{
    struct digest *d = NULL;

    cr_assert_eq(digest_new(&d), ST_OK);
    for (size_t i = 0; i < f->n; i++) {
        const uint64_t n = array_bytes(&f->arrays[i]);

        digest_add(d, f->arrays[i].name, strlen(f->arrays[i].name) + 1);
        digest_add(d, &n, sizeof n);
        if (n > 0)
            digest_add(d, f->arrays[i].data, n);
    }
    digest_finish(d, text);
}

/* The checkpoint as a version before the third wrote it.
 *   forgotten  a text that its configuration did not have, or NULL */
static void make_of_before(const char *version, const char *forgotten)
{
    struct file_bytes bytes = read_bytes(checkpoint);
    struct array_file f = { 0 };
    char sha256[DIGEST_TEXT_SIZE], *cut = NULL;
    size_t n = 0;

    cr_assert_eq(array_file_read(bytes.data, bytes.size, &f, NULL), ST_OK);
    for (size_t i = 0; i < f.n; i++)
        if (strcmp(f.arrays[i].name, "began_again") != 0)
            f.arrays[n++] = f.arrays[i];
    cr_assert_eq(n, f.n - 1);
    f.n = n;
    for (size_t i = 0; i < f.n; i++)
        if (version[0] == '1' && strcmp(f.arrays[i].name, "epochs.reports") == 0)
            cut = cut_reports(&f.arrays[i]);
    if (forgotten) {
        char *config = strdup(json_string_value(json_object_get(f.metadata, "config")));
        char *at = strstr(config, forgotten);

        cr_assert_not_null(at, "no %s in %s", forgotten, config);
        memmove(at, at + strlen(forgotten), strlen(at + strlen(forgotten)) + 1);
        json_object_set_new(f.metadata, "config", json_string(config));
        free(config);
    }
    digest_of_before(&f, sha256);
    json_object_set_new(f.metadata, "version", json_string(version));
    json_object_set_new(f.metadata, "sha256", json_string(sha256));
    cr_assert_eq(array_file_save(checkpoint, f.metadata, f.arrays, f.n, NULL), ST_OK);
    array_file_release(&f);
    file_bytes_release(&bytes);
    free(cut);
}

#define OF_BEFORE "{\"epochs\":3,\"steps_per_epoch\":2,\"patience\":0}"

Test(checkpoint, one_of_the_first_version_is_gone_on_with)
{
    struct trial whole = trained(OF_BEFORE, NULL, 0), r = trained(OF_BEFORE, checkpoint, whole.asked / 2);
    const size_t done = r.result.n_epochs;

    cr_assert_gt(done, 0);
    run_release(&r);
    make_of_before("1", NULL);
    r = trained(OF_BEFORE, checkpoint, 0);
    for (size_t i = 0; i < done; i++) {
        cr_assert(isnan(r.result.epochs[i].learning_rate) &&
                  isnan(r.result.epochs[i].val_auroc[N_NIH_LABELS - 1]));
        r.result.epochs[i].learning_rate = whole.result.epochs[i].learning_rate;
        memcpy(r.result.epochs[i].val_auroc, whole.result.epochs[i].val_auroc,
               sizeof r.result.epochs[i].val_auroc);
    }
    check_same_end("of the first version", &whole, &r);
    run_release(&r);
    run_release(&whole);
}

Test(checkpoint, one_of_the_second_version_is_gone_on_with)
{
    struct trial whole = trained(OF_BEFORE, NULL, 0), r = trained(OF_BEFORE, checkpoint, whole.asked / 2);
    const size_t done = r.result.n_epochs;

    cr_assert_gt(done, 0);
    run_release(&r);
    make_of_before("2", NULL);
    r = trained(OF_BEFORE, checkpoint, 0);
    cr_assert(r.resumed_with == done && !r.result.began_again);
    check_same_end("of the second version", &whole, &r);
    run_release(&r);
    run_release(&whole);
}

/* Its pictures go at any question after they were found, and are there again later. None of them counts as a broken one. */
static void check_every_loss(const char *changes, size_t first)
{
    struct trial whole;

    train_little(changes);
    whole = trained(changes, NULL, 0);
    for (size_t at = first; at < whole.asked; at++) {
        struct trial r = {
            .config = config_of(changes), .init = begins_with, .checkpoint = checkpoint, .lose_at = at
        };
        char what[64];

        snprintf(what, sizeof what, "pictures away at question %zu of %zu", at, whole.asked);
        run_once(&r);
        pictures_move(false);
        check_refusal(what, r.st, ST_IO, &r.err, "cannot be opened");
        cr_assert_eq(r.result.unreadable, 0, "%s: %zu are called unreadable", what, r.result.unreadable);
        run_release(&r);
        r = trained(changes, checkpoint, 0);
        check_same_end(what, &whole, &r);
        run_release(&r);
        unlink(checkpoint);
    }
    run_release(&whole);
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

/* A file that was away when the training should go on is told as away, and the checkpoint stays as it is. */
static void check_away(const struct trial *before, const char *what, const char *from, const char *word)
{
    struct trial r = { .config = before->config,
                       .checkpoint = checkpoint,
                       .csv_sha256 = before->result.dataset.csv_sha256,
                       .split_sha256 = before->result.dataset.split_sha256 };
    struct file_bytes kept = read_bytes(checkpoint), still;
    char there[4200];

    snprintf(there, sizeof there, "%s/away", folder);
    cr_assert_eq(rename(from, there), 0);
    run_once(&r);
    cr_assert(r.st != ST_OK && status_is_outside(r.st), "%s: %s", what, status_name(r.st));
    check_refusal(what, r.st, r.st, &r.err, word);
    cr_assert_eq(rename(there, from), 0);
    still = read_bytes(checkpoint);
    cr_assert(still.size == kept.size && memcmp(still.data, kept.data, kept.size) == 0, "%s", what);
    file_bytes_release(&still);
    file_bytes_release(&kept);
    run_release(&r);
}

Test(checkpoint, data_that_are_away_are_waited_for)
{
    const char *changes = "{\"epochs\":2,\"patience\":0}";
    struct trial whole = trained(changes, NULL, 0), r = trained(changes, checkpoint, whole.asked - 5);
    char path[4200];

    check_away(&r, "the folder of data sets", datasets, "folder of data sets");
    snprintf(path, sizeof path, "%s/tiny", datasets);
    check_away(&r, "the data set", path, "data set");
    snprintf(path, sizeof path, "%s/tiny/Data_Entry_2017.csv", datasets);
    check_away(&r, "the table", path, "table");
    snprintf(path, sizeof path, "%s", tiny_image_path(datasets, 3));
    check_away(&r, "a picture", path, "split");
    snprintf(path, sizeof path, "%s/tiny/images_001", datasets);
    check_away(&r, "all pictures", path, "changed since the job began");
    run_release(&r);
    r = trained(changes, checkpoint, 0);
    check_same_end("away and back", &whole, &r);
    run_release(&r);
    run_release(&whole);
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
    struct trial whole, r = { .st = ST_CANCELLED };
    size_t rounds = 0;

    train_little(changes);
    whole = trained(changes, NULL, 0);
    while (r.st == ST_CANCELLED) {
        run_release(&r);
        r = (struct trial){ .config = config_of(changes),
                            .init = begins_with,
                            .checkpoint = checkpoint,
                            .stop_at = 6 + rounds / 4 };
        run_once(&r);
        cr_assert_lt(++rounds, 100);
    }
    cr_assert_eq(r.st, ST_OK, "%s", r.err.text);
    cr_assert_gt(rounds, 4);
    check_same_end("interrupted all the time", &whole, &r);
    run_release(&whole);
    run_release(&r);
}

/* Killed without a warning: all that is left is the checkpoint of the last epoch. */
Test(checkpoint, run_that_is_killed_goes_on_from_its_last_epoch)
{
    const char *changes = "{\"epochs\":3,\"learning_rate\":0.01,\"patience\":0}";
    struct trial whole = trained(changes, NULL, 0);
    struct trial killed = { .config = tiny_config(changes),
                            .checkpoint = path_in(folder, "killed"),
                            .copy_at_epoch_end = checkpoint };
    struct trial r;

    run_once(&killed);
    run_release(&killed);
    r = trained(changes, checkpoint, 0);
    cr_assert_eq(r.resumed_with, 1);
    check_same_end("killed", &whole, &r);
    run_release(&r);
    run_release(&whole);
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
        struct trial r = { .config = whole.config, .checkpoint = checkpoint, .threads = THREADS[i] };

        r.stop_at = whole.asked - 5 - 2 * i;
        run_once(&r);
        cr_assert_eq(r.st, ST_CANCELLED, "%s", r.err.text);
        run_release(&r);
        r = (struct trial){ .config = whole.config, .checkpoint = checkpoint, .threads = THREADS[4 - i] };
        run_once(&r);
        cr_assert_eq(r.st, ST_OK, "%s", r.err.text);
        check_same_end("another number of threads", &whole, &r);
        run_release(&r);
        unlink(checkpoint);
    }
    run_release(&whole);
}

/* Some seed's validation loss gets worse twice in a row; that run, interrupted before the second time, ends there. */
Test(checkpoint, patience_is_remembered)
{
    struct trial whole, r;
    char changes[256];

    train_little("{}");
    for (int seed = 1;; seed++) {
        snprintf(changes, sizeof changes,
                 "{\"epochs\":8,\"steps_per_epoch\":2,\"learning_rate\":0.1,\"lr_schedule\":\"constant\","
                 "\"patience\":2,\"seed\":%d}",
                 seed);
        whole = trained(changes, NULL, 0);
        if (whole.result.n_epochs < 8)
            break;
        run_release(&whole);
        cr_assert_lt(seed, 20, "no run ended early");
    }
    r = trained(changes, checkpoint, whole.asked - 5);
    run_release(&r);
    r = trained(changes, checkpoint, 0);
    check_same_end("patience", &whole, &r);
    run_release(&r);
    run_release(&whole);
}

/* A picture that could not be read counts once, whoever saw it. */
Test(checkpoint, unreadable_pictures_are_remembered)
{
    const char *changes = "{\"epochs\":2,\"patience\":0}";
    struct trial whole, r;

    train_little(changes);
    for (size_t i = 0; i < 6; i++)
        write_text(tiny_image_path(datasets, i), "no picture");
    whole = trained(changes, NULL, 0);
    cr_assert_eq(whole.result.unreadable, 6);
    r = trained(changes, checkpoint, whole.asked - 1);
    run_release(&r);
    r = trained(changes, checkpoint, 0);
    check_same_end("unreadable", &whole, &r);
    run_release(&r);
    run_release(&whole);
}

static void check_from_a_model(const char *changes)
{
    struct model *init = tiny_model(7, 1, NULL);
    struct trial whole = { .config = tiny_config(changes), .init = init }, r = whole;

    run_once(&whole);
    cr_assert_eq(whole.st, ST_OK, "%s", whole.err.text);
    r.checkpoint = checkpoint;
    r.stop_at = whole.asked - 5;
    run_once(&r);
    cr_assert_eq(r.st, ST_CANCELLED);
    run_release(&r);
    r = (struct trial){ .config = whole.config, .init = init, .checkpoint = checkpoint };
    run_once(&r);
    cr_assert_eq(r.st, ST_OK, "%s", r.err.text);
    check_same_end("from a model", &whole, &r);
    run_release(&r);
    run_release(&whole);
    unlink(checkpoint);
    model_unref(init);
}

Test(checkpoint, run_that_started_from_a_model_goes_on)
{
    check_from_a_model("{\"epochs\":2}");
    check_from_a_model("{\"epochs\":2,\"freeze\":\"backbone\",\"ema\":0.9}");
}

Test(checkpoint, nothing_is_written_for_a_run_that_will_not_go_on)
{
    const char *changes = "{\"epochs\":2}";
    struct trial r = { .config = tiny_config(changes),
                       .checkpoint = checkpoint,
                       .stop_at = earliest_checkpoint(changes),
                       .will_not_resume = true };

    run_once(&r);
    cr_assert_eq(r.st, ST_CANCELLED);
    cr_assert_neq(access(checkpoint, F_OK), 0, "a checkpoint of nobody");
    run_release(&r);
}

/* ---- other data ---- */

static void check_refused_data(struct trial r, const char *word)
{
    run_once(&r);
    check_refusal(word, r.st, ST_CONFLICT, &r.err, word);
    cr_assert_eq(r.result.n_epochs, 0, "it trained all the same");
    run_release(&r);
}

Test(checkpoint, data_that_changed_are_refused)
{
    struct trial r = trained("{}", NULL, 0), again = { .config = r.config };
    const struct dataset_report *before = &r.result.dataset;

    again.csv_sha256 = before->csv_sha256;
    again.split_sha256 = before->split_sha256;
    run_once(&again);
    cr_assert_eq(again.st, ST_OK, "%s", again.err.text);
    run_release(&again);
    cr_assert_eq(unlink(tiny_image_path(datasets, 3)), 0);
    check_refused_data((struct trial){ .config = r.config,
                                       .csv_sha256 = before->csv_sha256,
                                       .split_sha256 = before->split_sha256 },
                       "split");
    tiny_dataset(datasets, N_ROWS + 2, N_NORMAL);
    check_refused_data((struct trial){ .config = r.config, .csv_sha256 = before->csv_sha256 }, "table");
    run_release(&r);
}

/* ---- other checkpoints ---- */

/* Going on from the checkpoint as it is now must fail with a sentence that holds `word`. */
static void check_refused(const char *changes, const char *word)
{
    struct trial r = { .config = tiny_config(changes), .checkpoint = checkpoint };

    run_once(&r);
    cr_assert(r.st == ST_FORMAT || r.st == ST_LIMIT || r.st == ST_CONFLICT, "%s: %s", word,
              status_name(r.st));
    check_refusal(word, r.st, r.st, &r.err, word);
    run_release(&r);
}

#define JOB         "{\"epochs\":3,\"steps_per_epoch\":3,\"patience\":0"
#define INTERRUPTED JOB "}"

static struct file_bytes interrupted_file(void)
{
    struct trial r = trained(INTERRUPTED, checkpoint, 12);

    run_release(&r);
    return read_bytes(checkpoint);
}

/* A run with the checkpoint as it is now begins again. */
static void check_not_believed(const char *what)
{
    struct trial r = {
        .config = config_of(INTERRUPTED), .init = begins_with, .checkpoint = checkpoint, .stop_at = 12
    };

    run_once(&r);
    cr_assert(r.st == ST_CANCELLED && r.result.began_again, "%s: %s: %s", what, status_name(r.st),
              r.err.text);
    run_release(&r);
}

/* Wherever a bit is flipped or the file is cut, it is noticed: the job goes on, if only from its beginning. */
Test(checkpoint, damaged_checkpoint_is_not_believed)
{
    static const char *const WORDS[] = { "__metadata__", "cxrd-checkpoint", "version",
                                         "\":\"3\"",     "config",          "seed",
                                         "csv_sha256",   "split_sha256" };
    struct file_bytes good;
    uint8_t *bytes;
    struct trial r;

    train_little(INTERRUPTED);
    good = interrupted_file();
    bytes = good.data;
    for (size_t i = 0; i < 8; i++) {
        uint8_t *at = memmem(bytes, good.size, WORDS[i], strlen(WORDS[i]));

        cr_assert_not_null(at, "no %s", WORDS[i]);
        at += strlen(WORDS[i]) / 2;
        *at ^= 4;
        write_bytes(checkpoint, bytes, good.size);
        check_not_believed(WORDS[i]);
        *at ^= 4;
        write_bytes(checkpoint, bytes, i * good.size / 8);
        check_not_believed("cut");
    }
    r = trained(INTERRUPTED, checkpoint, 12);
    cr_assert(r.result.began_again, "it was known before it began again");
    run_release(&r);
    write_bytes(checkpoint, bytes, good.size);
    r = trained(INTERRUPTED, checkpoint, 0);
    cr_assert(!r.result.began_again);
    run_release(&r);
    file_bytes_release(&good);
}

static bool same_model(const struct model *a, const struct model *b)
{
    return memcmp(model_params(a), model_params(b), model_network(a)->n_params * sizeof(float)) == 0;
}

/* A bit in every fifth byte of the header, and in some of the data: it is damaged, or, in the blanks behind the header, says
 * what it said. Nothing else: not another version's, not another job's. */
Test(checkpoint, all_of_it_is_under_its_digest)
{
    struct trial whole = trained("{\"epochs\":1}", checkpoint, 0);
    struct file_bytes good = read_bytes(checkpoint);
    uint8_t *bytes = good.data;
    const size_t header = 8 + bytes[0] + 256u * bytes[1];
    size_t same = 0;

    for (size_t i = 0; i < good.size; i += i < header ? 5 : good.size / 20) {
        struct checkpoint_figures figures;
        struct model *best = NULL;
        struct error err = { 0 };
        enum status st;

        bytes[i] ^= (uint8_t)(1 << i % 8);
        write_bytes(checkpoint, bytes, good.size);
        bytes[i] ^= (uint8_t)(1 << i % 8);
        st = checkpoint_best(checkpoint, &best, &figures, &err);
        cr_assert(st == ST_FORMAT || (st == ST_OK && i < header && same_model(best, whole.result.model)),
                  "byte %zu: %s: %s", i, status_name(st), err.text);
        same += st == ST_OK;
        model_unref(best);
    }
    cr_assert_lt(same, 3, "%zu of these bytes may be anything", same);
    run_release(&whole);
    file_bytes_release(&good);
}

/* The digest is of what it says, so this is no damage. */
Test(checkpoint, one_of_a_version_to_come_is_refused)
{
    struct file_bytes good = interrupted_file();
    struct array_file f = { 0 };
    json_t *said;
    struct digest *d = NULL;
    char sha256[DIGEST_TEXT_SIZE], *text;

    cr_assert_eq(array_file_read(good.data, good.size, &f, NULL), ST_OK);
    json_object_set_new(f.metadata, "version", json_string("4"));
    said = json_copy(f.metadata);
    json_object_del(said, "sha256");
    text = json_dumps(said, JSON_COMPACT | JSON_SORT_KEYS);
    cr_assert_eq(digest_new(&d), ST_OK);
    digest_add(d, text, strlen(text) + 1);
    for (size_t i = 0; i < f.n; i++) {
        const uint64_t n = array_bytes(&f.arrays[i]);

        digest_add(d, f.arrays[i].name, strlen(f.arrays[i].name) + 1);
        digest_add(d, &f.arrays[i].dtype, sizeof f.arrays[i].dtype);
        digest_add(d, &n, sizeof n);
        if (n > 0)
            digest_add(d, f.arrays[i].data, n);
    }
    digest_finish(d, sha256);
    json_object_set_new(f.metadata, "sha256", json_string(sha256));
    cr_assert_eq(array_file_save(checkpoint, f.metadata, f.arrays, f.n, NULL), ST_OK);
    check_refused(INTERRUPTED, "another version");
    free(text);
    json_decref(said);
    array_file_release(&f);
    file_bytes_release(&good);
}

Test(checkpoint, checkpoint_of_another_job_is_refused)
{
    struct file_bytes good = interrupted_file();

    check_refused(JOB ",\"seed\":9}", "configuration");
    unlink(tiny_image_path(datasets, 3));
    check_refused(INTERRUPTED, "split");
    write_text(checkpoint, "");
    check_not_believed("empty");
    file_bytes_release(&good);
}

Test(checkpoint, field_that_a_job_has_only_since_has_its_default)
{
    struct trial whole = trained(INTERRUPTED, NULL, 0), r;
    struct file_bytes good = interrupted_file();

    file_bytes_release(&good);
    make_of_before("2", "\"promote_narrower\":false,");
    check_refused(JOB ",\"promote_narrower\":true}", "configuration");
    r = trained(INTERRUPTED, checkpoint, 0);
    check_same_end("an older checkpoint", &whole, &r);
    run_release(&r);
    run_release(&whole);
}

Test(checkpoint, weights_file_is_no_checkpoint)
{
    struct buf weights = tiny_weights(1, 1, NULL);

    write_bytes(checkpoint, weights.data, weights.len);
    check_refused(INTERRUPTED, "checkpoint");
    buf_release(&weights);
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
    run_release(&r);
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
    check_refusal("no file", checkpoint_best(path_in(folder, "none"), &best, &figures, &err), ST_NOTFOUND,
                  &err, "none");
    write_text(checkpoint, "{}");
    check_refusal("no checkpoint", checkpoint_best(checkpoint, &best, &figures, &err), ST_FORMAT, &err, "");
    run_release(&r);
}

/* ---- where it cannot be written ---- */

Test(checkpoint, run_whose_checkpoint_cannot_be_written_fails)
{
    struct trial r = { .config = tiny_config("{\"epochs\":2}"),
                       .checkpoint = path_in(folder, "no/such/folder") };

    run_once(&r);
    check_refusal("no folder", r.st, ST_IO, &r.err, "storage");
    cr_assert_eq(r.epochs_told, 0, "the record would be ahead of the checkpoint");
    run_release(&r);
}

/* ---- other findings ---- */

#define TWO_FINDINGS                                                                                   \
    "{\"labels\":[\"Nodule\",\"Effusion\"],\"epochs\":2,\"steps_per_epoch\":2,\"learning_rate\":0.01," \
    "\"patience\":0}"

Test(checkpoint, run_of_other_findings_goes_on_wherever_it_was)
{
    cr_assert_geq(check_every_point(TWO_FINDINGS), 8);
}

Test(checkpoint, of_other_findings_is_refused)
{
    struct trial r = trained(TWO_FINDINGS, checkpoint, 0);

    run_release(&r);
    r = (struct trial){ .config = tiny_config(
                            "{\"labels\":[\"Effusion\",\"Nodule\"],\"epochs\":2,\"steps_per_epoch\":2,"
                            "\"learning_rate\":0.01,\"patience\":0}"),
                        .checkpoint = checkpoint };
    run_once(&r);
    check_refusal("the other order", r.st, ST_CONFLICT, &r.err,
                  "'labels' was [\"Nodule\",\"Effusion\"], is [\"Effusion\",\"Nodule\"]");
    run_release(&r);
}
