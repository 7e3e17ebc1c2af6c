/* decode/pages.c - see pages.h. */
#include "pages.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

void pages_ready(void *at, size_t n)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = ((uintptr_t)at + page - 1) & ~(page - 1),
                    end = ((uintptr_t)at + n) & ~(page - 1);

    if (begin < end)
        madvise((void *)begin, end - begin, MADV_POPULATE_WRITE);
}
