/* model/net/explain.c - see cxrd/explain.h. The features lie channels last and the prepared head weights lie as they
 * do, so a cell is one dot product over neighbours in memory: 65,536 products for a whole map at image size 256. They
 * are added in double, since a map is read number by number and its cells may cancel. */
#include "cxrd/explain.h"

#include "model_parts.h"

#include <assert.h>

static double cell(const struct value *v, const float *weights, const float *features, size_t i)
{
    const size_t first = layout_at(&v->layout, 0, i / v->shape.w, i % v->shape.w);
    double sum = 0;

    for (size_t c = 0; c < v->shape.c; c++) {
        const size_t at = first + layout_at(&v->layout, c, 0, 0);

        sum += (double)weights[at] * (double)features[at];
    }
    return sum;
}

void session_explain(const struct session *s, const struct model *m, size_t label, float logit,
                     struct explanation *ret)
{
    const struct plan *p = model_plan(m);
    const struct prepared *w = model_prepared(m);
    const struct value *v = &p->values[p->head_value];
    const float *features = session_features(s, m), *weights = w->head + label * p->row;

    assert(label < N_LABELS && v->shape.h * v->shape.w <= sizeof ret->grid / sizeof ret->grid[0]);
    ret->label = label;
    ret->logit = (double)logit;
    ret->bias = (double)w->head_bias[label];
    ret->inputs = 0;
    ret->rows = v->shape.h;
    ret->columns = v->shape.w;
    for (size_t i = 0; i < v->shape.h * v->shape.w; i++)
        ret->grid[i] = cell(v, weights, features, i);
}
