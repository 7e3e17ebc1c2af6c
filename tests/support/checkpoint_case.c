/* tests/support/checkpoint_case.c - see checkpoint_case.h. */
#include "checkpoint_case.h"

#include "cxrd/log.h"
#include "files.h"
#include "leaks.h"
#include "sentence.h"
#include "support.h"
#include "tiny_dataset.h"
#include "tiny_model.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

char *case_folder, case_datasets[4096], checkpoint[4096];

static bool whole_network;
static struct model
    *begins_with; /* what trainings begin with; NULL: cnn4, at random, or nothing was trained yet */

void checkpoint_begin(void)
{
    log_set_level(LOG_OFF);
    case_folder = scratch_folder();
    snprintf(case_datasets, sizeof case_datasets, "%s/datasets", case_folder);
    snprintf(checkpoint, sizeof checkpoint, "%s/checkpoint", case_folder);
    tiny_dataset(case_datasets, CASE_ROWS, CASE_NORMAL);
}

void checkpoint_end(void)
{
    model_unref(begins_with);
    scratch_remove(case_folder);
    check_no_leaks();
}

void train_cnn4(void)
{
    cr_assert_null(begins_with, "something else was trained before");
    whole_network = true;
}

/* ---- running ---- */

void pictures_move(bool away)
{
    for (size_t i = 0; i < CASE_ROWS + CASE_NORMAL; i++) {
        const char *here = tiny_image_path(case_datasets, i);
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

void trial_run(struct trial *r)
{
    const struct train_request request = { .config = &r->config,
                                           .datasets = case_datasets,
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

void trial_release(struct trial *r) { train_result_release(&r->result); }

struct trial trial_of(const char *changes, const char *at)
{
    struct trial r = { .config = tiny_config(changes), .checkpoint = at };
    const char *field;

    if (whole_network)
        return r;
    if (!begins_with)
        begins_with = tiny_graph(7, &r.config.labels);
    snprintf(r.config.init, sizeof r.config.init, "0123456789abcdef");
    cr_assert_eq(train_config_adopt(&r.config, begins_with, &field, NULL), ST_OK);
    r.init = begins_with;
    return r;
}

struct trial trained(const char *changes, const char *at, size_t stop_at)
{
    struct trial r = trial_of(changes, at);

    r.stop_at = stop_at;
    trial_run(&r);
    cr_assert_eq(r.st, stop_at ? ST_CANCELLED : ST_OK, "%s", r.err.text);
    return r;
}

/* Training has begun by then. How many are asked before is the business of what reads the data. */
size_t earliest_checkpoint(const char *changes)
{
    size_t at = 0;

    while (access(checkpoint, F_OK) != 0) {
        struct trial r = trained(changes, checkpoint, ++at);

        trial_release(&r);
        cr_assert_lt(at, 100, "no checkpoint is ever written");
    }
    cr_assert_eq(unlink(checkpoint), 0);
    return at;
}

struct file_bytes interrupted_file(void)
{
    struct trial r = trained(INTERRUPTED, checkpoint, 12);

    trial_release(&r);
    return read_bytes(checkpoint);
}

/* ---- what is the same, what is refused ---- */

static bool same_bytes(const struct buf *a, const struct buf *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

void check_same_end(const char *what, const struct trial *a, const struct trial *b)
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

void check_checkpoint_refused(const char *changes, const char *word)
{
    struct trial r = trial_of(changes, checkpoint);

    trial_run(&r);
    cr_assert(r.st == ST_FORMAT || r.st == ST_LIMIT || r.st == ST_CONFLICT, "%s: %s", word,
              status_name(r.st));
    check_refusal(word, r.st, r.st, &r.err, word);
    trial_release(&r);
}
