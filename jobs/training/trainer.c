/* jobs/training/trainer.c - the spine of a training, see cxrd/trainer.h: its phases in their order, and what it holds
 * from the first to the last. */
#include "transfer.h"

#include "cxrd/decoder.h"
#include "cxrd/log.h"

#include <stdlib.h>
#include <unistd.h>

const char *const PHASE_NAMES[] = { "scanning",   "splitting", "caching", "training",
                                    "evaluating", "saving",    "scoring" };

enum { MAX_SCORES_CSV = 1 << 30 };

void run_close(struct run *r)
{
    free(r->gate);
    model_unref(r->alone);
    transfer_free(r->transfer);
    scores_release(&r->kept_validation);
    batch_release(&r->batch);
    balance_release(&r->balance);
    order_release(&r->order);
    run_optimise_end(r);
    free(r->reports);
    training_free(r->training);
    network_unref(r->net);
    scorer_free(r->scorer);
    pool_free(r->pool);
    decoder_close(r->decoder);
    image_cache_close(r->cache);
    free(r->unusable);
    free(r->pixels);
    free(r->tried.row);
    free(r->tried.distance);
    free(r->left_out);
    patients_free(r->patients);
    free(r->codes);
    split_release(&r->split);
    rows_release(&r->normal);
    rows_release(&r->used);
    picture_files_free(r->files);
    table_release(&r->table);
    if (r->root >= 0)
        close(r->root);
    free(r);
}

static bool is_enough(const struct run *r)
{
    const struct train_observer *o = r->observer;

    return o->enough && o->enough(o->arg) && !(o->cancelled && o->cancelled(o->arg));
}

/* The epoch that is kept so far is evaluated, if that is possible; the run is as cancelled as it was. */
static void evaluate_kept(struct run *r)
{
    const struct error ended = *r->err;
    const size_t planned = r->images_total;

    r->images_total = r->images_done + run_scored_rows(r) + run_incumbent_rows(r);
    r->images_given_up = planned > r->images_total ? planned - r->images_total : 0;
    run_tell_phase(r, PHASE_EVALUATING);
    if (run_evaluate(r) != ST_OK && !run_cancelled(r))
        log_error(LOG_WARN, "a training that was ended early is not evaluated", r->err);
    *r->err = ended;
}

enum status train_run(const struct train_request *request, const struct train_observer *observer,
                      struct train_result *ret_result, struct error *err)
{
    static const struct {
        enum train_phase phase;
        enum status (*work)(struct run *r);
    } PHASES[] = {
        { PHASE_SCANNING, run_scan },   { PHASE_SPLITTING, run_look }, { PHASE_SPLITTING, run_split },
        { PHASE_CACHING, run_prepare }, { PHASE_TRAINING, run_train }, { PHASE_EVALUATING, run_evaluate },
    };
    struct run *r = calloc(1, sizeof *r);
    enum status st = ST_OK;

    *ret_result = (struct train_result){ 0 };
    for (int i = 0; i < N_SCORED; i++)
        ret_result->scores_csv[i] = (struct buf)BUF_INIT(MAX_SCORES_CSV);
    ret_result->plots = json_object();
    if (!r || !ret_result->plots) {
        free(r);
        return error_nomem(err);
    }
    r->config = request->config;
    ret_result->labels = request->config->labels;
    r->request = request;
    r->observer = observer;
    r->result = ret_result;
    r->err = err;
    r->ranks = request->ranks;
    r->root = -1;
    for (size_t i = 0; i < sizeof PHASES / sizeof PHASES[0] && st == ST_OK; i++) {
        if (PHASES[i].phase > PHASE_SPLITTING && request->config->epochs == 0)
            break; /* the data's report was all that was asked for */
        if (i == 0 || PHASES[i].phase != PHASES[i - 1].phase)
            run_tell_phase(r, PHASES[i].phase);
        st = run_check_cancelled(r);
        if (st == ST_OK)
            st = PHASES[i].work(r);
    }
    if (st == ST_CANCELLED && ret_result->model && is_enough(r))
        evaluate_kept(r);
    ret_result->unreadable = run_unusable(r);
    run_close(r);
    return ranks_end(request->ranks, st, err);
}

void train_result_release(struct train_result *r)
{
    model_unref(r->model);
    json_decref(r->plots);
    groups_release(&r->groups);
    free(r->epochs);
    for (int i = 0; i < N_SCORED; i++)
        buf_release(&r->scores_csv[i]);
    *r = (struct train_result){ 0 };
}
