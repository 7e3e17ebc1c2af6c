/* jobs/registry/model_cache.h - models that are not the active one and stay loaded for requests that name them: so many, those that were asked for
 * last. One that gives way is let go of here, and lives as long as an answer is made of it. Any thread may call. */
#ifndef JOBS_MODEL_CACHE_H
#define JOBS_MODEL_CACHE_H

#include "cxrd/registry.h"

struct model_cache;

MUST_USE enum status model_cache_new(size_t room, struct model_cache **ret_cache,
                                     struct error *err); /* ST_NOMEM */
void model_cache_free(struct model_cache *s);            /* NULL is fine */

/* The model of that id, held for the caller; NULL: it is not here. */
struct loaded_model *model_cache_find(struct model_cache *s, const char *id);

/* Put one here, where no other of its id is. The caller holds it, as before. */
void model_cache_put(struct model_cache *s, struct loaded_model *m);

/* Let go of one; one that is not here is fine. */
void model_cache_drop(struct model_cache *s, const char *id);

/* All that are here, each held for the caller: *ret for free(). Errors: ST_NOMEM. */
MUST_USE enum status model_cache_all(struct model_cache *s, struct loaded_model ***ret, size_t *ret_n,
                                     struct error *err);

size_t model_cache_count(struct model_cache *s);

#endif
