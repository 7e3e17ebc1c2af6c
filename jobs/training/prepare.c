/* jobs/training/prepare.c - everything that training needs is made ready: pictures, network, first weights, orders. */
#include "row_inputs.h"
#include "run.h"

#include "checkpoint.h"
#include "transfer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

size_t run_validation_rows(const struct run *r)
{
    const size_t n = r->split.part[VALIDATION].n;
    const size_t asked = (size_t)r->config->validation_steps * (size_t)r->config->validation_batch_size;

    return asked && asked < n ? asked : n;
}

size_t run_test_rows(const struct run *r)
{
    const size_t n = r->split.part[TEST].n, asked = (size_t)r->config->test_rows;

    return asked && asked < n ? asked : n;
}

size_t run_scored_rows(const struct run *r)
{
    return r->split.part[VALIDATION].n + run_test_rows(r) + r->normal.n +
           (r->request->scores_path ? r->split.part[TRAIN].n : 0);
}

/* Pictures that the regression looks at; those that it is scored on are the first of them, and their features kept. */
static size_t regression_cost(const struct run *r)
{
    const size_t copies = train_config_transfers(r->config) ? 2 + (size_t)r->config->transfer_views : 1;

    return copies * r->split.part[TRAIN].n;
}

static void plan(struct run *r)
{
    const size_t batch = (size_t)r->config->batch_size, n_train = r->split.part[TRAIN].n;
    const bool sees = train_config_sees(r->config);
    size_t trained, regresses;

    r->n_epochs = sees ? (size_t)r->config->epochs : 1;
    regresses = r->n_epochs > 0 && (!sees || train_config_transfers(r->config));
    r->steps_per_epoch =
        r->config->steps_per_epoch ? (size_t)r->config->steps_per_epoch : (n_train + batch - 1) / batch;
    trained = r->config->steps_per_epoch ? r->steps_per_epoch * batch : n_train;
    r->images_total = run_scored_rows(r) + r->n_epochs * run_validation_rows(r) +
                      (r->n_epochs - regresses) * run_step_cost(r) * trained + regresses * regression_cost(r);
    r->images_total += run_incumbent_rows(r);
}

/* A step forward and backward costs about three times a forward pass; nothing goes back through a frozen backbone. */
size_t run_step_cost(const struct run *r) { return r->config->freeze == FREEZE_BACKBONE ? 1 : 3; }

/* The network to be trained: the recipe's, or what the model to start from has. */
static enum status geometry(struct run *r)
{
    const struct train_config *c = r->config;
    const struct cut cut = train_config_cut(c);

    if (r->request->init && !train_config_transfers(c)) {
        r->net = network_ref(model_network(r->request->init));
        r->inputs = *model_inputs(r->request->init);
        return ST_OK;
    }
    row_inputs(&r->table, &r->split.part[TRAIN], c->inputs, &r->inputs);
    if (train_config_transfers(c))
        return network_cut(model_network(r->request->init), &cut, c->labels.n, r->inputs.n, &r->net, r->err);
    return network_new(&(struct network_spec){ train_config_architecture(c), (size_t)c->image_size,
                                               c->labels.n, r->inputs.n, (enum head_kind)c->head,
                                               (size_t)c->channels },
                       &r->net, r->err);
}

/* The part of the rows with the base rates that has a finding, of those of which that is known: `ret_n` of them. */
static double base_part(const struct run *r, size_t k, double *ret_n)
{
    const struct rows *rows = &r->split.part[r->base_split];
    size_t n = 0, known = 0;

    for (size_t i = 0; i < rows->n; i++) {
        n += r->table.rows[rows->index[i]].labels >> k & 1;
        known += !(r->table.rows[rows->index[i]].unknown >> k & 1);
    }
    *ret_n = (double)known;
    return known ? (double)n / (double)known : 0;
}

void run_base_rates(const struct run *r, double *rates)
{
    for (size_t k = 0; k < r->config->labels.n; k++) {
        double n;

        rates[k] = base_part(r, k, &n);
        if (rates[k] == 0 || rates[k] == 1)
            rates[k] = (rates[k] * n + 0.5) / (n + 1);
    }
}

enum status run_baseline(struct run *r)
{
    double rates[MAX_LABELS];

    run_base_rates(r, rates);
    if (evaluate_rates(&r->kept_validation, rates, &r->result->baseline) != ST_OK)
        return error_nomem(r->err);
    return ST_OK;
}

void run_base_log_odds(const struct run *r, double *ret)
{
    for (size_t k = 0; k < r->config->labels.n; k++) {
        double n;

        ret[k] = base_part(r, k, &n);
        ret[k] = log_odds(ret[k] * n, n);
    }
}

/* From a model's weights; what balancing adds to the bias is added here too, as it will be taken off again. */
static void weights_from(const struct run *r, const struct model *m, float *params)
{
    memcpy(params, model_params(m), (r->net->n_params + r->net->n_state) * sizeof *params);
    for (size_t k = 0; k < r->config->labels.n; k++)
        params[r->net->head_bias + k] += (float)r->balance.shift[k];
}

