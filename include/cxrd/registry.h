/* include/cxrd/registry.h - the models that a server has, and the one that answers.
 *
 * Every model is a safetensors file below the registry's folder and a card in the store; neither ever changes. The
 * active model is a reference-counted snapshot: activating another swaps one pointer, requests in flight finish on
 * the one they began with, and its memory goes with its last holder. Any thread may call. Memory and its owners:
 * docs/internals/memory.md. */
#ifndef CXRD_REGISTRY_H
#define CXRD_REGISTRY_H

#include "cxrd/digest.h"
#include "cxrd/import.h"
#include "cxrd/model.h"
#include "cxrd/own_thresholds.h"
#include "cxrd/signature.h"
#include "cxrd/store_replicas.h"

struct registry;

/* A model as it is served: what every answer names. Immutable, but for what loaded_model_own() gives. */
struct loaded_model {
    struct model *model;
    char id[ID_SIZE], job[ID_SIZE]; /* job is "" for an imported model */
    char sha256[DIGEST_TEXT_SIZE];  /* of its file */
    char population[32];            /* "findings-only" when it never saw a normal chest, "" unknown */
    int64_t epoch;                  /* by which it is the active one; 0: it is not */
};

/* Open the registry of a state folder ("<state>/models" holds the files) and load the active model. Where that cannot be
 * loaded none answers, see registry_fault(), until one is activated: better no answer than one of another model than was
 * chosen. Where the store is shared (store_is_shared()) a thread follows the choices of other servers, and none answers while that has
 * lost touch with the store for so long that the others may answer by a later choice.
 *   store    borrowed; must outlive the registry
 *   options  read only until this returns
 * Errors: ST_IO, ST_NOMEM. */
struct registry_options {
    enum precision precision; /* of models that answer; see model_narrow() */
    size_t beside;            /* models that stay loaded beside the active one, for registry_named() */
    const struct signers *
        signers; /* one of whom must have signed a model that is imported, or that is to answer; borrowed, must
                                    * outlive it; NULL: nobody need have */
    void (*deleted)(void *arg, const char *model); /* called when one is no longer there; may be NULL */
    void *arg;
};
MUST_USE enum status registry_open(struct store *store, const char *state,
                                   const struct registry_options *options, struct registry **ret_registry,
                                   struct error *err);
void registry_close(struct registry *r); /* NULL is fine */

/* The active model, held for the caller until loaded_model_release(); NULL when there is none. */
struct loaded_model *registry_active(struct registry *r);

/* The same for those who cannot do without. Errors: ST_BUSY, whose sentence says why there is none. */
MUST_USE enum status registry_serving(struct registry *r, struct loaded_model **ret, struct error *err);

/* Where that failed since no model is active yet: what to do next into its sentence, such as to wait for the training that runs. Else, and
 * where the store cannot be read, the sentence stays. It reads the store, so not in a network thread. */
void registry_tell_none(struct registry *r, struct error *err);

/* Any model by its id, held for the caller until loaded_model_release(), active or not. One that is not loaded is loaded as for
 * registry_activate(), one at a time, and stays loaded until `beside` others were asked for after it, it is deleted, or becomes the
 * active one. Its holders keep it: so in memory there are at most the active one, `beside` others, one that is being
 * loaded, and those of which answers are being made.
 * Errors: registry_activate()'s, but that it changes nothing. */
MUST_USE enum status registry_named(struct registry *r, const char *id, struct loaded_model **ret,
                                    struct error *err);

/* Whether registry_named() would load that one now. */
bool registry_has_to_load(struct registry *r, const char *id);

/* How many are loaded beside the active one. */
size_t registry_beside(struct registry *r);

/* The model that was chosen and cannot be loaded, and a sentence that says why. False: nothing is wrong. */
struct registry_fault {
    char model[ID_SIZE], why[sizeof((struct error *)0)->text];
};
bool registry_fault(struct registry *r, struct registry_fault *ret);

/* One holder more. The caller holds it already, or has the lock of the holder. Returns `m`. */
struct loaded_model *loaded_model_hold(struct loaded_model *m);
void loaded_model_release(struct loaded_model *m); /* NULL is fine */

/* The thresholds that an operator has set for it, as they are now. */
struct own_thresholds loaded_model_own(struct loaded_model *m);

/* Change what people say of a model.
 *   own  its thresholds, for its findings; NULL: they stay what they are
 * Errors: ST_NOTFOUND, ST_IO. */
MUST_USE enum status registry_change(struct registry *r, const char *id, const struct caption *c,
                                     const struct own_thresholds *own, const struct labels *labels,
                                     struct error *err);

/* Add a model from its file's bytes, as they are. Everything is checked before anything is believed.
 *   by        the job that made it; NULL: imported
 *   ret_card  its card, a new reference
 * Errors: weights_read()'s, ST_CONFLICT (the claim is over), ST_IO. */
MUST_USE enum status registry_add(struct registry *r, const void *bytes, size_t n_bytes,
                                  const struct claim *by, json_t **ret_card, struct error *err);

