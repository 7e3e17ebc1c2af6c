/* jobs/registry/narrowing.c - see cxrd/narrowing.h. */
#include "cxrd/narrowing.h"

#include "../phantom/case.h"
#include "cxrd/session.h"

#include <math.h>
#include <stdlib.h>

enum { PICTURES = 8, SEED = 12 };

/* The same pictures for every model of a size. */
struct references {
    struct phantom_case cases[PICTURES];
    struct scene scene;
    uint8_t *grey;
    float *x; /* one at a time, as the network reads it */
};

static enum status references_init(struct references *r, const struct preprocess *pre, struct error *err)
{
    const size_t size = pre->size;
    enum status st;

    *r = (struct references){ .grey = malloc(size * size),
                              .x = malloc(preprocess_floats(pre) * sizeof *r->x) };
    st = r->grey && r->x ? phantom_table(SEED, PICTURES, false, r->cases, err) : error_nomem(err);
    return st == ST_OK ? scene_init(&r->scene, size, err) : st;
}

static void references_release(struct references *r)
{
    scene_release(&r->scene);
    free(r->grey);
    free(r->x);
}

static enum status probabilities(const struct model *m, struct session *s, const float *x,
                                 float ret[MAX_LABELS])
{
    float logits[MAX_LABELS];
    const enum status st = session_run(s, m, 1, x, logits);

    if (st == ST_OK)
        model_probabilities(m, 1, logits, ret);
    return st;
}

/* How far picture `i` moves a probability, if further than *most. */
static enum status compare(const struct model *wide, const struct model *narrow, struct references *r,
                           struct session *s, size_t i, double *most)
{
    const struct preprocess *pre = model_preprocess(wide);
    struct box boxes[N_NIH_LABELS];
    float before[MAX_LABELS], after[MAX_LABELS];
    enum status st;

    phantom_draw(&r->scene, SEED, i, &r->cases[i], r->grey, boxes);
    preprocess_scale(r->grey, pre->size * pre->size, pre, r->x);
    st = probabilities(wide, s, r->x, before);
    if (st == ST_OK)
        st = probabilities(narrow, s, r->x, after);
    for (size_t k = 0; k < model_labels(wide)->n && st == ST_OK; k++)
        *most = fmax(*most, fabs((double)before[k] - (double)after[k]));
    return st;
}

static enum status movement(const struct model *wide, const struct model *narrow, double *ret_most,
                            struct error *err)
{
    struct session *s = NULL;
    struct references r;
    enum status st = references_init(&r, model_preprocess(wide), err);

    *ret_most = 0;
    if (st == ST_OK)
        st = session_new(&s);
    for (size_t i = 0; i < PICTURES && st == ST_OK; i++)
        st = compare(wide, narrow, &r, s, i, ret_most);
    session_free(s);
    references_release(&r);
    if (st == ST_NUMERIC)
        return error_set(err, st, "the model's results are not finite numbers");
    return st == ST_OK ? ST_OK : error_nomem(err);
}

enum status model_narrow(struct model **m, enum precision precision, struct error *err)
{
    struct model *narrow = NULL;
    double most;
    enum status st;

    if (precision == PRECISION_FLOAT32 || !model_sees(*m))
        return ST_OK;
    st = model_in_precision(*m, precision, &narrow, err);
    if (st == ST_OK)
        st = movement(*m, narrow, &most, err);
    if (st == ST_OK && most > NARROWING_MOST)
        st = error_set(
            err, ST_UNUSABLE,
            "in %s a probability of this model moves by %.2g, which is more than %g: serve it in float32",
            precision_name(precision), most, NARROWING_MOST);
    if (st != ST_OK) {
        model_unref(narrow);
        return st;
    }
    model_unref(*m);
    *m = narrow;
    return ST_OK;
}
