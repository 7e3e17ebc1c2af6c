/* model/core/memory.c - see cxrd/memory.h. */
#include "cxrd/memory.h"

#include "control_group.h"

#include <stdbool.h>
#include <unistd.h>

/* Version 1 says a number near 2^63 for no limit, which no machine has either. */
static void take_limit(void *arg, const char *folder, bool v2)
{
    double *least = arg;
    long long limit;

    if (control_group_numbers(folder, v2 ? "memory.max" : "memory.limit_in_bytes", &limit, NULL) &&
        limit >= 0 && (double)limit < *least)
        *least = (double)limit;
}

double memory_usable_below(const char *root)
{
    double least = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);

    control_groups_visit(root, "memory", take_limit, &least);
    return least;
}

double memory_usable(void) { return memory_usable_below(""); }
