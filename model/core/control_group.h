/* model/core/control_group.h - where the limits of this process's control groups stand, of version 1 and version 2. */
#ifndef MODEL_CORE_CONTROL_GROUP_H
#define MODEL_CORE_CONTROL_GROUP_H

#include <stdbool.h>

/* Every folder of limits that hold for this process: from its control group up to where the tree is mounted.
 *   root        "" for the real one; otherwise the folder that has proc/self/cgroup, proc/self/mountinfo and the trees
 *   controller  "cpu" or "memory": of version 1, whose trees are visited
 *   folder      begins with `root`; only for the call */
void control_groups_visit(const char *root, const char *controller,
                          void (*visit)(void *arg, const char *folder, bool v2), void *arg);

/* The first number of a file in such a folder, and the second where `second` is not NULL. False: it says "max", or there is no such
 * file. */
bool control_group_numbers(const char *folder, const char *name, long long *first, long long *second);

#endif
