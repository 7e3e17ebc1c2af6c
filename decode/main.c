/* decode/main.c - cxrd-decode: decodes what strangers send, a child for each picture, see cxrd/decode.h.
 *
 * The helper has one thread and reads nothing of a stranger's, so a fork of it is a sound process that is warm already: a child
 * costs half a millisecond, and what a picture does to its decoder ends with that child. */
#include "decode.h"
#include "idle.h"
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, EXIT_UNFIT = 100 /* of a child that could not begin */ };

/* ---- a child ---- */

static _Noreturn void child(const struct decode_request *r, const struct sandbox *box, pid_t helper)
{
    const size_t capacity = r->limits.max_pixels, skip = r->at % (size_t)sysconf(_SC_PAGESIZE);
    const uint8_t *in;
    uint8_t *out;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != helper)
        _exit(EXIT_UNFIT);
    in = mmap(NULL, skip + r->n_bytes, PROT_READ, MAP_SHARED | MAP_POPULATE, DECODE_INPUT,
              (off_t)(r->at - skip));
    out = mmap(NULL, DECODE_OUTPUT_SIZE(capacity), PROT_READ | PROT_WRITE, MAP_SHARED, DECODE_OUTPUT, 0);
    if (in == MAP_FAILED || out == MAP_FAILED)
        _exit(EXIT_UNFIT);
    for (int fd = 0; fd <= DECODE_OUTPUT; fd++)
        if (fd != STDERR_FILENO) /* /dev/null, or where a sanitizer reports to */
            close(fd);
    if (!sandbox_enter_child(box, r->cpu_s))
        _exit(EXIT_UNFIT);
    decode_run(in + skip, r->n_bytes, r, (struct decode_reply *)out, out + DECODE_PIXELS, capacity);
    _exit(0);
}

/* ---- its parent ---- */

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Wait for a signal, which must be blocked, or until `deadline`. False: that has passed. */
static bool signal_wait(const sigset_t *signals, double deadline)
{
    const double left = deadline - seconds();
    const struct timespec wait = { (time_t)left, (long)((left - (double)(time_t)left) * 1e9) };

    if (left <= 0)
        return false;
    sigtimedwait(signals, NULL, &wait);
    return true;
}

/* Wait for the child's end, and bring it about where it does not come in time. False: it took too long. */
static bool child_wait(pid_t pid, double deadline, int *ret_status, struct rusage *ret_used)
{
    sigset_t ends;

    sigemptyset(&ends);
    sigaddset(&ends, SIGCHLD);
    while (wait4(pid, ret_status, WNOHANG, ret_used) == 0)
        if (!signal_wait(&ends, deadline)) {
            kill(pid, SIGKILL);
            while (wait4(pid, ret_status, 0, ret_used) < 0 && errno == EINTR)
                continue;
            return false;
        }
    return true;
}

static void outcome_of(int status, struct decode_done *done)
{
    if (WIFSIGNALED(status)) {
        done->outcome = WTERMSIG(status) == SIGXCPU ? DECODE_LATE : DECODE_KILLED;
        done->detail = WTERMSIG(status);
    } else if (WEXITSTATUS(status) == EXIT_UNFIT) {
        done->outcome = DECODE_NO_PROCESS;
        done->detail = ENOMEM;
    } else {
        done->outcome = WEXITSTATUS(status) == 0 ? DECODE_ANSWERED : DECODE_FAILED;
        done->detail = WEXITSTATUS(status);
    }
}

static struct decode_done picture(const struct decode_request *r, const struct sandbox *box, pid_t self)
{
    struct decode_done done = { .id = r->id, .outcome = DECODE_NO_PROCESS };
    const double deadline = seconds() + r->wall_s;
    struct rusage used = { 0 };
    int status = 0;
    const pid_t pid = _Fork(); /* fork() would have ThreadSanitizer start a thread in the child */

    if (pid == 0)
        child(r, box, self);
    if (pid < 0) {
        done.detail = errno;
        return done;
    }
    if (child_wait(pid, deadline, &status, &used))
        outcome_of(status, &done);
    else
        done.outcome = DECODE_LATE;
    done.cpu_us = (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
                  (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
    done.peak_kib = (uint64_t)used.ru_maxrss;
    return done;
}

/* Read the next request. 1: it is there; 0: cxrd has gone; -1: the message is no request. */
static int request_read(struct decode_request *ret)
{
    static const int EXPECTED[DECODE_MEMORIES] = { DECODE_INPUT,
                                                   DECODE_OUTPUT }; /* the lowest that are free */
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof EXPECTED)];
    } control = { 0 };
    struct iovec place = { ret, sizeof *ret };
    struct msghdr message = {
        .msg_iov = &place, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
    };
    ssize_t n;

    while ((n = recvmsg(DECODE_SOCKET, &message, 0)) < 0)
        if (errno != EINTR)
            return -1;
    if (n == 0)
        return 0;
    return n == sizeof *ret && control.head.cmsg_len == CMSG_LEN(sizeof EXPECTED) &&
                   control.head.cmsg_type == SCM_RIGHTS &&
                   memcmp(CMSG_DATA(&control.head), EXPECTED, sizeof EXPECTED) == 0
               ? 1
               : -1;
}

/* Until cxrd has gone. */
static int serve(const struct sandbox *box)
{
    const pid_t self = getpid();
    struct decode_request request = { 0 };
    int got;

    while ((got = request_read(&request)) == 1) {
        const struct decode_done done = picture(&request, box, self);

        close(DECODE_INPUT);
        close(DECODE_OUTPUT);
        while (write(DECODE_SOCKET, &done, sizeof done) < 0)
            if (errno != EINTR)
                return 1;
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