/* The head of the inputs at their regression: Adam, which moves a weight by the rate a step at most, would not come to it in
 * thousands of steps. */
static void inputs_begin(const struct run *r, float *params)
{
    const struct network *from = model_network(r->alone);
    const float *fitted = model_params(r->alone);

    memcpy(params + r->net->head_inputs, fitted + from->head_inputs,
           r->net->n_labels * r->net->n_inputs * sizeof *params);
    for (size_t k = 0; k < r->config->labels.n && r->config->head_bias == HEAD_BIAS_BASE_RATES; k++)
        params[r->net->head_bias + k] = fitted[from->head_bias + k] + (float)r->balance.shift[k];
}

static void weights_begin(struct run *r)
{
    float *params = training_params(r->training);
    struct rng rng;

    if (r->transfer) /* the regression is to come */
        return;
    if (r->request->init) {
        weights_from(r, r->request->init, params);
        return;
    }
    rng_seed(&rng, (uint64_t)r->config->seed, STREAM_WEIGHTS);
    network_initialise(r->net, (enum init)r->config->initializer, &rng, params);
    for (size_t i = r->net->head_weights; i < r->net->head_bias; i++)
        params[i] *= (float)r->config->head_scale;
    for (size_t k = 0; k < r->config->labels.n && r->config->head_bias == HEAD_BIAS_BASE_RATES; k++)
        params[r->net->head_bias + k] = (float)r->balance.log_odds[k];
    if (r->alone && r->config->head_inputs == HEAD_INPUTS_LOGISTIC)
        inputs_begin(r, params);
}

/* A model in a checkpoint of a version that did not write which rows it has seen. */
static enum status data_note_complete(struct run *r)
{
    char *text;
    enum status st;

    if (json_object_get(model_notes(r->result->model), DATA_NOTE))
        return ST_OK;
    text = run_data_text(r);
    st = run_add_note(r, DATA_NOTE, text);
    free(text);
    return st;
}

/* Where a checkpoint left off, if there is one. A job without pictures has none: it is over in a moment. */
static enum status go_on(struct run *r)
{
    enum status st;

    if (!r->request->checkpoint)
        return ST_OK;
    st = r->training ? checkpoint_load(r) : ST_OK;
    if (st == ST_OK && r->result->model)
        st = run_baseline(r);
    if (st == ST_OK && r->result->model)
        st = data_note_complete(r);
    if (st == ST_OK && r->observer->resumed)
        r->observer->resumed(r->observer->arg, r->result);
    return st;
}

/* The part of the backbone that is constant. */
static enum norms norms_of(const struct train_config *c)
{
    return c->freeze == FREEZE_BACKBONE ? NORMS_FROZEN_BACKBONE : (enum norms)c->norms;
}

/* The memory that steps of training need. */
static enum status prepare_steps(struct run *r)
{
    struct rng *shuffler = r->config->shuffle ? &r->batch_rng : NULL;
    enum status st = training_new(r->net, (size_t)r->config->shards, (size_t)r->config->batch_size,
                                  norms_of(r->config), r->pool, r->ranks, &r->training, r->err);

    if (st == ST_OK)
        st = batch_init(&r->batch, (size_t)r->config->batch_size, &r->pre, r->net->n_labels, r->err);
    if (st != ST_OK)
        return st;
    r->batch.augment = r->config->augment;
    r->batch.seed = (uint64_t)r->config->seed;
    rng_seed(&r->batch_rng, (uint64_t)r->config->seed, STREAM_BATCHES);
    if (balance_init(&r->balance, (enum balancing)r->config->balance, &r->table, &r->split.part[TRAIN]) !=
            ST_OK ||
        order_init(&r->order, &r->split.part[TRAIN], r->balance.row_weights, shuffler) != ST_OK)
        return error_nomem(r->err);
    weights_begin(r);
    return run_optimise_begin(r);
}

enum status run_prepare(struct run *r)
{
    enum status st = geometry(r);

    if (st != ST_OK)
        return st;
    plan(r);
    rng_seed(&r->validation_rng, (uint64_t)r->config->seed, STREAM_VALIDATION);
    r->result->epochs = calloc(r->n_epochs, sizeof *r->result->epochs);
    r->reports = calloc(r->n_epochs * (sizeof *r->result->epochs / sizeof *r->reports), sizeof *r->reports);
    if (!r->result->epochs || !r->reports)
        return error_nomem(r->err);
    st = scorer_new(&r->pictures, r->pool, &r->scorer, r->err);
    if (st == ST_OK)
        st = run_fit_inputs(r);
    if (st == ST_OK && train_config_transfers(r->config))
        st = transfer_new(r, &r->transfer);
    if (st == ST_OK && r->n_epochs > run_regresses(r, 1))
        st = prepare_steps(r);
    if (st == ST_OK && network_sees(r->net))
        st = run_gate_fit(r);
    return st == ST_OK ? go_on(r) : st;
}
