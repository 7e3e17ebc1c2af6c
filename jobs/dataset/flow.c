/* jobs/dataset/flow.c - which rows are left at each step, and of how many patients, see cxrd/dataset.h. */
#include "cxrd/dataset.h"

#include <stdlib.h>

const char *const FLOW_NAMES[N_FLOW] = { "table", "age",        "findings", "pictures", "used",
                                         "train", "validation", "test",     "normal" };

static int by_patient(const void *a, const void *b)
{
    const uint64_t p = *(const uint64_t *)a, q = *(const uint64_t *)b;

    return (p > q) - (p < q);
}

/* Patients as they come; those of several rows count once. */
struct crowd {
    const struct table *t;
    size_t n;
    uint64_t *ids; /* [of all rows], owned */
};

static enum status crowd_init(struct crowd *c, const struct table *t)
{
    *c = (struct crowd){ t, 0, malloc((t->n_rows + 1) * sizeof *c->ids) };
    return c->ids ? ST_OK : ST_NOMEM;
}

static void crowd_add(struct crowd *c, const struct rows *rows)
{
    for (size_t i = 0; i < rows->n; i++)
        c->ids[c->n++] = c->t->rows[rows->index[i]].patient;
}

/* Counts, and begins anew. */
static struct flow crowd_count(struct crowd *c)
{
    struct flow flow = { c->n, 0 };

    qsort(c->ids, c->n, sizeof *c->ids, by_patient);
    for (size_t i = 0; i < c->n; i++)
        flow.patients += i == 0 || c->ids[i] != c->ids[i - 1];
    c->n = 0;
    return flow;
}

enum status flow_count(const struct table *t, const struct rows *rows, struct flow *ret)
{
    struct crowd c;
    const enum status st = crowd_init(&c, t);

    if (st != ST_OK)
        return st;
    crowd_add(&c, rows);
    *ret = crowd_count(&c);
    free(c.ids);
    return ST_OK;
}

enum status flow_begin(const struct table *t, int max_age, struct flow flow[N_FLOW])
{
    struct crowd c;
    const enum status st = crowd_init(&c, t);

    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < t->n_rows; i++)
        c.ids[c.n++] = t->rows[i].patient;
    flow[FLOW_TABLE] = crowd_count(&c);
    for (size_t i = 0; i < t->n_rows; i++)
        if (!(t->rows[i].age > (float)max_age))
            c.ids[c.n++] = t->rows[i].patient;
    flow[FLOW_AGE] = crowd_count(&c);
    free(c.ids);
    return ST_OK;
}

enum status flow_end(const struct table *t, const struct split *split, struct flow flow[N_FLOW])
{
    static const enum flow_step STEPS[N_SPLITS] = { FLOW_TRAIN, FLOW_VALIDATION, FLOW_TEST };
    struct crowd c;
    const enum status st = crowd_init(&c, t);

    if (st != ST_OK)
        return st;
    for (int part = 0; part < N_SPLITS; part++)
        crowd_add(&c, &split->part[part]);
    flow[FLOW_USED] = crowd_count(&c);
    for (int part = 0; part < N_SPLITS; part++) {
        crowd_add(&c, &split->part[part]);
        flow[STEPS[part]] = crowd_count(&c);
    }
    free(c.ids);
    return ST_OK;
}
