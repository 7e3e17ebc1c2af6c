/* tests/torture/failing_malloc.c - see failing_malloc.h. Preloaded, it reads CXRD_FAIL_AT (which allocation) and
 * CXRD_FAIL_FOREVER (whether all after it) or CXRD_FAIL_EVERY (one in so many after it), and counts from the program's
 * first; CXRD_FAIL_IN: only in a program whose first argument is that. */
#include "failing_malloc.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* The C library's own, by the names that it exports for this purpose. */
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *memory, size_t n);
extern void *__libc_memalign(size_t alignment, size_t n);
extern void __libc_free(void *memory);

static atomic_long tried, fails_at, fails_every, live;
static atomic_bool fails_on;

void failing_begin(long k, bool forever)
{
    atomic_store(&tried, 0);
    atomic_store(&fails_on, forever);
    atomic_store(&fails_at, k);
}

long failing_end(void)
{
    atomic_store(&fails_at, 0);
    return atomic_load(&tried);
}

long failing_live(void) { return atomic_load(&live); }

static bool fails(void)
{
    const long k = atomic_load(&fails_at), n = atomic_fetch_add(&tried, 1) + 1;

    const long every = atomic_load(&fails_every);

    if (k == 0 || n < k || (n > k && !atomic_load(&fails_on) && (every == 0 || (n - k) % every != 0)))
        return false;
    errno = ENOMEM;
    return true;
}

static void *counted(void *memory)
{
    atomic_fetch_add(&live, memory != NULL);
    return memory;
}

void *malloc(size_t n) { return fails() ? NULL : counted(__libc_malloc(n)); }

void *calloc(size_t n, size_t size) { return fails() ? NULL : counted(__libc_calloc(n, size)); }

void *realloc(void *memory, size_t n)
{
    void *moved;

    if (n > 0 && fails())
        return NULL;
    moved = __libc_realloc(memory, n);
    if (memory && n == 0)
        atomic_fetch_sub(&live, 1);
    return memory ? moved : counted(moved);
}

void *memalign(size_t alignment, size_t n);
void *memalign(size_t alignment, size_t n) { return fails() ? NULL : counted(__libc_memalign(alignment, n)); }

void *aligned_alloc(size_t alignment, size_t n) { return memalign(alignment, n); }

int posix_memalign(void **ret, size_t alignment, size_t n)
{
    void *memory = memalign(alignment, n);

    if (!memory)
        return ENOMEM;
    *ret = memory;
    return 0;
}

void free(void *memory)
{
    atomic_fetch_sub(&live, memory != NULL);
    __libc_free(memory);
}

#ifdef PRELOADED
/* glibc gives a constructor what main() gets. */
__attribute__((constructor)) static void begin(int argc, char **argv)
{
    const char *at = getenv("CXRD_FAIL_AT"), *every = getenv("CXRD_FAIL_EVERY"), *in = getenv("CXRD_FAIL_IN");

    if (in && (argc < 2 || strcmp(argv[1], in) != 0))
        return;
    if (every)
        atomic_store(&fails_every, strtol(every, NULL, 10));
    if (at)
        failing_begin(strtol(at, NULL, 10), getenv("CXRD_FAIL_FOREVER") != NULL);
}
#endif
