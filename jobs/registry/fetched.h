/* jobs/registry/fetched.h - the file of a model that another server put into a shared store. */
#ifndef JOBS_REGISTRY_FETCHED_H
#define JOBS_REGISTRY_FETCHED_H

#include "cxrd/store_files.h"

#include <pthread.h>

/* Write the store's copy of a model's file to `path`, where the store is shared.
 *   writing  held meanwhile, so that no two write at one place
 * Errors: ST_NOTFOUND (the store is not shared, or has none), ST_IO, ST_LIMIT, ST_NOMEM. */
MUST_USE enum status model_fetch(struct store *store, pthread_mutex_t *writing, const char *id,
                                 const char *path, struct error *err);

#endif
