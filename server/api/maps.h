/* server/api/maps.h - of which findings an archive is sent maps beside the report, as the operator chose. */
#ifndef SERVER_API_MAPS_H
#define SERVER_API_MAPS_H

#include "prediction.h"

/* The value of an option: names of findings, and `positive` for those at or above their threshold, with commas between them.
 * Errors: ST_INVALID. */
MUST_USE enum status maps_check(const char *text, struct error *err);

/* The findings of a prediction that it chooses. A name that the model has no finding for chooses none.
 *   text  as maps_check() takes it; NULL: none are chosen */
void maps_choose(const char *text, const struct model *m, const struct prediction *p, bool ret[MAX_LABELS]);

#endif
