/* include/cxrd/memory.h - how much memory this process may use. */
#ifndef CXRD_MEMORY_H
#define CXRD_MEMORY_H

/* In bytes: the machine's, or the smallest limit of a control group on the way from ours to the root where that is less (a
 * container's, a service's). The use of other processes counts too. */
double memory_usable(void);

/* The same beneath another root folder, as cores_find_below() of cxrd/cores.h; the machine is the real one. */
double memory_usable_below(const char *root);

#endif
