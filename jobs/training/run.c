/* jobs/training/run.c - what several phases of a run do: ask whether to go on, tell how far it is, score rows. */
#include "transfer.h"

#include "cxrd/clock.h"

#include <math.h>

bool run_cancelled(const struct run *r)
{
    const struct train_observer *o = r->observer;

    return (o->cancelled && o->cancelled(o->arg)) || (!r->trained && o->enough && o->enough(o->arg));
}

enum status run_check_cancelled(const struct run *r)
{
    return run_cancelled(r) ? error_set(r->err, ST_CANCELLED, "the training was cancelled") : ST_OK;
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

struct interruption run_interruption(struct run *r) { return (struct interruption){ hook_cancelled, r }; }

static void hook_done(void *arg, size_t rows)
{
    struct run *r = arg;

    r->images_done += rows;
    run_tell_progress(r);
}

struct scoring_hooks run_hooks(struct run *r)
{
    return (struct scoring_hooks){ .arg = r, .cancelled = hook_cancelled, .done = hook_done };
}

enum status run_score_by(struct run *r, struct scorer *scorer, const struct model *m, const uint32_t *rows,
                         size_t n, struct features *features, struct scores *ret)
{
    struct scoring_hooks hooks = run_hooks(r);

    hooks.features = features;
    hooks.kept = r->transfer ? transfer_kept(r->transfer, m) : NULL;
    return scorer_run(scorer, m, rows, n, r->config->missing_images == MISSING_FAIL, &hooks, ret, r->err);
}

enum status run_score(struct run *r, const struct model *m, const uint32_t *rows, size_t n,
                      struct scores *ret)
{
    return run_score_by(r, r->scorer, m, rows, n, NULL, ret);
}