/* Add a model from a file that others wrote, see model_import(): its file becomes a weights file of ours. One that is ours stays
 * as it is.
 *   o          borrowed
 *   signature  of the bytes, see cxrd/signature.h; NULL: none
 *   ret_card   its card, a new reference
 * Errors: model_import()'s, ST_IO; ST_UNUSABLE where there are signers, and none of them has signed it. */
MUST_USE enum status registry_import(struct registry *r, const void *bytes, size_t n_bytes,
                                     const struct import_options *o, const char *signature, json_t **ret_card,
                                     struct error *err);

/* Keep a signature of a model's own file, of one that was made here, or after keys have changed.
 * Errors: ST_NOTFOUND, ST_UNUSABLE (it is of none of the signers), ST_FORMAT, ST_CONFLICT (this registry asks for none), ST_IO. */
MUST_USE enum status registry_sign(struct registry *r, const char *id, const char *signature,
                                   struct error *err);

/* Make a model the one that answers: load it, compare its digest, warm it up, record the choice, swap.
 *   ret_card  a new reference; may be NULL
 * Errors: ST_NOTFOUND, ST_IO, ST_FORMAT (the file is missing, or not what was stored), ST_CONFLICT (model_is_backbone()),
 * ST_UNUSABLE (see model_narrow()), ST_NUMERIC, ST_NOMEM: the one before stays active. */
MUST_USE enum status registry_activate(struct registry *r, const char *id, json_t **ret_card,
                                       struct error *err);

/* The same, told to all servers of a shared store: when this returns ST_OK none of them answers by an earlier epoch, nor will.
 *   id   NULL: as registry_rollback()
 *   key  NULL: none; with one that was used before nothing is changed, and the choice of then is returned
 * Also ST_BUSY (the choice is made, but it is not known whether all answer by it), ST_INVALID (the key was used for another model). */
struct registry_choice {
    json_t *card; /* a new reference */
    int64_t epoch;
};
MUST_USE enum status registry_choose(struct registry *r, const char *id, const char *key,
                                     struct registry_choice *ret, struct error *err);

/* Where the store is shared, take up what other servers change of a kind: once soon, and then after each change, in the thread that
 * follows them. Models and own thresholds are the registry's own.
 *   take_up  NULL: no longer; it is not being called when this returns */
void registry_follow(struct registry *r, enum shared_kind kind, take_up_fn *take_up, void *arg);

/* Where this server listens, for the others to know. */
void registry_called(struct registry *r, const char *address);

/* The same if the active model, or the one that was chosen and cannot be loaded, still is `active`, "" for none. Also ST_CONFLICT: it is another one, or the claim
 * of the job that asks for it is over. */
MUST_USE enum status registry_activate_after(struct registry *r, const char *id, const char *active,
                                             const struct claim *by, struct error *err);

/* Activate a model whose trial in the shadow allows it, if it is still there and `active` still the active one: another server may have ended the trial.
 * Errors: registry_activate()'s, ST_CONFLICT. */
MUST_USE enum status registry_activate_from_shadow(struct registry *r, const char *id, const char *active,
                                                   struct error *err);

/* Return to the model that was active before this one; called again, to the one that was left.
 * Errors: ST_CONFLICT (there is none before), and registry_activate()'s. */
MUST_USE enum status registry_rollback(struct registry *r, json_t **ret_card, struct error *err);

/* Forget a model and remove its file. Errors: ST_NOTFOUND, ST_CONFLICT (it is active, or needed by a job), ST_IO. */
MUST_USE enum status registry_delete(struct registry *r, const char *id, struct error *err);

/* Delete the oldest models trained here until there are no more than `keep`. Imported ones, the active one, the one
 * before it and those that a job needs are never deleted. Errors: ST_IO. */
MUST_USE enum status registry_retain(struct registry *r, size_t keep, struct error *err);

/* Activations since the registry was opened. */
struct registry_counts {
    size_t swapped, failed;
};
struct registry_counts registry_counts(struct registry *r);

/* Load a model that is not necessarily active, to start a training from. The caller owns a reference. */
MUST_USE enum status registry_load(struct registry *r, const char *id, struct model **ret_model,
                                   struct error *err);

/* Open a model's file for reading and say how long it is. Returns a descriptor. Errors: ST_NOTFOUND (also: its file is
 * missing), ST_IO. */
MUST_USE enum status registry_file(struct registry *r, const char *id, int *ret_fd, size_t *ret_size,
                                   struct error *err);

/* The same of the model as an ONNX file, see onnx_write(). It is made when it is first asked for, beside the model's own, and
 * goes with it; state_sweep() removes it, so that another version of this program makes it anew.
 * Errors: ST_NOTFOUND, ST_IO, ST_FORMAT (the model's file is missing, or not what was stored), ST_CONFLICT (model_is_backbone()),
 * ST_LIMIT, ST_NOMEM. */
MUST_USE enum status registry_onnx(struct registry *r, const char *id, int *ret_fd, size_t *ret_size,
                                   struct error *err);

#endif
