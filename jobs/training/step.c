/* jobs/training/step.c - one batch, one change of the weights. */
#include "row_inputs.h"
#include "run.h"

#include "cxrd/clock.h"
#include "cxrd/log.h"
#include "cxrd/metrics.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>

/* None can be read: why the first of them cannot. */
static enum status refuse_unreadable(struct run *r)
{
    struct error why = { 0 };

    if (picture_load(&r->pictures, r->split.part[TRAIN].index[0], r->batch.grey, &why) == ST_NOMEM)
        return error_nomem(r->err);
    return error_set(r->err, ST_UNUSABLE, "none of the %zu training pictures can be read: %.200s", r->order.n,
                     why.text);
}

static size_t images_of_rank(const void *arg, size_t n, size_t *ret_begin)
{
    return training_images(arg, n, ret_begin);
}

/* The next batch; at the end of the rows it goes on with a fresh permutation. */
static enum status next_batch(struct run *r)
{
    const bool strict = r->config->missing_images == MISSING_FAIL;
    const struct batch_share share = { r->ranks, images_of_rank, r->training };

    for (size_t read = 0; read <= 2 * r->order.n; read += r->batch.capacity) {
        const uint32_t *rows;
        size_t n = order_next(&r->order, r->batch.capacity, &rows);
        enum status st;

        if (n == 0) {
            order_restart(&r->order);
            n = order_next(&r->order, r->batch.capacity, &rows);
        }
        r->batch.number = r->adam.steps * MAX_BATCH;
        st = batch_load(&r->batch, &r->pictures, r->pool, r->ranks ? &share : NULL, rows, n, strict, r->err);
        if (st != ST_OK)
            order_back(&r->order); /* as if it had not begun */
        if (st != ST_OK || r->batch.n > 0)
            return st;
    }
    return refuse_unreadable(r);
}

/* An epoch's figures are of the rates as they are, whatever is balanced: they stand beside the base rates. */
static void count_batch(const struct run *r, const float *logits, struct running *e)
{
    const size_t n_labels = r->net->n_labels;

    for (size_t i = 0; i < r->batch.n; i++) {
        const float *row = logits + i * n_labels;
        const uint8_t *truth = r->batch.truth + i * n_labels;
        float natural[MAX_LABELS];
        size_t hits, rows;

        for (size_t k = 0; k < n_labels; k++)
            natural[k] = row[k] - (float)r->balance.shift[k];
        metrics_top5(1, n_labels, truth, natural, &hits, &rows); /* the order of logits is that of scores */
        e->loss_sum += balance_unweighted_loss(&r->balance, row, truth);
        e->known += metrics_known(n_labels, truth, 1);
        e->top5_hits += hits;
        e->top5_rows += rows;
    }
    e->images += r->batch.n;
}

static bool batch_cancelled(void *arg) { return run_cancelled(arg); }

/* The weight of each term of the loss: 0 where it is not known whether the finding is there. */
static void weigh(struct run *r)
{
    for (size_t i = 0; i < r->batch.n * r->net->n_labels; i++) {
        const size_t k = i % r->net->n_labels;

        r->weights[i] = r->batch.truth[i] == TRUTH_UNKNOWN ? 0
                        : r->batch.truth[i]                ? r->balance.positive[k]
                                                           : r->balance.negative[k];
    }
}

/* The batch as the recipe has it seen: by its weights, with features left out. */
static const struct training_batch *batch_as_trained(struct run *r, struct training_batch *ret)
{
    weigh(r);
    for (size_t i = 0; i < r->batch.n; i++) {
        const struct input_values values = row_values(&r->table, r->batch.rows[i]);

        inputs_standardise(&r->inputs, &values, r->batch_inputs + i * r->inputs.n);
    }
    *ret = (struct training_batch){ .n = r->batch.n,
                                    .x = r->batch.x,
                                    .y = r->batch.y,
                                    .inputs = r->inputs.n ? r->batch_inputs : NULL,
                                    .weights = r->weights,
                                    .dropout = r->config->dropout,
                                    .dropout_seed = r->batch.seed + (r->adam.steps << 32 | STREAM_DROPOUT),
                                    .cancelled = batch_cancelled,
                                    .cancelled_arg = r };
    return ret;
}

static enum status step_failed(struct run *r, enum status st)
{
    if (st == ST_NUMERIC)
        return error_set(
            r->err, st,
            "the training loss is no longer a finite number (step %ju); a lower learning rate may help",
            (uintmax_t)r->adam.steps + 1);
    order_back(&r->order); /* as if it had not begun */
    if (ranks_why(r->ranks)->code == ST_OK)
        return error_set(r->err, st, "the training was cancelled");
    *r->err = *ranks_why(r->ranks);
    return st;
}

static void note_slow(struct run *r)
{
    struct train_result *result = r->result;
    struct slow_rank *s = &result->slow[result->n_slow];

    if (result->n_slow == sizeof result->slow / sizeof result->slow[0] ||
        !ranks_slow(r->ranks, &s->rank, &s->times))
        return;
    snprintf(s->name, sizeof s->name, "%s", ranks_name(r->ranks, s->rank));
    log_text(LOG_WARN, "a rank is slow", "rank %zu (%s), %.1f times", s->rank, s->name, s->times);
    result->n_slow++;
}

enum status run_step(struct run *r, struct running *e)
{
    float logits[MAX_BATCH * MAX_LABELS];
    struct training_batch batch;
    double loss;
    enum status st = run_check_cancelled(r);

    assert(r->batch.capacity <= MAX_BATCH);
    if (st == ST_OK)
        st = next_batch(r);
    if (st != ST_OK)
        return st;
    st = training_batch_gradient(r->training, batch_as_trained(r, &batch), logits, &loss);
    if (st != ST_OK)
        return step_failed(r, st);
    run_optimise(r);
    note_slow(r);
    count_batch(r, logits, e);
    e->seconds = clock_seconds() - e->started;
    r->images_done += run_step_cost(r) * r->batch.n;
    r->progress.images += r->batch.n;
    r->progress.loss = run_mean_loss(r, e);
    r->progress.images_per_s = (double)e->images / fmax(e->seconds, 1e-9);
    return ST_OK;
}
