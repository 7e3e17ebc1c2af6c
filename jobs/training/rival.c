/* jobs/training/rival.c - score the model to compare with on the rows that the new one was validated on. */
#include "run.h"

#include <string.h>

/* It has its own picture size and scaling. What is in the cache serves it if that is of its size; else its pictures
 * are decoded, once. */
static enum status score(struct run *r, const struct model *m, const struct scores *of, struct scores *ret)
{
    struct pictures pictures = r->pictures;
    struct scorer *scorer = NULL;
    enum status st;

    pictures.pre = *model_preprocess(m);
    if (pictures.pre.size != r->pre.size || pictures.pre.resize != r->pre.resize)
        pictures.cache = NULL;
    st = scorer_new(&pictures, r->pool, &scorer, r->err);
    if (st == ST_OK)
        st = run_score_by(r, scorer, m, of->rows, of->n, ret);
    scorer_free(scorer);
    return st;
}

enum status run_rival(struct run *r, const struct scores *validation)
{
    struct train_result *result = r->result;
    const struct model *m = r->config->promote == PROMOTE_IF_BETTER && r->observer->rival
                                ? r->observer->rival(r->observer->arg)
                                : NULL;
    struct scores s = { 0 };
    double rates[N_LABELS];
    enum status st;

    result->rival = RIVAL_NONE;
    if (!m)
        return ST_OK;
    result->rival = RIVAL_FAILED;
    st = score(r, m, validation, &s);
    if (st == ST_NUMERIC)
        return ST_OK; /* a model that gives no numbers is no reason to lose the new one */
    if (st != ST_OK)
        return st;
    if (s.n == validation->n && memcmp(s.rows, validation->rows, s.n * sizeof *s.rows) == 0) {
        run_base_rates(r, rates);
        st = evaluate(&s, &result->operating, rates, &result->rival_evaluation);
        result->rival = RIVAL_SCORED;
        result->rival_split = lineage_of(model_trained_rows(m), result->dataset.split_sha256);
    }
    scores_release(&s);
    return st == ST_OK ? ST_OK : error_nomem(r->err);
}
