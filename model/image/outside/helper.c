/* model/image/outside/helper.c - see helper.h. */
#include "helper.h"

#include "cxrd/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    BEGIN_S = 30,     /* 40 ms where the machine has nothing else to do */
    BEGIN_TRIES = 20, /* of one that is killed before it is ready, which says nothing against the next */
    END_TRIES = 200,
    END_STEP_US = 10000,
};

/* ---- messages ---- */

/* Whether something can be read before `deadline`, the other's end included. */
static bool socket_wait(int socket, double deadline)
{
    struct pollfd p = { .fd = socket, .events = POLLIN };
    double left;

    while ((left = deadline - clock_seconds()) > 0) {
        const int rc = poll(&p, 1, (int)fmin(ceil(left * 1e3), INT_MAX));

        if (rc > 0 || (rc < 0 && errno != EINTR))
            return true; /* what is wrong with it, reading says */
    }
    return false;
}

enum heard { HEARD, HEARD_END, HEARD_NOTHING, HEARD_NONSENSE };

/* The next message, which must be as long as `n`. */
static enum heard socket_read(int socket, double deadline, void *ret, size_t n)
{
    struct iovec place = { ret, n };
    struct msghdr message = { .msg_iov = &place, .msg_iovlen = 1 };
    ssize_t k;

    do {
        if (!socket_wait(socket, deadline))
            return HEARD_NOTHING;
        k = recvmsg(socket, &message, MSG_DONTWAIT);
    } while (k < 0 && (errno == EINTR || errno == EAGAIN));
    if (k <= 0)
        return HEARD_END;
    return (size_t)k == n && !(message.msg_flags & MSG_TRUNC) ? HEARD : HEARD_NONSENSE;
}

/* ---- beginning ---- */

/* All that it may know of this process' surroundings. */
static const char *const ENVIRONMENT[] = { "LD_LIBRARY_PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS",
                                           "TSAN_OPTIONS" };
enum { N_ENVIRONMENT = sizeof ENVIRONMENT / sizeof ENVIRONMENT[0], MOST_ENVIRONMENT = 4096 };

/* "cxrd-decode" where this program is. */
static bool path_beside(char path[PATH_MAX])
{
    static const char NAME[] = "cxrd-decode";
    const ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - sizeof NAME);
    char *slash;

    if (n <= 0)
        return false;
    path[n] = '\0';
    slash = strrchr(path, '/');
    if (!slash)
        return false;
    memcpy(slash + 1, NAME, sizeof NAME);
    return true;
}

