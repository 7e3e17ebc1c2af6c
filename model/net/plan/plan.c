/* model/net/plan/plan.c - see plan.h. */
#include "plan.h"

#include "steps.h"

#include <assert.h>
#include <stdlib.h>

enum status plan_new(const struct network *net, const struct kernels *k, enum purpose purpose,
                     enum precision precision, struct plan **ret_plan)
{
    const bool training = purpose != FOR_INFERENCE;
    struct steps steps = { 0 };
    struct plan *p = calloc(1, sizeof *p);
    enum status st = p ? steps_init(&steps, net, k->panel) : ST_NOMEM;

    assert(!training || precision == PRECISION_FLOAT32);
    if (st != ST_OK)
        goto out;
    p->net = network_ref(net);
    p->purpose = purpose;
    p->precision = precision;
    p->kernels = k;
    alias(&steps);
    fuse(&steps);
    if (!training) {
        commute(&steps);
        norms(&steps);
    }
    endings(&steps, purpose);
    choose(&steps, purpose);
    if (precision == PRECISION_INT12)
        narrow(&steps);
    fold(&steps);
    drop(&steps);
    st = place(&steps, training, p);
    if (st == ST_OK)
        st = training ? share_slopes(p) : share(p);
out:
    steps_release(&steps);
    if (st != ST_OK) {
        plan_free(p);
        return st;
    }
    *ret_plan = p;
    return ST_OK;
}

size_t plan_image_floats(const struct plan *p)
{
    size_t n = p->arena;

    for (size_t i = 0; i < p->n_memories; i++)
        n += p->memories[i].shared ? 0 : p->memories[i].size;
    return n;
}

void plan_free(struct plan *p)
{
    if (!p)
        return;
    network_unref(p->net);
    free(p->values);
    free(p->memories);
    free(p->slopes);
    free(p->ops);
    free(p);
}
