/* model/core/cores.c - see cxrd/cores.h. */
#include "cxrd/cores.h"

#include "control_group.h"
#include "cxrd/pool.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { MOST_CPUS = 1 << 16 };

/* The limits met on the way up. */
struct found {
    const char *root;
    struct cores *cores;
};

/* The quota in one folder, in cores; 0: none. */
static double quota_in(const char *folder, bool v2)
{
    long long quota = 0, period = 0;
    const bool known = v2 ? control_group_numbers(folder, "cpu.max", &quota, &period)
                          : control_group_numbers(folder, "cpu.cfs_quota_us", &quota, NULL) &&
                                control_group_numbers(folder, "cpu.cfs_period_us", &period, NULL);

    return known && quota > 0 && period > 0 ? (double)quota / (double)period
                                            : 0; /* version 1 says -1 for none */
}

static void take_quota(void *arg, const char *folder, bool v2)
{
    const struct found *f = arg;
    struct cores *c = f->cores;
    const double quota = quota_in(folder, v2);

    if (quota <= 0 || (c->quota > 0 && quota >= c->quota))
        return;
    c->quota = quota;
    snprintf(c->source, sizeof c->source, "%.280s/%s", folder + strlen(f->root),
             v2 ? "cpu.max" : "cpu.cfs_quota_us");
}

/* The mask has as many bits as the kernel was built for, which nobody tells: it is refused until it is large enough. */
static size_t count_allowed(void)
{
    for (int cpus = CPU_SETSIZE; cpus <= MOST_CPUS; cpus *= 2) {
        cpu_set_t *mask = CPU_ALLOC((size_t)cpus);
        const size_t size = CPU_ALLOC_SIZE((size_t)cpus);
        const bool known = mask && sched_getaffinity(0, size, mask) == 0;
        const int n = known ? CPU_COUNT_S(size, mask) : 0;

        CPU_FREE(mask);
        if (n > 0)
            return (size_t)n;
    }
    return 1;
}

struct cores cores_find_below(const char *root)
{
    struct cores c = { .allowed = count_allowed() };

    control_groups_visit(root, "cpu", take_quota, &(struct found){ root, &c });
    c.usable = c.allowed < POOL_MAX_THREADS ? c.allowed : POOL_MAX_THREADS;
    if (c.quota > 0 && c.quota < (double)c.usable) {
        c.usable = (size_t)c.quota;
        c.usable += (double)c.usable < c.quota; /* half a core more is better used by a thread than by none */
    }
    return c;
}

struct cores cores_find(void) { return cores_find_below(""); }

size_t cores_available(void) { return cores_find().usable; }
