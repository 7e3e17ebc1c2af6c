/* model/net/plan/steps.c - see steps.h. */
#include "steps.h"

#include "../layer.h"

#include <stdlib.h>
#include <string.h>

enum status steps_init(struct steps *s, const struct network *net)
{
    *s = (struct steps){ .net = net, .n = net->n_nodes - 1 };
    s->steps = calloc(s->n, sizeof *s->steps);
    if (!s->steps)
        return ST_NOMEM;
    for (size_t i = 0; i < s->n; i++) {
        const struct node *l = &net->nodes[i];

        s->steps[i] = (struct step){ .kind = &OP_PLAIN, .node = l, .n_from = l->ops->n_from, .folded = 1 };
        memcpy(s->steps[i].from, l->from, sizeof l->from);
        for (size_t k = 0; k < l->ops->n_from; k++)
            s->steps[l->from[k]].readers++;
    }
    s->steps[steps_last(s)].readers++;
    return ST_OK;
}

void steps_release(struct steps *s)
{
    free(s->steps);
    *s = (struct steps){ 0 };
}

void drop(struct steps *s)
{
    for (size_t i = s->n; i-- > 1;) {
        struct step *step = &s->steps[i];

        if (!step->kind || step->readers > 0)
            continue;
        for (size_t k = 0; k < step->n_from; k++)
            s->steps[step->from[k]].readers--;
        step->kind = NULL;
    }
}
