/* jobs/site/rows.c - see rows.h. */
#include "rows.h"

#include <math.h>
#include <stdlib.h>

static enum status prepare(struct site_rows *r, struct error *err)
{
    const struct scores *s = &r->file.scores;

    r->values = malloc((s->n + 1) * sizeof *r->values);
    r->here = malloc((s->n + 1) * s->labels->n * sizeof *r->here);
    if (!r->values || !r->here || patients_group(s->n, s->patients, &r->patients) != ST_OK)
        return error_nomem(err);
    return ST_OK;
}

enum status site_rows_read(const char *path, const char *split, const struct labels *labels,
                           struct site_rows *ret, struct error *err)
{
    struct site_rows r = { 0 };
    enum status st = scores_read(path, split, &r.file, err);

    if (st != ST_OK)
        return st;
    if (!labels_equal(&r.file.labels, labels))
        st = error_set(err, ST_UNUSABLE, "the scores are of other findings than the model's");
    else if (r.file.scores.n == 0)
        st = error_set(err, ST_UNUSABLE, "the scores have no %s row", split);
    if (st == ST_OK)
        st = prepare(&r, err);
    if (st != ST_OK) {
        site_rows_release(&r);
        return st;
    }
    *ret = r;
    ret->file.scores.labels = &ret->file.labels; /* which has moved */
    return ST_OK;
}

void site_rows_release(struct site_rows *r)
{
    free(r->values);
    free(r->here);
    patients_release(&r->patients);
    read_scores_release(&r->file);
    *r = (struct site_rows){ 0 };
}

enum status site_rates(struct site_rows *r, const uint8_t *truth, const float *score, float threshold,
                       const float *thresholds, struct operating_quality *ret)
{
    const size_t n = r->file.scores.n, stride = r->file.labels.n;
    struct estimate hits, passes;
    uint8_t *known = calloc(n + 1, 1); /* rows that no threshold judges take no part */
    enum status st = known ? ST_OK : ST_NOMEM;

    for (size_t i = 0; i < n && known; i++) {
        const float t = thresholds ? thresholds[i] : threshold;

        known[i] = isnan(t) ? TRUTH_UNKNOWN : truth[i * stride];
        r->values[i] = score[i * stride] >= t;
    }
    if (st == ST_OK)
        st = rate_estimate(&r->patients, r->values, known, 1, 1, &hits);
    for (size_t i = 0; i < n && st == ST_OK; i++)
        r->values[i] = 1 - r->values[i];
    if (st == ST_OK)
        st = rate_estimate(&r->patients, r->values, known, 1, 0, &passes);
    free(known);
    if (st == ST_OK)
        *ret = (struct operating_quality){ hits.value,   hits.low,   hits.high,
                                           passes.value, passes.low, passes.high };
    return st;
}
