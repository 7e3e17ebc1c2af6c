/* model/net/plan/steps.c - see steps.h. */
#include "steps.h"

#include <stdlib.h>
#include <string.h>

enum status steps_init(struct steps *s, const struct network *net, size_t panel)
{
    *s = (struct steps){
        .net = net, .panel = panel, .n = net->n_nodes - 1, .last = net->nodes[net->n_nodes - 1].from[0]
    };
    s->steps = calloc(s->n, sizeof *s->steps);
    if (!s->steps)
        return ST_NOMEM;
    for (size_t i = 0; i < s->n; i++) {
        const struct node *l = &net->nodes[i];

        s->steps[i] = (struct step){
            .kind = &OP_PLAIN, .node = l, .n_from = l->ops->n_from, .folded = 1, .out = l->out
        };
        memcpy(s->steps[i].from, l->from, sizeof l->from);
        for (size_t k = 0; k < l->ops->n_from; k++)
            s->steps[l->from[k]].readers++;
    }
    s->steps[s->last].readers++;
    return ST_OK;
}

void steps_release(struct steps *s)
{
    free(s->steps);
    *s = (struct steps){ 0 };
}

struct step *steps_only_reader(const struct steps *s, size_t i)
{
    if (s->steps[i].readers != 1)
        return NULL;
    for (size_t k = i + 1; k < s->n; k++)
        for (size_t j = 0; s->steps[k].kind && j < s->steps[k].n_from; j++)
            if (s->steps[k].from[j] == i)
                return &s->steps[k];
    return NULL; /* the head */
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
