/* server/api/promoter.c - see promoter.h. */
#include "promoter.h"

#include "cxrd/clock.h"
#include "cxrd/log.h"
#include "cxrd/thread.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double LOOK_S = 1, AGAIN_S = 30; /* after something outside, such as the disk, has failed */

struct promoter {
    struct registry *registry;
    struct shadow *shadow;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* guards `stop` */
    pthread_cond_t wake;
    bool stop;
    struct shadow_trial trial; /* the thread's alone */
};

static enum status finish(struct promoter *p, const struct shadow_promotion *of, const char *state,
                          const char *reason, struct error *err)
{
    const enum status st = shadow_end(p->shadow, of->model, &(struct shadow_outcome){ state, reason }, err);

    if (st == ST_OK)
        log_event(LOG_INFO, "the shadow of a training's model is over",
                  json_pack("{s:s,s:s,s:s,s:s}", "model", of->model, "job", of->job, "state", state, "reason",
                            reason));
    return st == ST_NOTFOUND || st == ST_BUSY ? ST_OK : st; /* it was stopped meanwhile; or a moment later */
}

static enum status decide(struct promoter *p, const struct shadow_trial *t, struct error *err)
{
    const struct shadow_promotion *of = &t->promotion;
    char reason[REASON_TEXT];
    struct error why = { 0 };
    bool allowed = false;
    enum status st = shadow_judge(p->shadow, t, &allowed, reason, err);

    if (st != ST_OK || !allowed)
        return st == ST_OK ? finish(p, of, "refused", reason, err) : st;
    st = registry_activate_from_shadow(p->registry, of->model, of->active, &why);
    if (st == ST_OK)
        return finish(p, of, "activated", reason, err);
    if (st == ST_IO || st == ST_NOMEM) {
        *err = why;
        return st;
    }
    snprintf(reason, sizeof reason, "it could not be activated: %.250s", why.text);
    return finish(p, of, "refused", reason, err);
}

/* One look, each second. */
static enum status look(struct promoter *p, const struct shadow_trial *t, const struct loaded_model *active,
                        struct error *err)
{
    const struct shadow_promotion *of = &t->promotion;
    char now[CLOCK_TEXT_SIZE], reason[REASON_TEXT];

    if (strcmp(active->id, of->model) == 0)
        return finish(p, of, "activated", "it is the active model", err);
    if (strcmp(active->id, of->active) != 0)
        return finish(p, of, "refused", "another model became active meanwhile", err);
    if (t->counts.pictures + t->counts.failed >= of->pictures)
        return decide(p, t, err);
    if (strcmp(clock_utc(now), of->until) < 0)
        return ST_OK;
    snprintf(reason, sizeof reason,
             "its time was over when it had been in the shadow of %llu pictures, not of %llu",
             (unsigned long long)t->counts.pictures, (unsigned long long)of->pictures);
    return finish(p, of, "refused", reason, err);
}

/* Returns when to look again. Where no model answers nothing is decided. */
static double look_now(struct promoter *p)
{
    struct shadow_trial *t = &p->trial;
    struct loaded_model *active = NULL;
    struct error err = { 0 };
    enum status st = ST_OK;

    if (shadow_trial(p->shadow, t) && (active = registry_active(p->registry)))
        st = look(p, t, active, &err);
    loaded_model_release(active);
    if (st == ST_OK)
        return clock_seconds() + LOOK_S;
    log_error(LOG_ERROR, "it cannot be decided whether a model leaves the shadow: this is tried again", &err);
    return clock_seconds() + AGAIN_S;
}

static void *promoter_main(void *arg)
{
    struct promoter *p = arg;
    double next = clock_seconds();

    pthread_mutex_lock(&p->lock);
    while (!p->stop) {
        if (condition_wait(&p->wake, &p->lock, next))
            continue;
        pthread_mutex_unlock(&p->lock);
        next = look_now(p);
        pthread_mutex_lock(&p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

enum status promoter_start(struct registry *registry, struct shadow *shadow, struct promoter **ret_promoter,
                           struct error *err)
{
    struct promoter *p = calloc(1, sizeof *p);
    enum status st;

    if (!p)
        return error_nomem(err);
    p->registry = registry;
    p->shadow = shadow;
    pthread_mutex_init(&p->lock, NULL);
    condition_init(&p->wake);
    st = thread_start(&p->thread, promoter_main, p, "the thread that promotes models", err);
    p->started = st == ST_OK;
    if (st == ST_OK)
        *ret_promoter = p;
    else
        promoter_stop(p);
    return st;
}

void promoter_stop(struct promoter *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
    if (p->started)
        pthread_join(p->thread, NULL);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
