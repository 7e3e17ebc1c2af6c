/* model/net/plan/alias.c - steps that give what there is: flattening one number a channel changes nothing, and what reads the same as
 * a step before it, and does the same, is that step. PyTorch writes a dense block so: each of its layers joins all results before it
 * anew, and without this every result would be copied into every concatenation behind it. */
#include "steps.h"

static void read_instead(struct steps *s, size_t old, size_t new)
{
    for (size_t i = old + 1; i < s->n; i++)
        for (size_t k = 0; k < s->steps[i].n_from; k++)
            if (s->steps[i].from[k] == old)
                s->steps[i].from[k] = new;
    if (s->last == old)
        s->last = new;
}

/* Every reader of step i reads `instead`. */
static void replace(struct steps *s, size_t i, size_t instead)
{
    struct step *step = &s->steps[i];

    read_instead(s, i, instead);
    s->steps[instead].readers += step->readers;
    for (size_t k = 0; k < step->n_from; k++)
        s->steps[step->from[k]].readers--;
    step->readers = 0;
    step->kind = NULL;
}

static bool changes_nothing(const struct step *s)
{
    return steps_is(s, &LAYER_FLATTEN) && s->node->in[0].h * s->node->in[0].w == 1;
}

/* Whether its kind, what it reads and what it takes of that say all about it. */
static bool is_plain(const struct node *node)
{
    return node->n_params + node->n_state == 0 && node->ops->n_from > 0 && node->window.h == 0 &&
           node->low == 0 && node->high == 0 && node->slope == 0;
}

static bool reads_the_same(const struct step *a, const struct step *b)
{
    if (a->node->first != b->node->first || a->node->groups != b->node->groups)
        return false;
    for (size_t k = 0; k < a->n_from; k++)
        if (a->from[k] != b->from[k])
            return false;
    return true;
}

/* The step before i that does the same, or i. */
static size_t first_of(const struct steps *s, size_t i)
{
    const struct step *step = &s->steps[i];

    for (size_t j = step->from[0] + 1; j < i && is_plain(step->node); j++)
        if (steps_is(&s->steps[j], step->node->ops) && reads_the_same(&s->steps[j], step) &&
            s->steps[j].out.c == step->out.c)
            return j;
    return i;
}

void alias(struct steps *s)
{
    for (size_t i = 1; i < s->n; i++) {
        const size_t instead = changes_nothing(&s->steps[i]) ? s->steps[i].from[0] : first_of(s, i);

        if (instead != i)
            replace(s, i, instead);
    }
}
