/* jobs/card.h - a model's card: what its file says of it, and where it comes from. Written once, when the model is
 * stored; the store and `GET /models/<id>` pass it on as it is. */
#ifndef JOBS_CARD_H
#define JOBS_CARD_H

#include "cxrd/model.h"

#include <jansson.h>

/* The card of `m`, whose file has `bytes` bytes and this digest; job: that trained it, NULL: it was imported. NULL where
 * memory ran out, owned by the caller otherwise. */
json_t *card_make(const char *id, const struct model *m, size_t bytes, const char *sha256, const char *job);

#endif
