/* model/net/operating_points.c - see cxrd/operating_points.h. */
#include "cxrd/operating_points.h"

#include <math.h>

const char *const OPERATING_NAMES[N_OPERATING] = { "youden", "sensitivity_90", "specificity_90" };

#define NONE                                                                 \
    {                                                                        \
        NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN \
    }
const struct operating_points OPERATING_NONE = { { NONE, NONE, NONE }, NONE };
