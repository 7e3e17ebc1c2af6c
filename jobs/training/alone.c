/* jobs/training/alone.c - the gain of a network over the inputs that it takes: the logistic regression of these is scored on the
 * same rows. A network of pictures that does not gain over age, sex, view and history has learned nothing from pictures. */
#include "run.h"

#include <stdlib.h>

/* Of the one, or what it is above the other. */
static enum status estimate_loss(const struct patients *p, const struct scores *plus,
                                 const struct scores *minus, struct estimate *ret)
{
    double *values = malloc((plus->n + 1) * sizeof *values);
    struct figure f = { 0 };
    enum status st = values ? figure_init(&f, p) : ST_NOMEM;

    if (st == ST_OK)
        st = figure_add_loss(&f, 1, plus, values);
    if (st == ST_OK && minus)
        st = figure_add_loss(&f, -1, minus, values);
    if (st == ST_OK)
        st = figure_estimate(&f, ret);
    figure_release(&f);
    free(values);
    return st;
}

static enum status estimate_auroc(const struct patients *p, const struct scores *plus,
                                  const struct scores *minus, struct estimate *ret)
{
    struct figure f;
    enum status st = figure_init(&f, p);

    if (st == ST_OK)
        st = figure_add_macro_auroc(&f, 1, plus);
    if (st == ST_OK && minus)
        st = figure_add_macro_auroc(&f, -1, minus);
    if (st == ST_OK)
        st = figure_estimate(&f, ret);
    figure_release(&f);
    if (st == ST_OK)
        estimate_cut(ret, minus ? -1 : 0, 1);
    return st;
}

static enum status hold_against(const struct scores *network, const struct scores *alone,
                                struct inputs_alone *ret)
{
    struct patients p;
    enum status st = patients_group(network->n, network->patients, &p);

    if (st != ST_OK)
        return st;
    st = estimate_loss(&p, alone, NULL, &ret->loss);
    if (st == ST_OK)
        st = estimate_auroc(&p, alone, NULL, &ret->macro_auroc);
    if (st == ST_OK)
        st = estimate_loss(&p, alone, network, &ret->loss_gain);
    if (st == ST_OK)
        st = estimate_auroc(&p, network, alone, &ret->auroc_gain);
    ret->known = st == ST_OK;
    patients_release(&p);
    return st;
}

enum status run_inputs_alone(struct run *r, const struct scores *s, struct inputs_alone *ret)
{
    struct scores alone = { 0 };
    const size_t done_before = r->images_done;
    enum status st;

    *ret = (struct inputs_alone){ 0 };
    if (!r->alone || !network_sees(r->net) || s->n == 0)
        return ST_OK;
    st = run_score(r, r->alone, s->rows, s->n, &alone);
    r->images_done = done_before; /* no picture is looked at */
    if (st == ST_OK && hold_against(s, &alone, ret) != ST_OK)
        st = error_nomem(r->err);
    scores_release(&alone);
    return st;
}
