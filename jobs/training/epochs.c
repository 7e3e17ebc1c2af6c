/* jobs/training/epochs.c - epochs of steps, each with its validation: every epoch's weights become an immutable model,
 * which is validated and, if it is to be kept, kept. */
#include "run.h"

#include "checkpoint.h"
#include "transfer.h"

#include "cxrd/clock.h"
#include "cxrd/log.h"
#include "cxrd/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Validation rows: all, in table order, or as many as asked for, the same in every epoch, so that the best epoch is not
 * the one that drew the easiest rows. */
static enum status validate(struct run *r, const struct model *m, struct scores *ret)
{
    const struct rows *all = &r->split.part[VALIDATION];
    const bool draw = r->config->validation_steps > 0 && r->config->shuffle;
    const size_t done_before = r->images_done;
    struct rng rng = r->validation_rng; /* a copy: it stays where it began */
    struct order order;
    const uint32_t *rows;
    enum status st;
    size_t n;

    if (order_init(&order, all, NULL, draw ? &rng : NULL) != ST_OK)
        return error_nomem(r->err);
    n = order_next(&order, run_validation_rows(r), &rows);
    st = run_score(r, m, rows, n, ret);
    order_release(&order);
    if (st != ST_OK)
        r->images_done = done_before; /* as if it had not begun: a run that is resumed begins it again */
    return st;
}

/* How the head was fitted, which after an interruption the model that is kept so far says. */
static void note_transfer(const struct run *r, json_t *notes)
{
    const struct model *fitted = transfer_model(r->transfer) ? transfer_model(r->transfer) : r->result->model;

    if (fitted)
        json_object_set(notes, TRANSFER_NOTE, json_object_get(model_notes(fitted), TRANSFER_NOTE));
}

/* The weights as they are now, their probabilities of the rates as they are. */
static enum status snapshot(const struct run *r, struct model **ret_model)
{
    json_t *notes = r->request->notes ? json_deep_copy(r->request->notes) : json_object();
    const size_t n = r->net->n_params + r->net->n_state;
    float *params = malloc(n * sizeof *params);
    char now[CLOCK_TEXT_SIZE], *data = run_data_text(r),
                               *inputs = r->inputs.n ? inputs_text(&r->inputs, &r->config->labels) : NULL;
    enum status st;

    if (!params || !data || (r->inputs.n && !inputs)) {
        free(params);
        free(data);
        free(inputs);
        json_decref(notes);
        return error_nomem(r->err);
    }
    memcpy(params, run_values(r), n * sizeof *params);
    for (size_t k = 0; k < r->net->n_labels; k++)
        params[r->net->head_bias + k] -= (float)r->balance.shift[k];
    if (notes) {
        json_object_set_new(notes, "created_at", json_string(clock_utc(now)));
        json_object_set_new(notes, "population", json_string(run_population(r)));
        json_object_set_new(notes, DATA_NOTE, json_string(data));
    }
    if (notes && inputs)
        json_object_set_new(notes, "inputs", json_string(inputs));
    if (notes && r->transfer)
        note_transfer(r, notes);
    free(data);
    free(inputs);
    if (notes && r->gate)
        json_object_set_new(notes, GATE_KEY, gate_text(r->gate));
    st = model_new(r->net, &r->config->labels, &r->pre, params, notes, ret_model, r->err);
    free(params);
    return st;
}

/* The first of these epochs with the lowest validation loss, counted from 1. */
static size_t best_of(const struct epoch_report *epochs, size_t n)
{
    size_t best = 0;

    for (size_t i = 1; i < n; i++)
        if (epochs[i].val_loss < epochs[best].val_loss)
            best = i;
    return best + 1;
}

/* Keep this epoch's model, unless only the best is to be kept and it is not; takes over both. */
static enum status keep(struct run *r, struct model *m, struct scores *validation,
                        const struct epoch_report *e)
{
    struct train_result *result = r->result;

    if (r->config->keep_best && best_of(result->epochs, e->epoch) != e->epoch) {
        model_unref(m);
        scores_release(validation);
        return ST_OK;
    }
    model_unref(result->model);
    scores_release(&r->kept_validation);
    result->model = m;
    result->kept_epoch = e->epoch;
    result->validation_loss = e->val_loss;
    result->top5_accuracy = e->val_top5_accuracy;
    r->kept_validation = *validation;
    return run_baseline(r);
}

static enum status epoch_end(struct run *r, const struct running *sums, struct epoch_report *e)
{
    struct model *m = NULL;
    struct scores validation = { 0 };
    enum status st = snapshot(r, &m);

    if (st != ST_OK)
        return st;
    st = validate(r, m, &validation);
    if (st == ST_OK && validation.n == 0) {
        scores_release(&validation);
        st = error_set(r->err, ST_UNUSABLE, "none of the validation pictures can be read");
    }
    if (st != ST_OK) {
        model_unref(m);
        return st;
    }
    e->loss = run_mean_loss(r, sums);
    e->top5_accuracy = sums->top5_rows ? (double)sums->top5_hits / (double)sums->top5_rows : NAN;
    e->images_per_s = (double)sums->images / fmax(sums->seconds, 1e-9);
    e->val_loss = scores_loss(&validation);
    e->val_top5_accuracy = scores_top5(&validation);
    if (macro_auroc(&validation, r->progress.val_auroc, &e->val_macro_auroc) != ST_OK) {
        model_unref(m);
        scores_release(&validation);
        return error_nomem(r->err);
    }
    e->learning_rate = run_regresses(r, e->epoch) ? NAN : run_learning_rate(r, r->adam.steps - 1);
    memcpy(e->val_auroc, r->progress.val_auroc, sizeof e->val_auroc);
    r->progress.validated = true;
    return keep(r, m, &validation, e);
}

