/* jobs/training/trainer.c - the spine of a training, see cxrd/trainer.h: its phases in their order, and what it holds
 * from the first to the last. */
#include "run.h"

#include "cxrd/clock.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

const char *const PHASE_NAMES[] = { "scanning", "splitting", "caching", "training", "evaluating", "saving" };
const char *const SCORED_NAMES[N_SCORED] = { "validation", "test", "no_finding" };

enum { MAX_SCORES_CSV = 1 << 30 };

bool run_cancelled(const struct run *r)
{
    return r->observer->cancelled && r->observer->cancelled(r->observer->arg);
}

enum status run_check_cancelled(const struct run *r)
{
    return run_cancelled(r) ? error_set(r->err, ST_CANCELLED, "the training was cancelled") : ST_OK;
}

static void tell_phase(const struct run *r, enum train_phase phase)
{
    if (r->observer->phase)
        r->observer->phase(r->observer->arg, phase);
}

void run_tell_progress(struct run *r)
{
    const double elapsed = clock_seconds() - r->started;
    struct train_progress *p = &r->progress;

    p->progress = r->images_total ? fmin((double)r->images_done / (double)r->images_total, 1) : 0;
    p->eta_s = p->progress > 0 ? elapsed * (1 - p->progress) / p->progress : -1;
    if (r->observer->step)
        r->observer->step(r->observer->arg, p);
}

static bool hook_cancelled(void *arg) { return run_cancelled(arg); }

static void hook_done(void *arg, size_t rows)
{
    struct run *r = arg;

    r->images_done += rows;
    run_tell_progress(r);
}

enum status run_score_by(struct run *r, struct scorer *scorer, const struct model *m, const uint32_t *rows,
                         size_t n, struct scores *ret)
{
    const struct scoring_hooks hooks = { r, hook_cancelled, hook_done };

    return scorer_run(scorer, m, rows, n, r->config->missing_images == MISSING_FAIL, &hooks, ret, r->err);
}

enum status run_score(struct run *r, const struct model *m, const uint32_t *rows, size_t n,
                      struct scores *ret)
{
    return run_score_by(r, r->scorer, m, rows, n, ret);
}

static size_t count_unusable(const struct run *r)
{
    size_t n = 0;

    for (size_t i = 0; r->unusable && i < r->table.n_rows; i++)
        n += r->unusable[i];
    return n;
}

static void run_release(struct run *r)
{
    free(r->gate);
    scores_release(&r->kept_validation);
    batch_release(&r->batch);
    balance_release(&r->balance);
    order_release(&r->order);
    adam_release(&r->adam);
    training_free(r->training);
    scorer_free(r->scorer);
    pool_free(r->pool);
    image_cache_close(r->cache);
    free(r->unusable);
    free(r->pixels);
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
    r->request = request;
    r->observer = observer;
    r->result = ret_result;
    r->err = err;
    r->root = -1;
    for (size_t i = 0; i < sizeof PHASES / sizeof PHASES[0] && st == ST_OK; i++) {
        if (PHASES[i].phase > PHASE_SPLITTING && request->config->epochs == 0)
            break; /* the data's report was all that was asked for */
        if (i == 0 || PHASES[i].phase != PHASES[i - 1].phase)
            tell_phase(r, PHASES[i].phase);
        st = run_check_cancelled(r);
        if (st == ST_OK)
            st = PHASES[i].work(r);
    }
    ret_result->unreadable = count_unusable(r);
    run_release(r);
    return st;
}

void train_result_release(struct train_result *r)
{
    model_unref(r->model);
    json_decref(r->plots);
    free(r->epochs);
    for (int i = 0; i < N_SCORED; i++)
        buf_release(&r->scores_csv[i]);
    *r = (struct train_result){ 0 };
}
