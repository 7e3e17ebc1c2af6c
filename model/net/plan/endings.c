/* model/net/plan/endings.c - what a kernel does to its result before it is written: a sum with another value (the residual of a
 * ResNet), and an activation. In training only normalisations and sums end with one: a convolution's way back is without either. */
#include "steps.h"

/* The endings that a step may have: at inference any activation, in training those whose slope is seen in the result. */
static enum activation ending_of(const struct step *s, enum purpose purpose)
{
    const enum activation a = s && s->kind == &OP_PLAIN ? activation_of(s->node->ops) : ACT_NONE;

    return purpose == FOR_INFERENCE || a == ACT_RELU || a == ACT_RELU6 ? a : ACT_NONE;
}

/* `into` does what `step` did, and something more. */
static void take(struct step *into, struct step *step)
{
    into->node = step->node;
    into->norm = step->norm;
    into->prologue = step->prologue;
    into->from[0] = step->from[0];
    step->kind = NULL;
}

/* Returns the step that does both, or i. */
static size_t with_sum(struct steps *s, size_t i)
{
    struct step *sum = steps_only_reader(s, i);
    size_t other;

    if (!steps_is(sum, &LAYER_ADD) || s->steps[i].n_from > 1)
        return i;
    other = sum->from[0] == i ? sum->from[1] : sum->from[0];
    take(sum, &s->steps[i]);
    sum->from[1] = other;
    return (size_t)(sum - s->steps);
}

static void with_activation(struct steps *s, size_t i, enum purpose purpose)
{
    struct step *end = steps_only_reader(s, i);
    const enum activation activation = ending_of(end, purpose);

    if (activation == ACT_NONE)
        return;
    end->end = end->node;
    take(end, &s->steps[i]);
    end->n_from = s->steps[i].n_from;
    end->from[1] = s->steps[i].from[1];
    end->activation = activation;
}

void endings(struct steps *s, enum purpose purpose)
{
    for (size_t i = 1; i < s->n; i++) {
        const struct step *step = &s->steps[i];

        if (step->activation != ACT_NONE)
            continue;
        if (steps_is(step, &LAYER_CONV) && purpose == FOR_INFERENCE)
            with_activation(s, step->node->groups > 1 ? i : with_sum(s, i), purpose);
        else if (steps_is(step, &LAYER_NORM) || steps_is(step, &LAYER_ADD) ||
                 (steps_scales(step) && purpose == FOR_INFERENCE))
            with_activation(s, i, purpose);
    }
}
