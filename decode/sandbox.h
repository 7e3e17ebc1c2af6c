/* decode/sandbox.h - what is left to cxrd-decode. Two steps, each for good: the helper gives up all but what it takes to start
 * children and to speak to cxrd; a child gives up all but its own memory. A call beyond that kills the process. */
#ifndef DECODE_SANDBOX_H
#define DECODE_SANDBOX_H

#include "cxrd/decode.h"

#include <linux/filter.h>
#include <stdbool.h>

struct sandbox {
    struct sock_fprog
        child;    /* the children's filter, made beforehand: they would need files and time for it */
    int landlock; /* the ABI that the helper is under; 0: it is not there */
};

/* For the helper, when it has read all that it will ever need; it has one thread. From here on it starts children that only it can
 * know, speaks through DECODE_SOCKET and to them, and can open nothing.
 *   ret_error  errno of what was refused */
enum decode_sandbox sandbox_enter_helper(struct sandbox *ret, int *ret_error);

/* For a child that holds no descriptor any more. From here on it has its memory, and its processor time.
 *   cpu_s  after which the kernel ends it by SIGXCPU
 * False: it must not go on. */
bool sandbox_enter_child(const struct sandbox *s, unsigned cpu_s);

#endif
