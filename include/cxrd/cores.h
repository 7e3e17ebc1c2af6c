/* include/cxrd/cores.h - how many cores this process may use. */
#ifndef CXRD_CORES_H
#define CXRD_CORES_H

#include <stddef.h>

struct cores {
    size_t allowed;   /* by the scheduler's affinity mask: taskset, cpusets, the machine; at least 1 */
    double quota;     /* the smallest CPU quota on the way from our control group to the root; 0: none */
    char source[320]; /* the file that the quota stands in, "" where there is none; cut where it is longer */
    size_t usable;    /* threads that make sense: `allowed`, cut by the quota rounded up; 1..256 */
};

/* Ask the kernel. A container or a service that may use half of a core has 1. */
struct cores cores_find(void);

/* The same beneath another root folder: its proc/self/cgroup and proc/self/mountinfo, and the control groups that they
 * lead to; the affinity mask is the real one. */
struct cores cores_find_below(const char *root);

/* Just `usable`. */
size_t cores_available(void);

#endif
