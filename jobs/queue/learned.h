/* jobs/queue/learned.h - what is known of the rows that a model has learned from, and the models that it began from: from its card, and
 * from the records, scores and patients of their jobs as far as these are there. */
#ifndef JOBS_LEARNED_H
#define JOBS_LEARNED_H

#include "cxrd/buf.h"
#include "cxrd/scoring.h"
#include "worker.h"

struct learned {
    json_t *tables, *datasets; /* digests of tables, names of data sets; arrays, owned */
    struct buf pictures;       /* names, one a line: those that trained and those that validated */
    struct patients
        *patients; /* whose pictures those are, of the trainings on `dataset`; NULL: no key, no patients */
    bool unknown;  /* of some training that is not known, or not to the picture */
};

/*   dataset  on which the model is to be scored. In another the same id is another patient
 * Errors: ST_NOTFOUND (no such model), ST_IO, ST_NOMEM. Rows that are not known are no error. */
MUST_USE enum status learned_find(struct runner *r, const char *model, const char *dataset,
                                  struct learned *ret, struct error *err);
void learned_release(struct learned *l); /* safe on zeroes */

#endif
