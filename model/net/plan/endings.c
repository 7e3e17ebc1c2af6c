/* model/net/plan/endings.c - what a kernel does to its result before it is written: a sum with another value (the residual of a
 * ResNet), and an activation. In training only normalisations do: a convolution's way back is without either. */
#include "steps.h"

/* Those that convolutions and normalisations can end with. */
static enum activation activation_of(const struct step *s)
{
    if (steps_is(s, &LAYER_RELU))
        return ACT_RELU;
    return steps_is(s, &LAYER_RELU6) ? ACT_RELU6 : ACT_NONE;
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

static void with_activation(struct steps *s, size_t i)
{
    struct step *end = steps_only_reader(s, i);
    const enum activation activation = end ? activation_of(end) : ACT_NONE;

    if (activation == ACT_NONE)
        return;
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
            with_activation(s, step->node->groups > 1 ? i : with_sum(s, i));
        else if (steps_is(step, &LAYER_NORM))
            with_activation(s, i);
    }
}
