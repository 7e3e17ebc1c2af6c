/* tests/torture/failing_malloc.h - an allocator that fails when it is told to. Linked into a program, or preloaded, it
 * stands before the C library's for every library in the process. Not beside a sanitizer, which does the same. */
#ifndef TESTS_FAILING_MALLOC_H
#define TESTS_FAILING_MALLOC_H

#include <stdbool.h>

/* From now on count allocations, and let the k-th fail, and all after it if `forever`. k = 0: none. */
void failing_begin(long k, bool forever);

/* Let none fail any more; returns how many were tried since failing_begin(). */
long failing_end(void);

/* Pieces of memory that are allocated and not freed. */
long failing_live(void);

#endif
