/* model/net/stretch.h - a block of parameters cut into stretches, which the threads of a pool take: the same ones whatever the
 * number of threads. */
#ifndef MODEL_NET_STRETCH_H
#define MODEL_NET_STRETCH_H

#include <stddef.h>

enum { STRETCHES = 64 };

/* Where stretch number i of n numbers begins; the one before it ends there. */
static inline size_t stretch_begin(size_t n, size_t i) { return n * i / STRETCHES; }

#endif
