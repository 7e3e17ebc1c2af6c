/* jobs/training/fit_inputs.c - the inputs alone: a logistic regression for each finding, fitted to the training rows. */
#include "logistic.h"
#include "row_inputs.h"
#include "run.h"

#include <stdlib.h>

_Static_assert((int)N_INPUT_NUMBERS <= (int)LOGISTIC_MAX && (int)N_INPUT_NUMBERS <= (int)NETWORK_MAX_INPUTS,
               "all at once");

/* One task is one finding, so the fit does not depend on the number of threads. */
struct fit {
    struct logistic_rows rows;
    uint8_t *positive; /* [labels][n] */
    double weights[MAX_LABELS][N_INPUT_NUMBERS], bias[MAX_LABELS];
    enum status status[MAX_LABELS];
};

static void fit_task(void *arg, size_t task, size_t lane)
{
    struct fit *f = arg;

    (void)lane;
    f->status[task] =
        logistic_fit(&f->rows, f->positive + task * f->rows.n, f->weights[task], &f->bias[task]);
}

/* The numbers and the findings of the training rows. */
static void rows_fill(const struct run *r, float *x, uint8_t *positive)
{
    const struct rows *train = &r->split.part[TRAIN];

    for (size_t i = 0; i < train->n; i++) {
        const struct table_row *row = &r->table.rows[train->index[i]];
        const struct input_values values = row_values(&r->table, train->index[i]);

        inputs_standardise(&r->inputs, &values, x + i * r->inputs.n);
        for (size_t k = 0; k < r->table.labels.n; k++)
            positive[k * train->n + i] = row->labels >> k & 1;
    }
}

/* What was fitted, as a network without a picture. */
static enum status model_of(struct run *r, const struct fit *f)
{
    const struct network *net = NULL;
    float params[MAX_LABELS * (N_INPUT_NUMBERS + 1)];
    const size_t d = f->rows.d;
    char *text = inputs_text(&r->inputs, &r->table.labels);
    enum status st =
        text ? network_new(&(struct network_spec){ "logistic", 0, r->table.labels.n, d }, &net, r->err)
             : error_nomem(r->err);

    if (st == ST_OK) {
        for (size_t k = 0; k < r->table.labels.n; k++) {
            params[net->head_bias + k] = (float)f->bias[k];
            for (size_t j = 0; j < d; j++)
                params[net->head_inputs + k * d + j] = (float)f->weights[k][j];
        }
        st = model_new(net, &r->table.labels, &(struct preprocess){ 0 }, params,
                       json_pack("{s:s}", "inputs", text), &r->alone, r->err);
    }
    network_unref(net);
    free(text);
    return st;
}

enum status run_fit_inputs(struct run *r)
{
    const size_t n = r->split.part[TRAIN].n, d = r->inputs.n;
    struct fit *f;
    float *x;
    enum status st = ST_OK;

    if (d == 0)
        return ST_OK;
    f = calloc(1, sizeof *f);
    x = malloc((n + 1) * d * sizeof *x);
    if (f)
        f->positive = malloc((n + 1) * r->table.labels.n);
    if (!f || !x || !f->positive) {
        st = error_nomem(r->err);
        goto out;
    }
    rows_fill(r, x, f->positive);
    f->rows = (struct logistic_rows){ n, d, x };
    pool_run(r->pool, r->table.labels.n, fit_task, f);
    for (size_t k = 0; k < r->table.labels.n && st == ST_OK; k++)
        if (f->status[k] != ST_OK)
            st = error_set(r->err, f->status[k], "the inputs make no finite logistic regression");
    if (st == ST_OK)
        st = model_of(r, f);
out:
    if (f)
        free(f->positive);
    free(f);
    free(x);
    return st;
}
