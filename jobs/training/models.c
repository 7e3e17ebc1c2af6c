/* jobs/training/models.c - the models of a run: the one that a regression made, and what any of them scores on rows. */
#include "transfer.h"

const struct model *run_regression(const struct run *r)
{
    return r->transfer ? transfer_model(r->transfer) : r->alone;
}

enum status run_score_by(struct run *r, struct scorer *scorer, const struct model *m, const uint32_t *rows,
                         size_t n, struct features *features, struct scores *ret)
{
    struct scoring_hooks hooks = run_hooks(r);

    hooks.features = features;
    hooks.ranks = r->ranks;
    hooks.kept = r->transfer ? transfer_kept(r->transfer, m) : NULL;
    return scorer_run(scorer, m, rows, n, r->config->missing_images == MISSING_FAIL, &hooks, ret, r->err);
}

enum status run_score(struct run *r, const struct model *m, const uint32_t *rows, size_t n,
                      struct scores *ret)
{
    return run_score_by(r, r->scorer, m, rows, n, NULL, ret);
}
