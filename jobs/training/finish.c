/* jobs/training/finish.c - evaluating: the kept model on all rows of each set. */
#include "calibrate.h"
#include "decision.h"
#include "groups.h"
#include "plots.h"
#include "run.h"
#include "score_reference.h"
#include "scores_file.h"

#include <math.h>
#include <stdlib.h>

static enum status calibration_fit(const struct run *r, struct calibration_fit *ret)
{
    const struct scores *s = &r->kept_validation;
    double log_odds[MAX_LABELS];
    enum status st;

    run_base_log_odds(r, log_odds);
    st = calibrate(
        &(struct calibration_rows){ s->n, s->labels->n, s->logits, s->truth, s->patients, log_odds },
        CALIBRATION_OF_TRAINING, ret);
    return st == ST_OK ? ST_OK : error_nomem(r->err);
}

static enum status calibration_put(struct run *r, const struct calibration *c)
{
    char *text = calibration_text(c, r->net->n_labels);
    const enum status st = run_add_note(r, "calibration", text);

    free(text);
    if (st == ST_OK)
        scores_recalibrate(&r->kept_validation, r->result->model);
    return st;
}

/* Fit a calibration on the rows that the kept model was validated on, and give it to the model if it helps. */
static enum status calibrate_kept(struct run *r)
{
    struct train_result *result = r->result;
    struct calibration_fit f = { .calibration = CALIBRATION_IDENTITY, .loss_before = NAN, .loss_after = NAN };
    enum status st = r->config->calibrate ? calibration_fit(r, &f) : ST_OK;

    result->calibration = f.calibration.method;
    result->calibration_loss_before = f.loss_before;
    result->calibration_loss_after = f.loss_after;
    if (st == ST_OK && f.calibration.method != CALIBRATION_NONE)
        st = calibration_put(r, &f.calibration);
    return st;
}

/* The distribution that a server compares its scores with, kept in the weights. */
static enum status note_reference(struct run *r, const struct scores *s)
{
    char *text;
    enum status st;

    if (s->n < SCORE_REFERENCE_LEAST)
        return ST_OK;
    text = score_reference_text(s);
    st = run_add_note(r, SCORE_REFERENCE_NOTE, text);
    free(text);
    if (st != ST_OK)
        return st;
    text = strata_text(s, &r->table, &r->tried);
    st = run_add_note(r, STRATA_NOTE, text);
    free(text);
    return st;
}

/* The curves of each finding. */
static enum status plot_findings(json_t *plots, const struct scores *s)
{
    enum status st = plots_roc(plots, s);

    if (st == ST_OK)
        st = plots_precision_recall(plots, s);
    if (st == ST_OK)
        st = plots_reliability_findings(plots, s);
    return st == ST_OK ? plots_net_benefit(plots, s) : st;
}

enum status run_evaluate_set(struct run *r, int set, const struct scores *s)
{
    struct train_result *result = r->result;
    double rates[MAX_LABELS];
    enum status st = ST_OK;

    run_base_rates(r, rates);
    if (set == SCORED_VALIDATION)
        st = evaluate_thresholds(s, &result->operating);
    if (st == ST_OK)
        st = evaluate(s, &result->operating, rates, &result->evaluation[set]);
    if (st == ST_OK && set == SCORED_TEST)
        st = groups_evaluate(s, &r->table, &result->operating, &result->groups);
    if (st == ST_OK && set == SCORED_TEST)
        st = decide(s, &result->operating, &result->decisions);
    if (st == ST_OK)
        st = scores_csv(s, &r->table, &result->scores_csv[set]);
    if (st != ST_OK)
        return error_set(r->err, st, "the scores do not fit in memory");
    if (set == SCORED_VALIDATION)
        st = note_reference(r, s);
    if (st == ST_OK && set != SCORED_NO_FINDING)
        st = run_inputs_alone(r, s, &result->evaluation[set].inputs_alone);
    if (st == ST_OK && set != SCORED_NO_FINDING &&
        plots_reliability(result->plots, SCORED_NAMES[set], s) != ST_OK)
        st = error_nomem(r->err);
    if (st == ST_OK && set == SCORED_TEST && plot_findings(result->plots, s) != ST_OK)
        st = error_nomem(r->err);
    return st;
}

