/* jobs/training/run.c - what several phases of a run do: ask whether to go on, and tell how far it is. */
#include "run.h"

#include "cxrd/clock.h"

#include <math.h>

bool run_regresses(const struct run *r, size_t epoch)
{
    return epoch == 1 && (r->transfer || !network_sees(r->net));
}

double run_mean_loss(const struct run *r, const struct running *e)
{
    return e->known ? e->loss_sum / ((double)e->known / (double)r->net->n_labels) : NAN;
}

bool run_cancelled(const struct run *r)
{
    const struct train_observer *o = r->observer;

    return (o->cancelled && o->cancelled(o->arg)) || (!r->trained && o->enough && o->enough(o->arg));
}

size_t run_unusable(const struct run *r)
{
    size_t n = 0;

    for (size_t i = 0; r->unusable && i < r->table.n_rows; i++)
        n += r->unusable[i];
    return n;
}

enum status run_check_cancelled(const struct run *r)
{
    return run_cancelled(r) ? error_set(r->err, ST_CANCELLED, "the training was cancelled") : ST_OK;
}

void run_tell_phase(const struct run *r, enum train_phase phase)
{
    if (r->observer->phase)
        r->observer->phase(r->observer->arg, phase);
}

void run_tell_dataset(struct run *r)
{
    r->result->has_dataset = true;
    if (r->observer->dataset)
        r->observer->dataset(r->observer->arg, r->result);
}

void run_tell_progress(struct run *r)
{
    const double elapsed = clock_seconds() - r->started;
    const double done = (double)r->images_done, total = (double)r->images_total;
    struct train_progress *p = &r->progress;

    ranks_beat(r->ranks);
    p->progress = total > 0 ? fmin(done / (total + (double)r->images_given_up), 1) : 0;
    p->eta_s = p->progress > 0 ? elapsed * fmax(total - done, 0) / done : -1;
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
