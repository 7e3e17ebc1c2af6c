/* tests/torture/fault.c - a preloaded library that lets the disk fail, or the program die, at one chosen call.
 *
 * It stands between the program and the kernel for every call that changes files, counts those that the order speaks
 * of, and lets the chosen one fail or kills the process just before it. The order is one line in the file that
 * CXRD_FAULT_ORDER names, read again at every call, so that a test can take space away from a running server and give
 * it back:
 *
 *     <word> <calls> <part of a path> <k> <action> <one|from>
 *     a7 write,pwrite,fsync cxrd.db 3 ENOSPC from
 *
 * A new word begins to count anew. The action is ENOSPC, EIO, EINVAL, EMFILE, EACCES, ESTALE or KILL, for the k-th such call
 * alone or from it on. "look" is to open what is there already, "read" to read it. With CXRD_FAULT_LOG every call is written
 * down as it is made, but for those two where they do not fail, and the first line of every reply that is sent. With
 * CXRD_FAULT_IN_PLACE files are written where they will be instead of beside it: what a careless program would do.
 *
 * Everything goes straight to the kernel: no function of the C library is looked up, none can come back here. The
 * picture cache, which nobody relies on, does not count. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the count */
static char counted_word[32];
static long count;

struct order {
    char word[32], calls[128], part[256], action[16], mode[8];
    long k;
};

static bool order_read(struct order *o)
{
    const char *path = getenv("CXRD_FAULT_ORDER");
    char text[512];
    long fd, n;

    if (!path || (fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0)) < 0)
        return false;
    n = syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    if (n <= 0)
        return false;
    text[n] = '\0';
    return sscanf(text, "%31s %127s %255s %ld %15s %7s", o->word, o->calls, o->part, &o->k, o->action,
                  o->mode) == 6;
}

static bool is_among(const char *call, const char *list)
{
    const size_t n = strlen(call);

    for (const char *at = strstr(list, call); at; at = strstr(at + 1, call))
        if ((at == list || at[-1] == ',') && (at[n] == ',' || at[n] == '\0'))
            return true;
    return false;
}

static void note(const char *call, const char *path, const char *more)
{
    const char *log = getenv("CXRD_FAULT_LOG");
    char line[3 * PATH_MAX];
    long fd;
    int n;

    if (!log ||
        (fd = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) < 0)
        return;
    n = snprintf(line, sizeof line, "%s %s%s%s\n", call, path, *more ? " " : "", more);
    syscall(SYS_write, fd, line, (size_t)n);
    syscall(SYS_close, fd);
}

static int number_of(const char *action)
{
    static const struct {
        const char *name;
        int number;
    } ERRORS[] = {
        { "EIO", EIO }, { "EINVAL", EINVAL }, { "EMFILE", EMFILE }, { "EACCES", EACCES }, { "ESTALE", ESTALE }
    };

    for (size_t i = 0; i < sizeof ERRORS / sizeof ERRORS[0]; i++)
        if (strcmp(action, ERRORS[i].name) == 0)
            return ERRORS[i].number;
    return ENOSPC;
}

static bool changes_nothing(const char *call)
{
    return strcmp(call, "look") == 0 || strcmp(call, "read") == 0;
}

/* 0: go on; else what errno is to be. */
static int fate(const char *call, const char *path, const char *more)
{
    struct order o;
    bool hit = false;

    if (strstr(path, "/cache/") || path[0] != '/')
        return 0;
    pthread_mutex_lock(&lock);
    if (order_read(&o) && is_among(call, o.calls) && strstr(path, o.part)) {
        if (strcmp(o.word, counted_word) != 0) {
            memcpy(counted_word, o.word, sizeof counted_word);
            count = 0;
        }
        count++;
        hit = strcmp(o.mode, "from") == 0 ? count >= o.k : count == o.k;
    }
    pthread_mutex_unlock(&lock);
    if (hit && strcmp(o.action, "KILL") == 0)
        syscall(SYS_kill, getpid(), SIGKILL);
    if (hit || !changes_nothing(call))
        note(hit ? "failed" : call, path, more);
    return hit ? number_of(o.action) : 0;
}

/* False: it has none. */
static bool path_of(int fd, char path[PATH_MAX])
{
    char link[64];
    long n;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    path[n > 0 ? n : 0] = '\0';
    return n > 0;
}

static int fate_fd(const char *call, int fd)
{
    char path[PATH_MAX];

    return path_of(fd, path) ? fate(call, path, "") : 0;
}

/* Of opening what may be there already. */
static int fate_look(int folder, const char *path)
{
    char place[PATH_MAX], whole[2 * PATH_MAX];

    if (path[0] == '/' || folder == AT_FDCWD || !path_of(folder, place))
        return fate("look", path, "");
    snprintf(whole, sizeof whole, "%s/%s", place, path);
    return fate("look", whole, "");
}

