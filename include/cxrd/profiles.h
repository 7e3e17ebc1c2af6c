/* include/cxrd/profiles.h - the profiles of sites that a server has, and the one in force for each model.
 *
 * The store keeps them (cxrd/store.h); what is in force is also in memory, read when the server begins and changed with the
 * store under one lock, so that both are the same. Where a profile was chosen and cannot be used - its document cannot be read,
 * or it is not signed by one of the keys that the server has now - its model has no answer until another choice is made: better
 * no answer than one at thresholds that nobody chose. Any thread. */
#ifndef CXRD_PROFILES_H
#define CXRD_PROFILES_H

#include "cxrd/id.h"
#include "cxrd/signature.h"
#include "cxrd/site_profile.h"
#include "cxrd/store.h"

struct profiles;

/* A profile in force. Immutable, counted by reference. */
struct profile {
    char id[ID_SIZE];
    struct site_profile site;
};

/*   store    borrowed; must outlive it
 *   signers  whose signature a profile needs to be active; NULL: none. Taken over, also on failure.
 * Errors: ST_IO, ST_NOMEM. */
MUST_USE enum status profiles_open(struct store *store, struct signers *signers, struct profiles **ret,
                                   struct error *err);
void profiles_close(struct profiles *p); /* NULL is fine */

/* The profile in force for a model, for the caller to release; NULL: none.
 * Errors: ST_BUSY: one was chosen and cannot be used; the sentence says why. */
MUST_USE enum status profiles_of(struct profiles *p, const char *model, struct profile **ret,
                                 struct error *err);
void profile_release(struct profile *p); /* NULL is fine */

/* The choices of other servers of a shared store are in force here too. Errors: ST_IO, ST_NOMEM: try again. */
MUST_USE enum status profiles_take_up(struct profiles *p, struct error *err);

/* Its model is deleted, and with it its profiles in the store: so is what is in memory, once answers in the making have ended. */
void profiles_forget(struct profiles *p, const char *model);

/* Keep a document for a model.
 *   card       the model's
 *   name       NULL: none
 *   signature  NULL: none
 *   imported   it comes from elsewhere: with signers one of them must have signed it
 *   ret        as store_profile_get() has it
 * Errors: site_profile_parse()'s, signers_verify()'s, ST_INVALID (imported, and made at a time that has not come), ST_NOTFOUND (the
 * model), ST_IO, ST_NOMEM. */
MUST_USE enum status profiles_add(struct profiles *p, const json_t *card, const json_t *document,
                                  const char *name, const char *signature, bool imported, json_t **ret,
                                  struct error *err);

/* Choose it for its model. Errors: ST_NOTFOUND, ST_CONFLICT (it is expired, of another file than the model's, or not signed),
 * ST_IO, ST_NOMEM. */
MUST_USE enum status profiles_activate(struct profiles *p, const char *id, struct error *err);

/* Choose none. Errors: ST_NOTFOUND, ST_CONFLICT (it is not active), ST_IO. */
MUST_USE enum status profiles_deactivate(struct profiles *p, const char *id, struct error *err);

/* Return to what was chosen before, be it none. An expired one is returned to all the same: its answers say so.
 *   ret_id  what is chosen then, "" none
  *       One that cannot be used is chosen all the same, and its model does not answer then.
 * Errors: ST_CONFLICT (nothing was ever chosen), ST_IO, ST_NOMEM. */
MUST_USE enum status profiles_rollback(struct profiles *p, const char *model, char ret_id[ID_SIZE],
                                       struct error *err);

#endif
