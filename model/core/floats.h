/* model/core/floats.h - blocks of floats as vector instructions like them: aligned to a cache line. */
#ifndef MODEL_CORE_FLOATS_H
#define MODEL_CORE_FLOATS_H

#include <stddef.h>

/* `n` zeroes, aligned to 64 bytes; free() them. NULL without memory. */
float *floats_new(size_t n);

#endif
