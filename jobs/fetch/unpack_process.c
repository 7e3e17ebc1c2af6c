/* jobs/fetch/unpack_process.c - see unpack_process.h. Both sides of the socket are here, and of one build. */
#include "unpack_process.h"

#include "cxrd/clock.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define QUIET false /* a sanitizer has to be heard */
#else
#define QUIET true
#endif

#define PROGRAM "/proc/self/exe" /* of this process, even where its file has been replaced */

/* The descriptors that the new process has, and the lowest one that this process may use for its copies: dup2() to one of the former
 * must not close a copy. */
enum { AT_SOCKET = 3, AT_ARCHIVE, AT_FOLDER, AT_END, COPIES_FROM = AT_END };

enum {
    ASK_MS = 100,           /* how often it is asked whether it is cancelled */
    EXIT_OUT_OF_MEMORY = 1, /* of libarchive's */
    EXIT_BROKEN = 100,
};

struct order {
    uint64_t max_bytes, max_files;
    pid_t from;
    char name[32];
};

struct news {
    uint64_t bytes, packed, size, files;
    bool over;
    enum status st; /* and why, where it is over */
    char text[sizeof(((struct error *)0)->text)], inner[sizeof(((struct error *)0)->inner)];
};

/* ---- the process ---- */

struct unpacking {
    double told_at;
};

static bool never(void *arg)
{
    (void)arg;
    return false;
}

static void tell(const struct unpack *u, const struct error *err, bool over)
{
    struct news n = {
        .bytes = u->bytes, .packed = u->packed, .size = u->size, .files = u->files, .over = over
    };

    if (over) {
        n.st = err->code;
        memcpy(n.text, err->text, sizeof n.text);
        memcpy(n.inner, err->inner, sizeof n.inner);
    }
    while (send(AT_SOCKET, &n, sizeof n, MSG_NOSIGNAL) < 0)
        if (errno != EINTR)
            _exit(EXIT_BROKEN); /* the server is gone */
}

static void on_progress(void *arg, const struct unpack *u)
{
    struct unpacking *p = arg;
    const double now = clock_seconds();

    if (now - p->told_at < ASK_MS / 1e3)
        return;
    p->told_at = now;
    tell(u, NULL, false);
}

int fetch_unpacker(void)
{
    struct order order;
    struct unpacking progress = { 0 };
    struct unpack u = { .archive = AT_ARCHIVE,
                        .folder = AT_FOLDER,
                        .name = order.name,
                        .arg = &progress,
                        .cancelled = never,
                        .progress = on_progress };
    struct error err = { 0 };

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || recv(AT_SOCKET, &order, sizeof order, 0) != sizeof order ||
        getppid() != order.from)
        return EXIT_BROKEN;
    u.max_bytes = order.max_bytes;
    u.max_files = order.max_files;
    if (unpack_run(&u, &err) == ST_OK)
        err = (struct error){ 0 };
    tell(&u, &err, true);
    return 0;
}

/* ---- the server ---- */

struct process {
    pid_t pid;
    int socket;
};

/* A copy that is closed at exec, and that no descriptor of the process is put over. */
static int copy_of(int fd) { return fcntl(fd, F_DUPFD_CLOEXEC, COPIES_FROM); }

