/* decode/pages.c - see pages.h. */
#include "pages.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

void pages_ready(void *at, size_t n)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = (uintptr_t)at,
                    begin = (from + page - 1) & ~(page - 1), end = (from + n) & ~(page - 1);

    if (begin < end)
        madvise((char *)at + (begin - from), end - begin, MADV_POPULATE_WRITE);
}
