/* model/net/model_parts.h - the side of a model that only the network's own files see. */
#ifndef MODEL_NET_MODEL_PARTS_H
#define MODEL_NET_MODEL_PARTS_H

#include "cxrd/session.h"
#include "plan/forward.h"

const struct plan *model_plan(const struct model *m);
const struct prepared *model_prepared(const struct model *m);

/* A value of the plan, of the first picture of the last run. Borrowed until the next. */
const float *session_value(const struct session *s, const struct model *m, size_t value);

#endif