/* 0, or an errno. */
static int actions_set(posix_spawn_file_actions_t *actions, int socket, int archive, int folder)
{
    int rc = posix_spawn_file_actions_adddup2(actions, socket, AT_SOCKET);

    if (rc == 0 && QUIET) /* what libarchive says is no line of a log */
        rc = posix_spawn_file_actions_addopen(actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(actions, archive, AT_ARCHIVE);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(actions, folder, AT_FOLDER);
    return rc == 0 ? posix_spawn_file_actions_addclosefrom_np(actions, AT_END) : rc;
}

/* 0, or an errno. A group of its own, and these signals blocked: Ctrl-C in a terminal and a service's stop are this program's to answer. */
static int spawn(int socket, int archive, int folder, pid_t *ret)
{
    static char program[] = PROGRAM, command[] = FETCH_UNPACKER;
    char *arguments[] = { program, command, NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t blocked;
    int rc;

    sigemptyset(&blocked);
    sigaddset(&blocked, SIGHUP);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGTERM);
    if ((rc = posix_spawn_file_actions_init(&actions)) != 0)
        return rc;
    if ((rc = posix_spawnattr_init(&attributes)) == 0) {
        rc = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
        if (rc == 0)
            rc = posix_spawnattr_setsigmask(&attributes, &blocked);
        if (rc == 0)
            rc = actions_set(&actions, socket, archive, folder);
        if (rc == 0)
            rc = posix_spawn(ret, program, &actions, &attributes, arguments, environ);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

static enum status begin(const struct unpack *u, struct process *ret, struct error *err)
{
    int pair[2], socket = -1, archive = -1, folder = -1, rc = EMFILE;

    *ret = (struct process){ 0, -1 };
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return error_errno(err, ST_BUSY, "%s cannot be unpacked: no process can be started", u->name);
    ret->socket = pair[0];
    socket = copy_of(pair[1]);
    archive = copy_of(u->archive);
    folder = copy_of(u->folder);
    close(pair[1]);
    if (socket >= 0 && archive >= 0 && folder >= 0)
        rc = spawn(socket, archive, folder, &ret->pid);
    if (socket >= 0)
        close(socket);
    if (archive >= 0)
        close(archive);
    if (folder >= 0)
        close(folder);
    if (rc == 0)
        return ST_OK;
    errno = rc;
    close(ret->socket);
    return error_errno(err, ST_BUSY, "%s cannot be unpacked: no process can be started", u->name);
}

static bool order_send(const struct process *h, const struct unpack *u)
{
    struct order order = { .max_bytes = u->max_bytes, .max_files = u->max_files, .from = getpid() };

    assert(strlen(u->name) < sizeof order.name);
    memcpy(order.name, u->name, strlen(u->name));
    return send(h->socket, &order, sizeof order, MSG_NOSIGNAL) == sizeof order;
}

enum heard { HEARD, HEARD_NOTHING, HEARD_END };

static enum heard news_read(const struct process *h, struct news *ret)
{
    struct pollfd p = { .fd = h->socket, .events = POLLIN };
    const int rc = poll(&p, 1, ASK_MS);
    ssize_t n;

    if (rc == 0 || (rc < 0 && errno == EINTR))
        return HEARD_NOTHING;
    do
        n = recv(h->socket, ret, sizeof *ret, 0);
    while (n < 0 && errno == EINTR);
    return n == sizeof *ret ? HEARD : HEARD_END;
}

/* The process has ended, or is ended here, without a last message. */
static enum status lost(const struct unpack *u, int status, struct error *err)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_OUT_OF_MEMORY)
        return error_nomem(err);
    if ((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) ||
        (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_BROKEN))
        return error_set(err, ST_BUSY, "%s cannot be unpacked: the process that did was ended", u->name);
    return error_set(err, ST_FORMAT, "%s cannot be unpacked: the process that did ended over it", u->name);
}

/* Wait for the end. ST_CANCELLED: the process has to be ended; ST_NOTFOUND: it has ended. */
static enum status follow(const struct process *h, struct unpack *u, struct error *err)
{
    struct news n = { 0 };

    for (;;) {
        const enum heard heard = news_read(h, &n);

        if (u->cancelled(u->arg))
            return error_set(err, ST_CANCELLED, "stopped");
        if (heard == HEARD_END)
            return ST_NOTFOUND;
        if (heard == HEARD_NOTHING)
            continue;
        u->bytes = n.bytes;
        u->packed = n.packed;
        u->size = n.size;
        u->files = n.files;
        u->progress(u->arg, u);
        if (!n.over)
            continue;
        if (n.st == ST_OK)
            return ST_OK;
        error_set(err, n.st, "%s", n.text);
        return error_inner(err, n.st, n.inner);
    }
}

enum status unpack_apart(struct unpack *u, struct error *err)
{
    struct process h;
    int status = 0;
    enum status st = begin(u, &h, err);

    if (st != ST_OK)
        return st;
    st = order_send(&h, u) ? follow(&h, u, err) : ST_NOTFOUND;
    if (st == ST_CANCELLED)
        kill(h.pid, SIGKILL);
    close(h.socket);
    while (waitpid(h.pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return st == ST_NOTFOUND ? lost(u, status, err) : st;
}
