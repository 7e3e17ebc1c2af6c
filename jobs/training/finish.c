/* jobs/training/finish.c - evaluating: the kept model on all rows of each set. */
#include "run.h"

#include <stdlib.h>
#include <string.h>

/* What predicting the base rates for everyone scores on the rows that the kept model was validated on. */
static enum status baseline(struct run *r)
{
    struct scores guess = r->kept_validation;
    double rates[N_LABELS];

    guess.prob = malloc((guess.n + 1) * N_LABELS * sizeof *guess.prob);
    if (!guess.prob)
        return error_nomem(r->err);
    run_base_rates(r, rates);
    for (size_t i = 0; i < guess.n * N_LABELS; i++)
        guess.prob[i] = (float)rates[i % N_LABELS];
    r->result->baseline_loss = scores_loss(&guess);
    r->result->baseline_top5_accuracy = scores_top5(&guess);
    free(guess.prob);
    return ST_OK;
}

/* At most `limit` of the scored rows, drawn by lot; 0: all of them. */
static enum status evaluate_some(struct run *r, const struct scores *s, size_t limit, struct evaluation *ret)
{
    struct scores some = *s;
    uint32_t *lot;
    struct rng rng;
    enum status st = ST_NOMEM;

    if (limit == 0 || limit >= s->n)
        return evaluate(s, ret);
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
            memcpy(some.truth + i * N_LABELS, s->truth + lot[i] * N_LABELS, N_LABELS);
            memcpy(some.prob + i * N_LABELS, s->prob + lot[i] * N_LABELS, N_LABELS * sizeof *some.prob);
        }
        st = evaluate(&some, ret);
    }
    free(lot);
    free(some.truth);
    free(some.prob);
    return st;
}

static enum status evaluate_set(struct run *r, int set, const struct rows *rows)
{
    struct train_result *result = r->result;
    struct scores s;
    enum status st = run_score(r, result->model, rows->index, rows->n, &s);

    if (st != ST_OK)
        return st;
    st = evaluate_some(r, &s, set == SCORED_TEST ? recipe_rules(r->config)->test_rows : 0,
                       &result->evaluation[set]);
    if (st == ST_OK)
        st = scores_csv(&s, &r->table, &result->scores_csv[set]);
    scores_release(&s);
    return st == ST_OK ? ST_OK : error_set(r->err, st, "the scores do not fit in memory");
}

enum status run_evaluate(struct run *r)
{
    enum status st = baseline(r);

    if (st == ST_OK)
        st = run_calibrate(r);
    if (st == ST_OK)
        st = evaluate_set(r, SCORED_VALIDATION, &r->split.part[VALIDATION]);
    if (st == ST_OK)
        st = evaluate_set(r, SCORED_TEST, &r->split.part[TEST]);
    if (st == ST_OK)
        st = evaluate_set(r, SCORED_NO_FINDING, &r->normal);
    return st;
}