#define FAIL_OR(call)         \
    do {                      \
        const int e = (call); \
        if (e) {              \
            errno = e;        \
            return -1;        \
        }                     \
    } while (0)

/* ---- writing in place ---- */

/* The path without ".part" where that is asked for. */
static const char *place(const char *path, char in_place[PATH_MAX])
{
    const size_t n = strlen(path);

    if (!getenv("CXRD_FAULT_IN_PLACE") || n < 5 || n >= PATH_MAX || strcmp(path + n - 5, ".part") != 0)
        return path;
    memcpy(in_place, path, n - 5);
    in_place[n - 5] = '\0';
    return in_place;
}

/* ---- the calls ---- */

static int open_any(int folder, const char *path, int flags, va_list ap)
{
    const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
    char in_place[PATH_MAX];

    path = place(path, in_place);
    FAIL_OR(flags & O_CREAT ? fate("open", path, "") : fate_look(folder, path));
    return (int)syscall(SYS_openat, folder, path, flags, mode);
}

#define OPEN(name)                                \
    int name(const char *path, int flags, ...)    \
    {                                             \
        va_list ap;                               \
        int fd;                                   \
                                                  \
        va_start(ap, flags);                      \
        fd = open_any(AT_FDCWD, path, flags, ap); \
        va_end(ap);                               \
        return fd;                                \
    }
#define OPENAT(name)                                       \
    int name(int folder, const char *path, int flags, ...) \
    {                                                      \
        va_list ap;                                        \
        int fd;                                            \
                                                           \
        va_start(ap, flags);                               \
        fd = open_any(folder, path, flags, ap);            \
        va_end(ap);                                        \
        return fd;                                         \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

ssize_t write(int fd, const void *bytes, size_t n)
{
    FAIL_OR(fate_fd("write", fd));
    return syscall(SYS_write, fd, bytes, n);
}

ssize_t read(int fd, void *bytes, size_t n)
{
    FAIL_OR(fate_fd("read", fd));
    return syscall(SYS_read, fd, bytes, n);
}

#define PWRITE(name)                                                \
    ssize_t name(int fd, const void *bytes, size_t n, off_t offset) \
    {                                                               \
        FAIL_OR(fate_fd("pwrite", fd));                             \
        return syscall(SYS_pwrite64, fd, bytes, n, offset);         \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

#define FTRUNCATE(name)                               \
    int name(int fd, off_t size)                      \
    {                                                 \
        FAIL_OR(fate_fd("ftruncate", fd));            \
        return (int)syscall(SYS_ftruncate, fd, size); \
    }
FTRUNCATE(ftruncate)
FTRUNCATE(ftruncate64)

int fsync(int fd)
{
    FAIL_OR(fate_fd("fsync", fd));
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    FAIL_OR(fate_fd("fsync", fd));
    return (int)syscall(SYS_fdatasync, fd);
}

int rename(const char *from, const char *to)
{
    char in_place[PATH_MAX];

    if (place(from, in_place) != from)
        return 0;
    FAIL_OR(fate("rename", from, to));
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
    FAIL_OR(fate_fd("renameat2", from_folder));
    return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
}

int unlink(const char *path)
{
    FAIL_OR(fate("unlink", path, ""));
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int unlinkat(int folder, const char *path, int flags)
{
    FAIL_OR(fate_fd("unlinkat", folder));
    return (int)syscall(SYS_unlinkat, folder, path, flags);
}

int mkdir(const char *path, mode_t mode)
{
    FAIL_OR(fate("mkdir", path, ""));
    return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

/* ---- replies, for the log only ---- */

static void note_reply(const void *bytes, size_t n)
{
    char line[64];

    if (n < 12 || memcmp(bytes, "HTTP/1.1 ", 9) != 0)
        return;
    snprintf(line, sizeof line, "%.3s", (const char *)bytes + 9);
    note("reply", line, "");
}

ssize_t send(int fd, const void *bytes, size_t n, int flags)
{
    note_reply(bytes, n);
    return syscall(SYS_sendto, fd, bytes, n, flags, NULL, 0);
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
    if (m->msg_iovlen > 0)
        note_reply(m->msg_iov[0].iov_base, m->msg_iov[0].iov_len);
    return syscall(SYS_sendmsg, fd, m, flags);
}

ssize_t writev(int fd, const struct iovec *parts, int n)
{
    if (n > 0)
        note_reply(parts[0].iov_base, parts[0].iov_len);
    return syscall(SYS_writev, fd, parts, n);
}
