/* model/net/precision.c - see cxrd/precision.h. */
#include "cxrd/precision.h"

#include <stddef.h>
#include <string.h>

static const char *const NAMES[] = { [PRECISION_FLOAT32] = "float32", [PRECISION_INT12] = "int12" };

const char *precision_name(enum precision p) { return NAMES[p]; }

bool precision_parse(const char *text, enum precision *ret)
{
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        if (strcmp(NAMES[i], text) == 0) {
            *ret = (enum precision)i;
            return true;
        }
    return false;
}
