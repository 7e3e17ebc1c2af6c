/* tests/support/guard.c - see guard.h. */
#include "guard.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct guarded guarded_copy(const void *bytes, size_t n)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), usable = (n + page - 1) / page * page;
    struct guarded g = { .n_mapped = usable + page };

    g.pages = mmap(NULL, g.n_mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert(g.pages != MAP_FAILED);
    mprotect((char *)g.pages + usable, page, PROT_NONE);
    g.bytes = (char *)g.pages + usable - n;
    if (n > 0)
        memcpy(g.bytes, bytes, n);
    return g;
}

void guarded_release(struct guarded *g)
{
    munmap(g->pages, g->n_mapped);
    *g = (struct guarded){ 0 };
}
