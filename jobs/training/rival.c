/* jobs/training/rival.c - score the model to compare with on the rows that the new one was validated on, and on the
 * normal chests that it was scored on: a service sees both. */
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

/* Whether the new model has seen no normal chest, and the rival says that it has. */
static bool is_narrower(const struct run *r, const struct model *m)
{
    const char *seen = json_string_value(json_object_get(model_notes(m), "population"));

    return seen && strcmp(seen, "all") == 0 && strcmp(run_population(r), "all") != 0;
}

size_t run_rival_rows(const struct run *r)
{
    return train_config_compares(r->config) ? r->split.part[VALIDATION].n + r->normal.n : 0;
}

/* The rival, if there is one that can be held against the new model. */
static const struct model *rival_of(struct run *r)
{
    const struct model *m =
        train_config_compares(r->config) && r->observer->rival ? r->observer->rival(r->observer->arg) : NULL;

    r->result->rival = m ? RIVAL_FAILED : RIVAL_NONE;
    if (!m || (model_sees(m) && !train_config_sees(r->config)))
        return NULL; /* there is nothing that it could look at */
    if (labels_equal(model_labels(m), &r->config->labels))
        return m;
    r->result->rival = RIVAL_OTHER_FINDINGS;
    return NULL;
}

/* Both on all the rows that there are; a rival that gives no numbers, or not of each row, is not compared. */
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
        result->rival = RIVAL_SCORED;
        result->rival_split = lineage_of(model_trained_rows(m), result->dataset.split_sha256);
    }
    scores_release(&theirs);
    return st == ST_OK ? ST_OK : error_nomem(r->err);
}

enum status run_rival(struct run *r, const struct scores *validation, const struct scores *normal)
{
    const struct model *m = rival_of(r);
    struct scores all = { 0 };
    enum status st;

    if (!m && run_rival_rows(r) > 0) { /* they were part of the way */
        r->images_total -= run_rival_rows(r);
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
