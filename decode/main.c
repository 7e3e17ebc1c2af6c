/* decode/main.c - cxrd-decode: decodes what strangers send, a child for each picture, see cxrd/decode.h.
 *
 * The helper has one thread and reads no untrusted byte, so a fork of it is sound and warm already, and the damage that a picture does
 * to its decoder ends with that child. */
#include "child.h"
#include "decode.h"
#include "idle.h"
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EXIT_USAGE = 2 };

/* Until cxrd has gone. */
static int serve(const struct sandbox *box)
{
    struct child next;
    struct asked asked;
    int got;

    child_begin(box, &next);
    while ((got = asked_read(DECODE_SOCKET, &asked)) == 1) {
        const struct decode_done done = child_decode(box, &next, &asked);

        for (size_t i = 0; i < DECODE_MEMORIES; i++)
            close(asked.memories[i]);
        while (write(DECODE_SOCKET, &done, sizeof done) < 0)
            if (errno != EINTR)
                return 1;
        child_begin(box, &next);
    }
    return got == 0 ? 0 : 1;
}

/* ---- the beginning ---- */

static bool is_started_by_cxrd(void)
{
    int type = 0;
    socklen_t size = sizeof type;

    return getsockopt(DECODE_SOCKET, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

/* Where memory runs out, this process is ended before others: it alone loses nothing. */
static void go_first(void)
{
    const int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    if (write(fd, "1000", 4) != 4)
        errno = 0; /* then they are as likely */
    close(fd);
}

static bool block_ends(void)
{
    sigset_t ends;

    sigemptyset(&ends);
    sigaddset(&ends, SIGCHLD);
    return sigprocmask(SIG_BLOCK, &ends, NULL) == 0;
}

int main(void)
{
    struct decode_ready ready = { .protocol = DECODE_PROTOCOL,
                                  .reply_size = sizeof(struct decode_reply),
                                  .sandbox = DECODE_NO_LIBRARY };
    struct sandbox box = { 0 };

    if (!is_started_by_cxrd()) {
        fprintf(stderr, "cxrd-decode is started by cxrd, and does nothing by itself\n");
        return EXIT_USAGE;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    go_first();
    if (block_ends() && decode_warm_up()) {
        idle_prepare();
        ready.sandbox = sandbox_enter_helper(&box, &ready.error);
    }
    ready.landlock = box.landlock;
    while (write(DECODE_SOCKET, &ready, sizeof ready) < 0)
        if (errno != EINTR)
            _exit(1);
    _exit(ready.sandbox == DECODE_SANDBOXED ? serve(&box) : 1);
}
