/* jobs/training/incumbent.c - score the model to compare with on the rows that the new one was validated on, and on the
 * normal chests that it was scored on: a service sees both kinds. */
#include "compare.h"
#include "run.h"

#include <string.h>

/* It has its own picture size and scaling. The cache serves it if its pictures are of that size; else its pictures
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
        st = run_score_by(r, scorer, m, of->rows, of->n, NULL, ret);
    scorer_free(scorer);
    return st;
}

/* Whether the new model has seen no normal chest, and the incumbent says that it has. */
static bool is_narrower(const struct run *r, const struct model *m)
{
    const char *seen = json_string_value(json_object_get(model_notes(m), "population"));

    return seen && strcmp(seen, "all") == 0 && strcmp(run_population(r), "all") != 0;
}

size_t run_incumbent_rows(const struct run *r)
{
    return train_config_compares(r->config) ? r->split.part[VALIDATION].n + r->normal.n : 0;
}

/* The incumbent, if there is one that can be held against the new model. */
static const struct model *incumbent_of(struct run *r)
{
    const struct model *m = train_config_compares(r->config) && r->observer->incumbent
                                ? r->observer->incumbent(r->observer->arg)
                                : NULL;

    r->result->incumbent = m ? INCUMBENT_FAILED : INCUMBENT_NONE;
    if (!m || (model_sees(m) && !train_config_sees(r->config)))
        return NULL; /* there is nothing that it could look at */
    if (labels_equal(model_labels(m), &r->config->labels))
        return m;
    r->result->incumbent = INCUMBENT_OTHER_FINDINGS;
    return NULL;
}

/* Both on all the rows that there are; an incumbent that gives no numbers, or not of each row, is not compared. */
static enum status compare_on(struct run *r, const struct model *m, const struct scores *ours,
                              size_t n_normal)
{
    struct train_result *result = r->result;
    struct scores theirs = { 0 };
    enum status st = score(r, m, ours, &theirs);

    if (st == ST_NUMERIC)
        return ST_OK; /* no reason to lose the new one */
    if (st != ST_OK)
        return st;
    if (theirs.n == ours->n && memcmp(theirs.rows, ours->rows, ours->n * sizeof *ours->rows) == 0) {
        st = compare(ours, &theirs, n_normal, &result->comparison);
        result->comparison.narrower = is_narrower(r, m);
        result->incumbent = INCUMBENT_SCORED;
        result->incumbent_split = lineage_of(model_trained_rows(m), result->dataset.split_sha256);
    }
    scores_release(&theirs);
    return st == ST_OK ? ST_OK : error_nomem(r->err);
}

enum status run_incumbent(struct run *r, const struct scores *validation, const struct scores *normal)
{
    const struct model *m = incumbent_of(r);
    struct scores all = { 0 };
    enum status st;

    if (!m && run_incumbent_rows(r) > 0) { /* they were part of the way */
        r->images_total -= run_incumbent_rows(r);
        run_tell_progress(r);
    }
    if (!m)
        return ST_OK;
    if (scores_join(validation, normal, &all) != ST_OK)
        return error_nomem(r->err);
    st = compare_on(r, m, &all, normal->n);
    scores_release(&all);
    return st;
}
