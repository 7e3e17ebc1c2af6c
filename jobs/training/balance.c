/* jobs/training/balance.c - see balance.h. */
#include "balance.h"

#include "cxrd/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double MOST_OFTEN = 4, MOST_WEIGHT = 10;

double log_odds(double positives, double rows) { return log((positives + 0.5) / (rows - positives + 0.5)); }

/* Every row as often as it is drawn: all of them; and by finding those that have it, and those of which it is known. */
struct counts {
    double rows, positives[MAX_LABELS], known[MAX_LABELS];
};

static void count(const struct table *t, const struct rows *train, const float *weights, struct counts *ret)
{
    *ret = (struct counts){ 0 };
    for (size_t i = 0; i < train->n; i++) {
        const struct table_row *row = &t->rows[train->index[i]];
        const double w = weights ? (double)weights[i] : 1;

        ret->rows += w;
        for (size_t k = 0; k < t->labels.n; k++) {
            ret->positives[k] += row->labels >> k & 1 ? w : 0;
            ret->known[k] += row->unknown >> k & 1 ? 0 : w;
        }
    }
}

/* How often a row is drawn, by the rarest of its findings. */
static double row_often(const struct balance *b, uint64_t labels)
{
    double often = 1;

    for (size_t k = 0; k < b->n_labels; k++)
        if (labels >> k & 1)
            often = fmax(often, b->often[k]);
    return often;
}

static enum status resample(struct balance *b, const struct table *t, const struct rows *train,
                            const double positives[MAX_LABELS])
{
    double mean = 0;

    for (size_t k = 0; k < b->n_labels; k++)
        mean += positives[k] / (double)b->n_labels;
    for (size_t k = 0; k < b->n_labels; k++)
        b->often[k] = positives[k] > 0 ? fmin(fmax(sqrt(mean / positives[k]), 1), MOST_OFTEN) : 1;
    b->row_weights = malloc((train->n + 1) * sizeof *b->row_weights);
    if (!b->row_weights)
        return ST_NOMEM;
    for (size_t i = 0; i < train->n; i++)
        b->row_weights[i] = (float)row_often(b, t->rows[train->index[i]].labels);
    return ST_OK;
}

/* The same total weight for either side of a finding, the whole of a finding still weighing as much as before. Where all
 * rows are of one side there is nothing to weigh against, and nothing that would have to be taken off again. */
static void weigh(struct balance *b, size_t k, double positives, double rows)
{
    const double ratio = (rows - positives + 0.5) / (positives + 0.5);
    const double bounded = fmin(fmax(ratio, 1 / MOST_WEIGHT), MOST_WEIGHT);
    const double negative = rows / (bounded * positives + rows - positives);

    if (positives == 0 || positives == rows)
        return;
    b->negative[k] = (float)negative;
    b->positive[k] = (float)(bounded * negative);
}

enum status balance_init(struct balance *b, enum balancing how, const struct table *t,
                         const struct rows *train)
{
    struct counts natural, seen;

    *b = (struct balance){ .n_labels = t->labels.n };
    count(t, train, NULL, &natural);
    if (how == BALANCE_RESAMPLE && resample(b, t, train, natural.positives) != ST_OK)
        return ST_NOMEM;
    count(t, train, b->row_weights, &seen);
    b->mean_often = seen.rows / natural.rows;
    for (size_t k = 0; k < b->n_labels; k++) {
        const double rows = natural.known[k],
                     positives = rows > 0 ? seen.positives[k] * rows / seen.known[k] : 0;

        b->positive[k] = b->negative[k] = 1;
        if (how == BALANCE_WEIGHT)
            weigh(b, k, natural.positives[k], rows);
        b->log_odds[k] = log_odds(positives, rows) +
                         (how == BALANCE_WEIGHT ? log((double)(b->positive[k] / b->negative[k])) : 0);
        b->shift[k] = how == BALANCE_NONE ? 0 : b->log_odds[k] - log_odds(natural.positives[k], rows);
    }
    return ST_OK;
}

double balance_unweighted_loss(const struct balance *b, const float *logits, const uint8_t *truth)
{
    uint64_t labels = 0;
    double sum = 0;

    for (size_t k = 0; k < b->n_labels; k++) {
        const double z = (double)logits[k] - b->shift[k];

        if (truth[k] >= TRUTH_UNKNOWN)
            continue;
        labels |= (uint64_t)truth[k] << k;
        sum += fmax(z, 0) - (truth[k] ? z : 0) + log1p(exp(-fabs(z)));
    }
    return sum / (double)b->n_labels * (b->row_weights ? b->mean_often / row_often(b, labels) : 1);
}

void balance_release(struct balance *b)
{
    free(b->row_weights);
    *b = (struct balance){ 0 };
}
