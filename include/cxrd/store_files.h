/* include/cxrd/store_files.h - the files of jobs and models, kept in the store itself where several servers share it.
 *
 * A server works on files of its own state folder. In a shared store (store_is_shared()) a copy of each goes there too, so that any
 * other server can go on with the job, tell its results, or answer with the model. They go with the row that they belong to. */
#ifndef CXRD_STORE_FILES_H
#define CXRD_STORE_FILES_H

#include "cxrd/buf.h"
#include "cxrd/store.h"

/* Keep the bytes as that file of a job, in the place of those before.
 * Errors: ST_NOTFOUND, ST_CONFLICT (the claim is over), ST_IO, ST_NOMEM. */
MUST_USE enum status store_job_file_put(struct store *s, const struct claim *c, const char *name,
                                        const void *bytes, size_t n, struct error *err);

/* Forget the file; a file that is not there is no error. Errors: ST_NOTFOUND (the job), ST_CONFLICT (the claim is over), ST_IO. */
MUST_USE enum status store_job_file_drop(struct store *s, const struct claim *c, const char *name,
                                         struct error *err);

/* Its bytes, unless they are those that the caller has already.
 *   have      the digest of what the caller has; "": nothing
 *   ret_same  it is that, and nothing was put to `ret`
 * Errors: ST_NOTFOUND, ST_IO, ST_NOMEM, ST_LIMIT (of `ret`). */
MUST_USE enum status store_job_file_get(struct store *s, const char *job, const char *name, const char *have,
                                        struct buf *ret, bool *ret_same, struct error *err);

/* The weights of a model, which came with store_model_add(). Errors: as above. */
MUST_USE enum status store_model_file_get(struct store *s, const char *model, struct buf *ret,
                                          struct error *err);

#endif
