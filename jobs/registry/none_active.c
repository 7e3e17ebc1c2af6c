/* jobs/registry/none_active.c - what to do where no model is active yet, as the jobs and the models that are there have it. */
#include "parts.h"

#include <string.h>

enum { MODELS_READ = 20 }; /* the newest; a backbone, which answers nobody, may be among them */

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}

/* A training that runs or waits, or has ended without a model. False: nothing is to be said of it. */
static bool tell_training(const struct registry *r, const json_t *job, struct error *err)
{
    const char *id = text_of(job, "id"), *state = text_of(job, "state");
    const char *then = r->signers ? "is to be signed and activated when it has ended"
                                  : "answers by itself when it has ended";

    if (strcmp(state, "running") == 0)
        error_set(err, ST_BUSY, "no model is active yet: job %s is training one, which %s", id, then);
    else if (strcmp(state, "queued") == 0)
        error_set(err, ST_BUSY, "no model is active yet: job %s waits to train one, which %s", id, then);
    else if (strcmp(state, "interrupted") == 0)
        error_set(err, ST_BUSY,
                  "no model is active yet: job %s, which trains one, is interrupted: POST /jobs/%s/resume",
                  id, id);
    else if (strcmp(state, "failed") == 0)
        error_set(err, ST_BUSY,
                  "no model is active yet: job %s, which was to train one, failed: GET /jobs/%s says why", id,
                  id);
    else
        return false;
    return true;
}

/* The newest model that can be activated. False: no model can. */
static bool tell_model(const json_t *cards, struct error *err)
{
    const json_t *card;
    size_t i;

    json_array_foreach (cards, i, card)
        if (!json_is_true(json_object_get(card, "backbone"))) {
            error_set(err, ST_BUSY,
                      "no model is active yet: activate one that is there: POST /models/%s/activate",
                      text_of(card, "id"));
            return true;
        }
    return false;
}

/* The training that runs, else the newest. False: nothing was trained, or its state needs no advice. */
static bool tell_newest_training(const struct registry *r, struct error *err)
{
    const struct page pages[] = { { .limit = 1, .type = "train", .state = "running" },
                                  { .limit = 1, .type = "train" } };
    bool told = false;

    for (size_t i = 0; i < sizeof pages / sizeof pages[0] && !told; i++) {
        json_t *jobs = NULL;
        struct error unread;
        int64_t next;

        told = store_jobs(r->store, &pages[i], &jobs, &next, &unread) == ST_OK && json_array_size(jobs) > 0 &&
               tell_training(r, json_array_get(jobs, 0), err);
        json_decref(jobs);
    }
    return told;
}

void registry_tell_none(struct registry *r, struct error *err)
{
    const struct page models = { .limit = MODELS_READ };
    struct registry_fault fault;
    json_t *cards = NULL;
    struct error unread;
    int64_t next;
    bool trusted;

    pthread_mutex_lock(&r->lock);
    trusted = registry_is_trusted(r);
    pthread_mutex_unlock(&r->lock);
    if (!trusted || registry_fault(r, &fault))
        return;
    if (store_models(r->store, &models, &cards, &next, &unread) == ST_OK && !tell_model(cards, err))
        (void)tell_newest_training(r, err);
    json_decref(cards);
}