/* Further epochs begin at it. */
static void train_from_regression(struct run *r)
{
    const size_t n = r->net->n_params + r->net->n_state;

    memcpy(training_params(r->training), model_params(run_regression(r)), n * sizeof(float));
    if (r->average)
        memcpy(r->average, training_params(r->training), n * sizeof(float));
}

/* The regression is the model already: what it scores on the rows that it was fitted to stands for what an epoch adds up. Without
 * pictures it was made before. */
static enum status take_regression(struct run *r, struct running *sums)
{
    const struct rows *train = &r->split.part[TRAIN];
    const size_t done_before = r->images_done;
    struct scores s = { 0 };
    enum status st = r->transfer ? transfer_fit(r, r->transfer) : ST_OK;

    if (st == ST_OK)
        st = run_score(r, run_regression(r), train->index, train->n, &s);
    if (st != ST_OK) {
        r->images_done = done_before; /* as if it had not begun */
        return st;
    }
    if (r->training)
        train_from_regression(r);
    sums->known = scores_known(&s);
    sums->loss_sum = scores_loss(&s) * ((double)sums->known / (double)s.labels->n);
    sums->images = s.n;
    metrics_top5(s.n, s.labels->n, s.truth, s.logits, &sums->top5_hits, &sums->top5_rows);
    sums->seconds = clock_seconds() - sums->started;
    scores_release(&s);
    r->progress.loss = run_mean_loss(r, sums);
    r->progress.step = 1;
    return ST_OK;
}

/* From its first step, or from where a checkpoint left it. */
static enum status epoch(struct run *r, struct epoch_report *e)
{
    struct running *sums = &r->sums;
    const bool regresses = run_regresses(r, e->epoch);
    enum status st = ST_OK;

    if (!sums->begun) {
        *sums = (struct running){ .begun = 1, .started = clock_seconds() };
        if (!regresses)
            order_restart(&r->order);
        r->progress.step = 0;
    }
    r->progress.epoch = e->epoch;
    r->progress.steps = regresses ? 1 : r->steps_per_epoch;
    if (regresses)
        st = take_regression(r, sums);
    while (r->progress.step < r->progress.steps && st == ST_OK) {
        st = run_step(r, sums);
        if (st == ST_OK) {
            r->progress.step++;
            run_tell_progress(r);
        }
        if (st == ST_OK && r->adam.steps % AGREE_STEPS == 0)
            st = run_agree_weights(r);
    }
    if (st == ST_OK && !regresses)
        st = run_agree_weights(r);
    if (st == ST_OK)
        st = epoch_end(r, sums, e);
    if (st != ST_OK)
        return st;
    e->seconds = clock_seconds() - sums->started;
    sums->begun = 0;
    r->result->n_epochs = e->epoch;
    return ST_OK;
}

/* The state to go on from, where it is wanted, and then the word that the epoch is over. */
static enum status epoch_commit(struct run *r, const struct epoch_report *e)
{
    const bool ours = r->request->checkpoint && r->training && ranks_me(r->ranks) == 0;
    const enum status st = ours ? checkpoint_save(r) : ST_OK;

    if (st == ST_OK && r->observer->epoch)
        r->observer->epoch(r->observer->arg, e, &r->result->baseline);
    return st;
}

static bool patience_is_over(const struct run *r)
{
    const size_t patience = (size_t)r->config->patience, n = r->result->n_epochs;

    return patience && n > 0 && n - best_of(r->result->epochs, n) >= patience;
}

/* A run that is to go on later keeps the steps since the last epoch; without them it goes on from there. Without memory
 * nothing is sure to be as it was between two steps. */
static void save_for_later(struct run *r, enum status why)
{
    const struct error ended = *r->err;

    if (!r->request->checkpoint || !r->training || ranks_me(r->ranks) != 0 ||
        (why != ST_CANCELLED && why != ST_IO) ||
        (r->observer->will_resume && !r->observer->will_resume(r->observer->arg)))
        return;
    if (checkpoint_save(r) != ST_OK)
        log_error(LOG_WARN, "steps of an interrupted epoch are lost", r->err);
    *r->err = ended;
}

enum status run_train(struct run *r)
{
    struct train_result *result = r->result;
    enum status st = ST_OK;

    r->started = clock_seconds() - r->elapsed;
    while (result->n_epochs < r->n_epochs && !patience_is_over(r) && st == ST_OK) {
        struct epoch_report *e = &result->epochs[result->n_epochs];

        e->epoch = result->n_epochs + 1;
        st = epoch(r, e);
        if (st == ST_OK)
            st = epoch_commit(r, e);
    }
    if (st != ST_OK)
        save_for_later(r, st);
    return st;
}
