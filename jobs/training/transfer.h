/* jobs/training/transfer.h - a head for another's network: the features that it makes of the training pictures, and the logistic
 * regression of each finding on them, and on the inputs, if there are any.
 *
 * Features are made once, by the frozen network, of each picture and of a few views of it (augment.h), and kept in the cache beside
 * the pictures: a run that was ended goes on where it was, and another job on the same rows and the same network finds them.
 * They are standardised for the regression alone, and that is folded into the head: what comes out is an ordinary network. */
#ifndef JOBS_TRAINING_TRANSFER_H
#define JOBS_TRAINING_TRANSFER_H

#include "cxrd/model.h"
#include "run.h"

struct transfer;

/* Of a run that transfers, once its network, its inputs and its scorer are there: the network as it is cut, and its cache.
 * Errors: ST_NUMERIC, ST_LIMIT, ST_NOMEM. */
MUST_USE enum status transfer_new(struct run *r, struct transfer **ret);
void transfer_free(struct transfer *t); /* NULL is fine */

/* Make the features and fit the head. Errors: ST_CANCELLED, ST_LIMIT (they are more than the machine's memory), ST_UNUSABLE (no
 * training picture can be read), ST_NUMERIC (a feature is not finite), scorer_run()'s, ST_NOMEM. */
MUST_USE enum status transfer_fit(struct run *r, struct transfer *t);

/* The network with that head; NULL: it is not fitted yet. Borrowed. */
const struct model *transfer_model(const struct transfer *t);

/* Where the features of pictures as they are are kept, if they are those of this model, too: all before its head is the same, bit for bit.
 * NULL: they are others, or nowhere. */
struct image_cache *transfer_kept(const struct transfer *t, const struct model *m);

/* How the head was fitted, a JSON object as text, in the notes of the model. */
#define TRANSFER_NOTE "transfer"

#endif
