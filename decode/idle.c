/* decode/idle.c - see idle.h. */
#include "idle.h"

#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Only segments that can be executed: they are never written, so nothing is lost. */
static int code_give_back(struct dl_phdr_info *library, size_t size, void *arg)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

    (void)size, (void)arg;
    for (size_t i = 0; i < library->dlpi_phnum; i++) {
        const ElfW(Phdr) *s = &library->dlpi_phdr[i];
        const uintptr_t begin = (library->dlpi_addr + s->p_vaddr) & ~(page - 1);

        if (s->p_type == PT_LOAD && (s->p_flags & PF_X) && !(s->p_flags & PF_W))
            /* NOLINTNEXTLINE(performance-no-int-to-ptr): the loader tells addresses as numbers */
            madvise((void *)begin, library->dlpi_addr + s->p_vaddr + s->p_filesz - begin, MADV_DONTNEED);
    }
    return 0;
}

void idle_prepare(void)
{
    malloc_trim(0);
    dl_iterate_phdr(code_give_back, NULL);
}
