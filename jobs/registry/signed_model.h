/* jobs/registry/signed_model.h - the signature that a server may ask of a model (cxrd/signature.h). */
#ifndef JOBS_SIGNED_MODEL_H
#define JOBS_SIGNED_MODEL_H

#include "cxrd/digest.h"
#include "cxrd/signature.h"
#include "cxrd/store.h"

/* Whether one of the keys has signed these bytes, a model's file as it is sent. Errors: ST_UNUSABLE (none has; the sentence says why),
 * ST_FORMAT (no signature's form), ST_NOMEM. */
MUST_USE enum status signed_bytes_check(const struct signers *signers, const void *bytes, size_t n,
                                        const char *signature, char ret_sha256[DIGEST_TEXT_SIZE],
                                        struct error *err);

/* Whether one of them has signed a model that is stored: its file, or the foreign file that it was made of.
 * Errors: ST_UNUSABLE, ST_IO, ST_NOMEM. */
MUST_USE enum status signed_model_check(struct store *store, const struct signers *signers, const char *id,
                                        struct error *err);

/* Keep a signature of a model's own file, if it is one of a key. Errors: ST_NOTFOUND, ST_UNUSABLE, ST_FORMAT, ST_IO, ST_NOMEM. */
MUST_USE enum status signed_model_keep(struct store *store, const struct signers *signers, const char *id,
                                       const char *sha256, const char *signature, struct error *err);

#endif
