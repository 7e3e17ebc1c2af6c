/* jobs/training/optimise.c - one change of the weights by what the recipe says: the gradient cut to its limit, Adam with the
 * rates and decays of backbone and head, the running statistics, and the average of all of it. */
#include "run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BACKBONE, HEAD_WEIGHTS, HEAD_REST, N_GROUPS };

/* Adam's first steps move every weight by the whole rate, whatever the slope, and all 65,536 features of a head together
 * move its logits by tens: so the rate comes up slowly, over a tenth of the steps. */
double run_learning_rate(const struct run *r, uint64_t step)
{
    const size_t epochs = (size_t)r->config->epochs - run_regresses(r, 1);
    const double total = (double)r->steps_per_epoch * (double)epochs, at = (double)step;
    const double cosine = 0.5 * (1 + cos(M_PI * at / total)), warm = (at + 1) / (total / 10 + 1);

    switch ((enum lr_schedule)r->config->lr_schedule) {
    case LR_CONSTANT: break;
    case LR_COSINE: return r->config->learning_rate * cosine;
    case LR_WARMUP_COSINE: return r->config->learning_rate * cosine * fmin(warm, 1);
    }
    return r->config->learning_rate;
}

static size_t n_values(const struct run *r) { return r->net->n_params + r->net->n_state; }

enum status run_optimise_begin(struct run *r)
{
    enum status st = adam_init(&r->adam, r->net->n_params, r->err);

    if (st != ST_OK || r->config->ema == 0)
        return st;
    r->average = malloc(n_values(r) * sizeof *r->average);
    if (!r->average)
        return error_nomem(r->err);
    memcpy(r->average, training_params(r->training), n_values(r) * sizeof *r->average);
    return ST_OK;
}

void run_optimise_end(struct run *r)
{
    adam_release(&r->adam);
    free(r->average);
    r->average = NULL;
}

/* The head is the last node, so its weights, its bias and what multiplies the inputs are the last parameters. Discriminative
 * rates: Howard & Ruder, ACL 2018. */
static void groups_of(const struct run *r, struct adam_group ret[N_GROUPS])
{
    const struct network *net = r->net;
    const struct train_config *c = r->config;
    const double rate = run_learning_rate(r, r->adam.steps);
    const double elsewhere = c->decay_scope == DECAY_HEAD ? 0 : c->weight_decay;

    ret[BACKBONE] = (struct adam_group){ 0, net->head_weights, rate * c->backbone_rate, elsewhere };
    ret[HEAD_WEIGHTS] = (struct adam_group){ net->head_weights, net->head_bias, rate, c->weight_decay };
    ret[HEAD_REST] = (struct adam_group){ net->head_bias, net->n_params, rate, elsewhere };
}

/* The factor that shortens a gradient that is longer than it may be (Pascanu, Mikolov & Bengio, ICML 2013, algorithm 1). */
static double clipped(const struct run *r)
{
    const double most = r->config->clip_norm;
    const double norm =
        most > 0 ? gradient_norm(r->net->n_params, training_gradients(r->training), r->pool) : 0;

    return norm > most ? most / norm : 1;
}

/* How far the step that was taken moves the running statistics. The first ones of a network that no model began are of nobody's
 * data: their part is taken out, as of Adam's moments, so that few steps are enough to validate by them. */
static double momentum_of(const struct run *r)
{
    const double momentum = r->config->norm_momentum;

    if (r->request->init || momentum == 0)
        return momentum;
    return momentum / (1 - pow(1 - momentum, (double)r->adam.steps));
}

void run_optimise(struct run *r)
{
    struct adam_group groups[N_GROUPS];
    float *params = training_params(r->training);
    const size_t frozen = r->config->freeze == FREEZE_BACKBONE; /* groups: the first */

    groups_of(r, groups);
    adam_update(&r->adam, training_gradients(r->training), clipped(r), groups + frozen, N_GROUPS - frozen,
                r->pool, params);
    training_follow(r->training, momentum_of(r));
    if (r->average)
        ema_update(n_values(r), params, r->config->ema, r->adam.steps, r->pool, r->average);
}

const float *run_values(const struct run *r)
{
    return r->average    ? r->average
           : r->training ? training_params(r->training)
                         : model_params(run_regression(r));
}
