/* include/cxrd/precision.h - what a model is served with: float32, or integers where they are sooner and change next to nothing. */
#ifndef CXRD_PRECISION_H
#define CXRD_PRECISION_H

#include <stdbool.h>

enum precision {
    PRECISION_FLOAT32,
    PRECISION_INT12, /* the products of 3x3 convolutions in integers of 12 bits and more; all else as in float32 */
};

const char *precision_name(enum precision p); /* "float32", "int12" */

/* By its name. False: there is no precision of that name. */
bool precision_parse(const char *text, enum precision *ret);

#endif