/* The child has the signals that a program expects, and a group of its own, so that Ctrl-C in a terminal ends this program alone. */
static int attributes_set(posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    int rc;

    sigemptyset(&none);
    sigfillset(&all);
    rc = posix_spawnattr_setflags(attributes,
                                  POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (rc == 0)
        rc = posix_spawnattr_setpgroup(attributes, 0);
    if (rc == 0)
        rc = posix_spawnattr_setsigmask(attributes, &none);
    if (rc == 0)
        rc = posix_spawnattr_setsigdefault(attributes, &all);
    return rc;
}

/* One descriptor, and standard error for what the loader or a sanitizer has to say. */
static int actions_set(posix_spawn_file_actions_t *actions, int its_socket)
{
    int rc = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

    if (rc == 0)
        rc = posix_spawn_file_actions_addopen(actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(actions, its_socket, DECODE_SOCKET);
    return rc == 0 ? posix_spawn_file_actions_addclosefrom_np(actions, DECODE_SOCKET + 1) : rc;
}

/* 0, or an errno. */
static int spawn(char *path, struct helper *h, int its_socket)
{
    char texts[N_ENVIRONMENT][MOST_ENVIRONMENT], *arguments[] = { path, NULL },
                                                 *environment[N_ENVIRONMENT + 1] = { NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    size_t n = 0;
    int rc;

    for (size_t i = 0; i < N_ENVIRONMENT; i++) {
        const char *value = getenv(ENVIRONMENT[i]);

        if (value && snprintf(texts[n], sizeof texts[n], "%s=%s", ENVIRONMENT[i], value) < MOST_ENVIRONMENT) {
            environment[n] = texts[n];
            n++;
        }
    }
    if ((rc = posix_spawn_file_actions_init(&actions)) != 0)
        return rc;
    if ((rc = posix_spawnattr_init(&attributes)) == 0) {
        rc = attributes_set(&attributes);
        if (rc == 0)
            rc = actions_set(&actions, its_socket);
        if (rc == 0)
            rc = posix_spawn(&h->pid, path, &actions, &attributes, arguments, environment);
        if (rc != 0)
            h->pid = 0;
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

#define NOT_DECODED "JPEG and DICOM are not decoded here: "

/* Wait for a process that has let go of its socket: it ends a moment later. False: it does not. */
static bool end_await(pid_t pid, siginfo_t *ret)
{
    for (int i = 0; i < END_TRIES; i++) {
        ret->si_pid = 0;
        if (waitid(P_PID, (id_t)pid, ret, WEXITED | WNOWAIT | WNOHANG) == 0 && ret->si_pid == pid)
            return true;
        usleep(END_STEP_US);
    }
    return false;
}

/* How it ended, where it ended by itself. ST_CANCELLED: somebody killed it. */
static enum status ended_early(const struct helper *h, struct error *err)
{
    siginfo_t end;

    error_set(err, ST_BUSY, NOT_DECODED "cxrd-decode ended before it was ready");
    if (end_await(h->pid, &end)) {
        char inner[128];

        if (end.si_code == CLD_KILLED && end.si_status == SIGKILL)
            return ST_CANCELLED;
        snprintf(inner, sizeof inner,
                 "%s %d; 127: a library is missing, see `ldd cxrd-decode` and docker/packages.txt",
                 end.si_code == CLD_EXITED ? "exit status" : "signal", end.si_status);
        error_inner(err, ST_BUSY, inner);
    }
    return ST_BUSY;
}

static enum status check_ready(const struct decode_ready *ready, struct error *err)
{
    char why[64];

    if (ready->protocol != DECODE_PROTOCOL || ready->reply_size != sizeof(struct decode_reply))
        return error_set(err, ST_BUSY, NOT_DECODED "cxrd-decode is of another version than cxrd");
    switch (ready->sandbox) {
    case DECODE_SANDBOXED: return ST_OK;
    case DECODE_NO_SECCOMP:
        error_set(err, ST_BUSY, NOT_DECODED "its sandbox is refused, by the kernel or a filter (seccomp: %s)",
                  strerror_r(ready->error, why, sizeof why));
        return error_inner(
            err, ST_BUSY,
            "a kernel with seccomp filters is needed, and a filter around cxrd must allow prctl(2) "
            "with PR_SET_SECCOMP: see Decoding in docs/operating.md");
    case DECODE_NO_LIMITS:
        return error_set(err, ST_BUSY,
                         NOT_DECODED "its sandbox is refused, by the kernel or a filter (setrlimit: %s)",
                         strerror_r(ready->error, why, sizeof why));
    case DECODE_NO_LIBRARY:
        error_set(err, ST_BUSY,
                  NOT_DECODED "cxrd-decode does not find the dictionary by which it reads DICOM");
        return error_inner(err, ST_BUSY, "DCMTK's dictionary, of Debian's package libdcmtk17, is missing");
    default: return error_set(err, ST_BUSY, NOT_DECODED "cxrd-decode said nothing sensible");
    }
}

static enum status await_ready(struct helper *h, struct error *err)
{
    struct decode_ready ready = { 0 };

    switch (socket_read(h->socket, clock_seconds() + BEGIN_S, &ready, sizeof ready)) {
    case HEARD: h->landlock = ready.landlock; return check_ready(&ready, err);
    case HEARD_END: return ended_early(h, err);
    case HEARD_NOTHING:
        return error_set(err, ST_BUSY, NOT_DECODED "cxrd-decode was not ready within %d s", BEGIN_S);
    case HEARD_NONSENSE: break;
    }
    return error_set(err, ST_BUSY, NOT_DECODED "cxrd-decode is of another version than cxrd");
}

/* The socket's ends; what was opened is the helper's to close. The other end is no DECODE_SOCKET already: then it would not be handed
 * over, but closed at exec. */
static bool socket_open(struct helper *h, int *ret_its_socket)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return false;
    h->socket = pair[0];
    *ret_its_socket = fcntl(pair[1], F_DUPFD_CLOEXEC, DECODE_SOCKET + 1);
    close(pair[1]);
    return *ret_its_socket >= 0;
}

static enum status begin(const char *program, struct helper *h, struct error *err)
{
    char path[PATH_MAX];
    int its_socket = -1, rc = 0;

    if (program && snprintf(path, sizeof path, "%s", program) >= PATH_MAX)
        rc = ENAMETOOLONG;
    if (rc == 0 && !program && !path_beside(path))
        rc = errno;
    if (rc != 0)
        return error_set(err, ST_BUSY, NOT_DECODED "it is not known where cxrd-decode is");
    if (!socket_open(h, &its_socket))
        return error_set(err, ST_BUSY, NOT_DECODED "there is no socket to speak to cxrd-decode (%s)",
                         strerror_r(errno, path, sizeof path));
    rc = spawn(path, h, its_socket);
    close(its_socket);
    if (rc == 0)
        return await_ready(h, err);
    error_set(err, ST_BUSY, NOT_DECODED "cxrd-decode cannot be started (%s)", strerrordesc_np(rc));
    return error_inner(err, ST_BUSY, path);
}

enum status helper_begin(const char *program, struct helper *ret, struct error *err)
{
    enum status st = ST_CANCELLED;

    for (int i = 0; i < BEGIN_TRIES && st == ST_CANCELLED; i++) {
        struct helper h = HELPER_INIT;

        st = begin(program, &h, err);
        if (st == ST_OK)
            *ret = h;
        else
            helper_end(&h);
    }
    return st == ST_CANCELLED ? ST_BUSY : st;
}

/* ---- the end ---- */

static void await_all(pid_t whom)
{
    pid_t rc;

    do
        rc = waitpid(whom, NULL, 0);
    while (rc > 0 || (rc < 0 && errno == EINTR));
}

/* It, and its group; that is not there where it was killed before it could make it. A child of its comes to this process where that
 * is the first of a container: it is waited for, too. */
static void group_end(pid_t pid)
{
    kill(pid, SIGKILL);
    kill(-pid, SIGKILL);
    await_all(pid);
    await_all(-pid);
}

void helper_end(struct helper *h)
{
    if (h->pid > 0)
        group_end(h->pid);
    if (h->socket >= 0)
        close(h->socket);
    *h = (struct helper)HELPER_INIT;
}

/* ---- a picture ---- */

bool helper_is_there(const struct helper *h)
{
    struct pollfd p = { .fd = h->socket, .events = POLLIN };

    return poll(&p, 1, 0) == 0;
}

static bool says_nothing(void *arg) { return helper_is_there(arg); }

static bool send_request(const struct helper *h, struct decode_request *request, const struct shared *input,
                         const struct shared *output)
{
    const int memories[DECODE_MEMORIES] = { input->fd, output->fd };
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof memories)];
    } control = {
        .head = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof memories) }
    };
    struct iovec place = { request, sizeof *request };
    const struct msghdr message = {
        .msg_iov = &place, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
    };
    ssize_t k;

    memcpy(CMSG_DATA(&control.head), memories, sizeof memories);
    do
        k = sendmsg(h->socket, &message, MSG_NOSIGNAL);
    while (k < 0 && errno == EINTR);
    return k == sizeof *request;
}

enum helper_news helper_decode(struct helper *h, const struct shared *input, const struct shared *output,
                               const struct decode_request *request, size_t expected, double deadline,
                               struct decode_done *ret)
{
    struct decode_request asked = *request;

    asked.id = ++h->asked;
    if (!send_request(h, &asked, input, output))
        return HELPER_NOT_ASKED;
    shared_prepare(output, expected, says_nothing, h);
    switch (socket_read(h->socket, deadline, ret, sizeof *ret)) {
    case HEARD: return ret->id == asked.id ? HELPER_DONE : HELPER_BROKEN;
    case HEARD_END: return HELPER_ENDED;
    case HEARD_NOTHING: return HELPER_LATE;
    case HEARD_NONSENSE: break;
    }
    return HELPER_BROKEN;
}
