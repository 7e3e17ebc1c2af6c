/* model/net/strata.c - see cxrd/strata.h. */
#include "cxrd/strata.h"

#include <math.h>

const char *const STRATA_BY_NAMES[N_STRATA_BY] = { "view", "sex", "age" };

enum { AGE_BAND = 20, OLDEST_BAND = 4 }; /* years; the band of all who are older */

static const char *const NAMES[N_STRATA_BY][STRATA_MOST] = {
    [STRATA_VIEW] = { "PA", "AP" },
    [STRATA_SEX] = { "F", "M" },
    [STRATA_AGE] = { "0-19", "20-39", "40-59", "60-79", "80+" },
};

size_t strata_count(enum strata_by by) { return by == STRATA_AGE ? 6 : 3; }

const char *strata_name(enum strata_by by, size_t i) { return NAMES[by][i]; }

size_t strata_of(enum strata_by by, double value)
{
    if (isnan(value))
        return strata_count(by) - 1;
    if (by != STRATA_AGE)
        return value > 0.5;
    return value < AGE_BAND * OLDEST_BAND ? (size_t)fmax(value, 0) / AGE_BAND : OLDEST_BAND;
}

size_t strata_cell(const size_t of[N_STRATA_BY])
{
    return (of[STRATA_VIEW] * 3 + of[STRATA_SEX]) * 6 + of[STRATA_AGE];
}

void strata_split(size_t cell, size_t ret_of[N_STRATA_BY])
{
    ret_of[STRATA_AGE] = cell % 6;
    ret_of[STRATA_SEX] = cell / 6 % 3;
    ret_of[STRATA_VIEW] = cell / 18;
}

size_t strata_bin(const double edges[STRATA_BINS - 1], double value)
{
    size_t bin = 0;

    while (bin < STRATA_BINS - 1 && value > edges[bin])
        bin++;
    return bin;
}
