/* decode/child.c - see child.h. */
#include "child.h"

#include "decode.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_UNFIT = 100 /* of a child that could not begin */ };

/* ---- a request ---- */

/* A message brings two descriptors. */
union control {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(DECODE_MEMORIES * sizeof(int))];
};
enum { CONTROL_LENGTH = CMSG_LEN(DECODE_MEMORIES * sizeof(int)) };

int asked_read(int socket, struct asked *ret)
{
    union control control = { 0 };
    struct iovec place = { &ret->request, sizeof ret->request };
    struct msghdr message = {
        .msg_iov = &place, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
    };
    ssize_t n;

    while ((n = recvmsg(socket, &message, 0)) < 0)
        if (errno != EINTR)
            return -1;
    if (n == 0)
        return 0;
    memcpy(ret->memories, CMSG_DATA(&control.head), sizeof ret->memories);
    return n == sizeof ret->request && control.head.cmsg_len == CONTROL_LENGTH &&
                   control.head.cmsg_type == SCM_RIGHTS
               ? 1
               : -1;
}

static bool asked_send(int socket, const struct asked *a)
{
    union control control = {
        .head = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CONTROL_LENGTH }
    };
    struct decode_request request = a->request;
    struct iovec place = { &request, sizeof request };
    const struct msghdr message = {
        .msg_iov = &place, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
    };
    ssize_t n;

    memcpy(CMSG_DATA(&control.head), a->memories, sizeof a->memories);
    while ((n = sendmsg(socket, &message, MSG_NOSIGNAL)) < 0)
        if (errno != EINTR)
            return false;
    return n == sizeof request;
}

/* ---- the child ---- */

static _Noreturn void decode(const struct asked *a, const struct sandbox *box, int socket)
{
    const struct decode_request *r = &a->request;
    const size_t capacity = r->limits.max_pixels, skip = r->at % (size_t)sysconf(_SC_PAGESIZE);
    const uint8_t *in = mmap(NULL, skip + r->n_bytes, PROT_READ, MAP_SHARED | MAP_POPULATE,
                             a->memories[DECODE_INPUT], (off_t)(r->at - skip));
    uint8_t *out = mmap(NULL, DECODE_OUTPUT_SIZE(capacity), PROT_READ | PROT_WRITE, MAP_SHARED,
                        a->memories[DECODE_OUTPUT], 0);

    if (in == MAP_FAILED || out == MAP_FAILED)
        _exit(EXIT_UNFIT);
    if (r->n_ready > 0)
        madvise(out, r->n_ready, MADV_POPULATE_READ); /* sixteen pages a fault; a write fault takes one */
    for (size_t i = 0; i < DECODE_MEMORIES; i++)
        close(a->memories[i]);
    close(socket);
    if (!sandbox_enter_child(box, r->cpu_s))
        _exit(EXIT_UNFIT);
    decode_run(in + skip, r->n_bytes, r, (struct decode_reply *)out, out + DECODE_PIXELS, capacity);
    _exit(0);
}

/* Nothing but /dev/null, or where a sanitizer reports to, and the socket stay open. */
static _Noreturn void child(const struct sandbox *box, pid_t helper, const int pair[2])
{
    struct asked asked;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != helper)
        _exit(EXIT_UNFIT);
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    close(DECODE_SOCKET);
    close(pair[0]);
    if (asked_read(pair[1], &asked) == 1)
        decode(&asked, box, pair[1]);
    _exit(EXIT_UNFIT);
}

void child_begin(const struct sandbox *box, struct child *ret)
{
    const pid_t self = getpid();
    int pair[2];

    *ret = (struct child){ 0, -1 };
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0)
        return;
    ret->pid = _Fork(); /* fork() would have ThreadSanitizer start a thread in the child */
    if (ret->pid == 0)
        child(box, self, pair);
    close(pair[1]);
    ret->socket = pair[0];
    if (ret->pid > 0)
        return;
    close(pair[0]);
    *ret = (struct child){ 0, -1 };
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

/* Have it decode. False: it has ended, and was not asked. */
static bool child_ask(struct child *c, const struct asked *a)
{
    const bool sent = c->pid > 0 && asked_send(c->socket, a);

    if (c->pid > 0)
        close(c->socket);
    c->socket = -1;
    return sent;
}

struct decode_done child_decode(const struct sandbox *box, struct child *c, const struct asked *a)
{
    struct decode_done done = { .id = a->request.id, .outcome = DECODE_NO_PROCESS };
    const double deadline = seconds() + a->request.wall_s;
    struct rusage used = { 0 };
    int status = 0;
    bool ended;

    if (!child_ask(c, a)) {
        if (c->pid > 0)
            child_wait(c->pid, 0, &status, &used);
        child_begin(box, c);
        done.detail = errno;
        if (!child_ask(c, a))
            return done;
    }
    ended = child_wait(c->pid, deadline, &status, &used);
    done.cpu_us = (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
                  (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
    if (ended)
        outcome_of(status, &done);
    else
        done.outcome = done.cpu_us < a->request.wall_s * 1000000ull / 2 ? DECODE_STARVED : DECODE_LATE;
    done.peak_kib = (uint64_t)used.ru_maxrss;
    c->pid = 0;
    return done;
}
