/* jobs/registry/shelf.h - models that are not the active one and stay loaded for requests that name them: so many, those that were asked for
 * last. One that gives way is let go of here, and lives as long as an answer is made of it. Any thread may call. */
#ifndef JOBS_SHELF_H
#define JOBS_SHELF_H

#include "cxrd/registry.h"

struct shelf;

MUST_USE enum status shelf_new(size_t room, struct shelf **ret_shelf, struct error *err); /* ST_NOMEM */
void shelf_free(struct shelf *s);                                                         /* NULL is fine */

/* The model of that id, held for the caller; NULL: it is not here. */
struct loaded_model *shelf_find(struct shelf *s, const char *id);

/* Put one here, where no other of its id is. The caller holds it, as before. */
void shelf_put(struct shelf *s, struct loaded_model *m);

/* Let go of one; one that is not here is fine. */
void shelf_drop(struct shelf *s, const char *id);

/* All that are here, each held for the caller: *ret for free(). Errors: ST_NOMEM. */
MUST_USE enum status shelf_all(struct shelf *s, struct loaded_model ***ret, size_t *ret_n, struct error *err);

size_t shelf_count(struct shelf *s);

#endif
