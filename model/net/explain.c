/* model/net/explain.c - see cxrd/explain.h. The features lie channels last and the prepared head weights lie as they
 * do, so a cell is one dot product over neighbours in memory: 65,536 products for a whole map at image size 256. They
 * are added in double, since a map is read number by number and its cells may cancel. */
#include "cxrd/explain.h"

#include "model_parts.h"

#include <assert.h>

static double cell(const float *weights, const float *features, size_t channels)
{
    double sum = 0;

    for (size_t c = 0; c < channels; c++)
        sum += (double)weights[c] * (double)features[c];
    return sum;
}

void session_explain(const struct session *s, const struct model *m, size_t label, float logit,
                     struct explanation *ret)
{
    const struct plan *p = model_plan(m);
    const struct prepared *w = model_prepared(m);
    const struct block *last = &p->blocks[p->n_blocks - 1];
    const float *features = session_features(s, m), *weights = w->head + label * p->features;

    assert(label < N_LABELS && p->head_plane <= sizeof ret->grid / sizeof ret->grid[0]);
    ret->label = label;
    ret->logit = (double)logit;
    ret->bias = (double)w->head_bias[label];
    ret->inputs = 0;
    ret->rows = last->h / 2;
    ret->columns = last->w / 2;
    for (size_t i = 0; i < p->head_plane; i++)
        ret->grid[i] =
            cell(weights + i * p->head_channels, features + i * p->head_channels, p->head_channels);
}
