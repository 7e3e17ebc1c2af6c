/* include/cxrd/id.h - names for jobs, models and requests: random UUIDs (RFC 9562, version 4). */
#ifndef CXRD_ID_H
#define CXRD_ID_H

#include <stdbool.h>
#include <stddef.h>

enum { ID_SIZE = 37 };

void id_new(char id[ID_SIZE]);

/* Whether `n` bytes look like one of ours: 8 to 36 of [0-9a-f-]. Any other text is not looked up. */
bool id_ok(const char *text, size_t n);

#endif
