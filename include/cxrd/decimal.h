/* include/cxrd/decimal.h - float32 as people write it: 123.675, not the 123.675003 that it is. */
#ifndef CXRD_DECIMAL_H
#define CXRD_DECIMAL_H

#include <jansson.h>

/* The shortest decimal that reads back as the same float32, which is finite. Returns ret_text. */
enum { DECIMAL_TEXT = 32 };
const char *decimal_text(float v, char ret_text[DECIMAL_TEXT]);

/* The same as a number: what the author of a float32 most likely wrote. (float)decimal_of(v) is v; infinite and not a number stay. */
double decimal_of(float v);

/* A JSON number that is written as decimal_text() writes it, where at least 9 digits are written. NULL without memory. */
json_t *decimal_json(float v);

#endif
