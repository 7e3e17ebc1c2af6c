/* tests/support/guard.h - bytes that end where memory ends: one read beyond them is a crash, also in a library that
 * no sanitizer watches. */
#ifndef TESTS_GUARD_H
#define TESTS_GUARD_H

#include <stddef.h>

struct guarded {
    void *bytes; /* the copy, [n] */
    void *pages; /* owned */
    size_t n_mapped;
};

struct guarded guarded_copy(const void *bytes, size_t n);
void guarded_release(struct guarded *g);

#endif
