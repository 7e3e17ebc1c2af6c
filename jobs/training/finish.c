/* jobs/training/finish.c - evaluating: the kept model on all rows of each set. */
#include "plots.h"
#include "reference.h"
#include "run.h"

#include <stdlib.h>
#include <string.h>

/* At most `limit` of the scored rows, drawn by lot; 0: all of them. */
static enum status evaluate_some(struct run *r, const struct scores *s, size_t limit, struct evaluation *ret)
{
    struct scores some = *s;
    double rates[N_LABELS];
    uint32_t *lot;
    struct rng rng;
    enum status st = ST_NOMEM;

    run_base_rates(r, rates);
    if (limit == 0 || limit >= s->n)
        return evaluate(s, &r->result->operating, rates, ret);
    some.n = limit;
    some.truth = malloc(limit * N_LABELS);
    some.prob = malloc(limit * N_LABELS * sizeof *some.prob);
    lot = malloc(s->n * sizeof *lot);
    if (some.truth && some.prob && lot) {
        for (size_t i = 0; i < s->n; i++)
            lot[i] = (uint32_t)i;
        rng_seed(&rng, (uint64_t)r->config->seed, STREAM_TEST);
        rng_shuffle(&rng, lot, s->n);
        for (size_t i = 0; i < limit; i++) {
            memcpy(some.truth + i * N_LABELS, s->truth + (size_t)lot[i] * N_LABELS, N_LABELS);
            memcpy(some.prob + i * N_LABELS, s->prob + (size_t)lot[i] * N_LABELS,
                   N_LABELS * sizeof *some.prob);
        }
        st = evaluate(&some, &r->result->operating, rates, ret);
    }
    free(lot);
    free(some.truth);
    free(some.prob);
    return st;
}

/* What a server compares its scores with, kept in the weights. */
static enum status note_reference(struct run *r, const struct scores *s)
{
    char *text;
    enum status st;

    if (s->n < REFERENCE_LEAST)
        return ST_OK;
    text = reference_text(s);
    st = run_add_note(r, REFERENCE_NOTE, text);
    free(text);
    return st;
}

static enum status evaluate_set(struct run *r, int set, const struct rows *rows)
{
    struct train_result *result = r->result;
    struct scores s;
    enum status st = run_score(r, result->model, rows->index, rows->n, &s);

    if (st != ST_OK)
        return st;
    if (set == SCORED_VALIDATION)
        st = evaluate_thresholds(&s, &result->operating);
    if (st == ST_OK)
        st = evaluate_some(r, &s, set == SCORED_TEST ? recipe_rules(r->config)->test_rows : 0,
                           &result->evaluation[set]);
    if (st == ST_OK)
        st = scores_csv(&s, &r->table, &result->scores_csv[set]);
    if (st != ST_OK)
        error_set(r->err, st, "the scores do not fit in memory");
    else if (set == SCORED_VALIDATION)
        st = run_rival(r, &s);
    if (st == ST_OK && set == SCORED_VALIDATION)
        st = note_reference(r, &s);
    if (st == ST_OK && set != SCORED_NO_FINDING &&
        plots_reliability(result->plots, SCORED_NAMES[set], &s) != ST_OK)
        st = error_nomem(r->err);
    if (st == ST_OK && set == SCORED_TEST && plots_roc(result->plots, &s) != ST_OK)
        st = error_nomem(r->err);
    scores_release(&s);
    return st;
}

enum status run_evaluate(struct run *r)
{
    enum status st = run_calibrate(r);

    if (st == ST_OK)
        st = evaluate_set(r, SCORED_VALIDATION, &r->split.part[VALIDATION]);
    if (st == ST_OK)
        st = evaluate_set(r, SCORED_TEST, &r->split.part[TEST]);
    if (st == ST_OK)
        st = evaluate_set(r, SCORED_NO_FINDING, &r->normal);
    if (st == ST_OK)
        st = run_gate_try(r);
    if (st == ST_OK && plots_samples(r->result->plots, &r->pictures, &r->split.part[TRAIN],
                                     (uint64_t)r->config->seed) != ST_OK)
        st = error_nomem(r->err);
    return st == ST_OK ? run_annotate(r) : st;
}
