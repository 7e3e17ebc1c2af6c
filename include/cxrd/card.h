/* include/cxrd/card.h - a model's card: what its file says of it, and where it comes from. Written once, when the model is
 * stored; the store and `GET /models/<id>` pass it on as it is. */
#ifndef CXRD_CARD_H
#define CXRD_CARD_H

#include "cxrd/model.h"

#include <jansson.h>

/* The card of `m`, whose file has `bytes` bytes and this digest; job: that trained it, NULL: it was imported. NULL where
 * memory ran out, owned by the caller otherwise. */
json_t *card_make(const char *id, const struct model *m, size_t bytes, const char *sha256, const char *job);

/* The findings of a model, as its card names them; of a card from before models had their own, the 14 of ChestX-ray14.
 * Errors: ST_FORMAT, ST_INVALID: it is no card. */
MUST_USE enum status card_labels(const json_t *card, struct labels *ret, struct error *err);

#endif