/* The test rows: all, or as many as asked for, drawn by the split's seed; either way as the table has them.
 *   ret_features  of those that are to be on the map */
static enum status score_test(struct run *r, struct features *ret_features, struct scores *ret)
{
    const struct rows *all = &r->split.part[TEST];
    struct order order;
    struct rng rng;
    const size_t n = run_test_rows(r);
    enum status st;

    rng_seed(&rng, (uint64_t)r->config->split_seed, STREAM_TEST);
    if (order_init(&order, all, NULL, n < all->n ? &rng : NULL) != ST_OK)
        return error_nomem(r->err);
    qsort(order.rows, n, sizeof *order.rows, row_compare);
    st = run_pick_features(r, order.rows, n, ret_features);
    if (st == ST_OK)
        st = run_score_by(r, r->scorer, r->result->model, order.rows, n, ret_features, ret);
    order_release(&order);
    return st;
}

/* All rows in one file, the training's too, which nothing else is said of. */
static enum status write_all_scores(struct run *r, const struct scores scores[N_SCORED])
{
    const struct rows *train = &r->split.part[TRAIN];
    struct scores seen = { 0 };
    const struct named_scores sets[] = { { SPLIT_NAMES[TRAIN], &seen },
                                         { SCORED_NAMES[SCORED_VALIDATION], &scores[SCORED_VALIDATION] },
                                         { SCORED_NAMES[SCORED_TEST], &scores[SCORED_TEST] },
                                         { SCORED_NAMES[SCORED_NO_FINDING], &scores[SCORED_NO_FINDING] } };
    struct error why;
    enum status st;

    if (!r->request->scores_path)
        return ST_OK;
    st = run_score(r, r->result->model, train->index, train->n, &seen);
    if (st == ST_OK && ranks_me(r->ranks) == 0) {
        st = scores_file_write(r->request->scores_path, &r->table, sets, sizeof sets / sizeof sets[0], &why);
        if (st != ST_OK)
            error_set(r->err, st, "storage: the scores cannot be kept: %s", why.text);
    }
    scores_release(&seen);
    return st;
}

/* The kept model on all sets, and then its incumbent on what they are to be compared on. */
static enum status evaluate_sets(struct run *r)
{
    const struct rows *validation = &r->split.part[VALIDATION];
    struct scores scores[N_SCORED] = { 0 };
    struct features features = { 0 };
    enum status st =
        run_score(r, r->result->model, validation->index, validation->n, &scores[SCORED_VALIDATION]);

    if (st == ST_OK)
        st = score_test(r, &features, &scores[SCORED_TEST]);
    if (st == ST_OK)
        st = run_score(r, r->result->model, r->normal.index, r->normal.n, &scores[SCORED_NO_FINDING]);
    for (int set = 0; set < N_SCORED && st == ST_OK; set++)
        st = run_evaluate_set(r, set, &scores[set]);
    if (st == ST_OK)
        st = run_incumbent(r, &scores[SCORED_VALIDATION], &scores[SCORED_NO_FINDING]);
    if (st == ST_OK && train_config_sees(r->config))
        st = plots_worst(r->result->plots, &r->pictures, r->result->model, &scores[SCORED_TEST], r->err);
    if (st == ST_OK)
        st = write_all_scores(r, scores);
    if (st == ST_OK)
        st = run_embed(r, &features);
    features_release(&features);
    for (int set = 0; set < N_SCORED; set++)
        scores_release(&scores[set]);
    return st;
}

/* Evaluating takes memory of its own. */
static void release_training(struct run *r)
{
    training_free(r->training);
    r->training = NULL;
    run_optimise_end(r);
    batch_release(&r->batch);
}

enum status run_evaluate(struct run *r)
{
    enum status st;

    r->trained = true;
    release_training(r);
    st = calibrate_kept(r);
    if (st == ST_OK)
        st = run_gate_try(r, VALIDATION);
    if (st == ST_OK)
        st = evaluate_sets(r);
    if (st == ST_OK)
        st = run_annotate(r);
    r->result->evaluated = st == ST_OK;
    return st;
}
