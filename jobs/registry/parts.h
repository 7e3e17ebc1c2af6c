/* jobs/registry/parts.h - what the files behind cxrd/registry.h share: registry.c has the models and their files, active_model.c the one
 * that answers. The order of the locks: docs/internals/locks.md. */
#ifndef JOBS_REGISTRY_PARTS_H
#define JOBS_REGISTRY_PARTS_H

#include "cxrd/registry.h"
#include "follower.h"

#include <limits.h>
#include <pthread.h>

struct registry {
    struct store *store;
    char folder[PATH_MAX];
    enum precision precision;
    const struct signers *signers; /* NULL: nobody need have signed a model */
    void (*deleted)(void *arg, const char *model);
    void *arg;
    pthread_mutex_t
        lock; /* guards these five: held to copy them, or to swap a pointer, never while work is done */
    struct loaded_model *active; /* NULL: none */
    struct registry_fault fault;
    struct registry_counts counts;
    int64_t epoch;             /* by which `active` answers, or `fault` was chosen */
    double trusted_until;      /* of a shared store: no other epoch is acknowledged before */
    struct follower *follower; /* of a shared store; NULL: nobody else changes what answers */
    pthread_mutex_t change;    /* the choice in the store and the swap are one; taken before `lock` */
    struct model_cache *cache; /* models beside it that are asked by name */
    pthread_mutex_t
        loading; /* one of those is loaded at a time, and none is put there while it is deleted; may be taken
                              * with `change`, before `lock` */
    pthread_mutex_t
        own; /* own thresholds in the store and in the models that are loaded are the same: held to change both, and to read
              * them of the one and put the other where it is found; taken after all but `lock` */
    pthread_mutex_t fetching; /* files of models are fetched one at a time; taken before the store's alone */
    pthread_mutex_t
        exporting; /* one ONNX file is made at a time, since that takes a model's memory; taken before `fetching` */
};

/* With `lock` held: whether this server may answer by the model that it has. */
bool registry_is_trusted(const struct registry *r);

/* Load a model to be served.
 *   ret_card  may be NULL */
MUST_USE enum status loaded_model_read(struct registry *r, const char *id, json_t **ret_card,
                                       struct loaded_model **ret_model, struct error *err);

/* With `own` held: read a model's thresholds from the store. If that fails, the model keeps its old ones. Errors: ST_NOTFOUND, ST_IO,
 * ST_NOMEM. */
enum status model_own_read(struct registry *r, struct loaded_model *m, struct error *err);

/* Take up what other servers change of models, see shared_changes.c. */
void shared_changes_begin(struct registry *r);

/* Load the model that answers; follow the other servers of a shared store. Errors: ST_IO, ST_NOMEM. */
MUST_USE enum status active_model_begin(struct registry *r, struct error *err);
void active_model_end(struct registry *r);

#endif
