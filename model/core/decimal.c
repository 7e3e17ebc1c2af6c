/* model/core/decimal.c - see cxrd/decimal.h. */
#include "cxrd/decimal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const char *decimal_text(float v, char ret_text[DECIMAL_TEXT])
{
    enum { MOST_DIGITS = 9 }; /* with so many every float32 reads back */

    for (int digits = 1; digits <= MOST_DIGITS; digits++) {
        snprintf(ret_text, DECIMAL_TEXT, "%.*g", digits, (double)v);
        if ((float)strtod(ret_text, NULL) == v)
            break;
    }
    return ret_text;
}

double decimal_of(float v)
{
    char text[DECIMAL_TEXT];

    return isfinite(v) ? strtod(decimal_text(v, text), NULL) : (double)v;
}

json_t *decimal_json(float v) { return json_real(decimal_of(v)); }
