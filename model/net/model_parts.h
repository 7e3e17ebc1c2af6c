/* model/net/model_parts.h - the side of a model that only the network's own files see. */
#ifndef MODEL_NET_MODEL_PARTS_H
#define MODEL_NET_MODEL_PARTS_H

#include "cxrd/model.h"
#include "plan/forward.h"

const struct plan *model_plan(const struct model *m);
const struct prepared *model_prepared(const struct model *m);

#endif
