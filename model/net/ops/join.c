/* model/net/ops/join.c - a concatenation whose parts are written where they lie in it: nothing is left to do, so the plan has no
 * op of this kind. Its channels are whole panels but for the last part's. */
#include "op.h"

const struct op_kind OP_JOIN = { "join", LIE_PANELS, LIE_PANELS, NULL };
