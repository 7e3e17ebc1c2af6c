/* decode/child.h - the process that decodes one picture, as the helper sees it: it is started before its picture comes.
 *
 * A fork of the helper takes half a millisecond, and no request waits for a fork that was made ahead. A child gets one request,
 * decodes it and ends; it knows nothing of other pictures, since the helper reads none. */
#ifndef DECODE_CHILD_H
#define DECODE_CHILD_H

#include "sandbox.h"

#include "cxrd/decode.h"

#include <sys/types.h>

struct child {
    pid_t pid;  /* 0: there is none */
    int socket; /* what the request goes through */
};

/* A request, and the descriptors that it came with. */
struct asked {
    struct decode_request request;
    int memories[DECODE_MEMORIES];
};

/* Read the next request from a socket. 1: it is there, with descriptors that are the caller's to close; 0: the other side has gone; -1: the
 * message is no request. */
int asked_read(int socket, struct asked *ret);

/* Start one, whose signal at its end (SIGCHLD) must be blocked. Where the kernel has no process for it, pid is 0 and errno says why. */
void child_begin(const struct sandbox *box, struct child *ret);

/* Have it decode, and wait until it has ended; pid is 0 then. One that had ended before it was asked is begun anew. */
struct decode_done child_decode(const struct sandbox *box, struct child *c, const struct asked *a);

#endif
