/* jobs/training/fit_inputs.c - the inputs alone: a logistic regression for each finding, fitted to the training rows. */
#include "regression.h"
#include "row_inputs.h"
#include "run.h"

#include <stdlib.h>

_Static_assert((int)N_INPUT_NUMBERS <= (int)NETWORK_MAX_INPUTS, "all at once");

/* The numbers and the findings of the training rows. */
static void rows_fill(const struct run *r, struct regression *g)
{
    const struct rows *train = &r->split.part[TRAIN];
    uint8_t truth[MAX_LABELS];

    for (size_t i = 0; i < train->n; i++) {
        const struct input_values values = row_values(&r->table, train->index[i]);

        inputs_standardise(&r->inputs, &values, g->x + i * g->d);
        row_truth(&r->table, train->index[i], truth);
        for (size_t k = 0; k < g->n_labels; k++)
            g->positive[k * train->n + i] = truth[k];
    }
}

/* The fit as a network without a picture. */
static enum status model_of(struct run *r, const struct regression *g)
{
    const struct network *net = NULL;
    float params[MAX_LABELS * (N_INPUT_NUMBERS + 1)];
    char *text = inputs_text(&r->inputs, &r->table.labels);
    enum status st =
        text ? network_new(&(struct network_spec){ "logistic", 0, g->n_labels, g->d }, &net, r->err)
             : error_nomem(r->err);

    if (st == ST_OK) {
        for (size_t k = 0; k < g->n_labels; k++) {
            const double *fitted = regression_fitted(g, k);

            params[net->head_bias + k] = (float)fitted[g->d];
            for (size_t j = 0; j < g->d; j++)
                params[net->head_inputs + k * g->d + j] = (float)fitted[j];
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
    const struct interruption stop = run_interruption(r);
    struct regression g;
    enum status st;

    if (r->inputs.n == 0)
        return ST_OK;
    if (regression_init(&g, r->table.labels.n, r->split.part[TRAIN].n, r->inputs.n) != ST_OK)
        return error_nomem(r->err);
    g.solver = r->config->inputs_solver;
    rows_fill(r, &g);
    st = regression_tell(regression_fit(&g, LOGISTIC_RIDGE, &stop, r->pool), "the inputs", r->err);
    if (st == ST_OK)
        st = model_of(r, &g);
    regression_release(&g);
    return st;
}
