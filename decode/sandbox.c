/* decode/sandbox.c - see sandbox.h.
 *
 * libseccomp writes the filters, and prctl() sets them: the call seccomp(2), which libseccomp would make, is refused by filters
 * that are common around a service (systemd 252's @system-service), and does nothing more for a process of one thread. */
#include "sandbox.h"

#include <errno.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A sanitizer's additions to the decoder: terabytes of address space that it never touches, and reports. A release has neither. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANITIZED 1
#elif defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum {
    MOST_MEMORY =
        1
        << 30, /* address space: 32 Mpixel of JPEG 2000 take 330 MB, and file and pixels are mapped besides */
    MOST_STACK = 8 << 20,
    MOST_DESCRIPTORS = DECODE_SOCKET + 1 + DECODE_MEMORIES + 2, /* the last two: to a child */
};

#if SANITIZED
/* In place of RLIMIT_AS. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1:max_allocation_size_mb=1024:detect_leaks=0";
}
#endif

/* ---- limits ---- */

static bool limit(__rlimit_resource_t which, rlim_t soft, rlim_t hard)
{
    struct rlimit now;

    if (getrlimit(which, &now) != 0)
        return false;
    if (now.rlim_max != RLIM_INFINITY && now.rlim_max < hard) /* less was allowed already */
        hard = now.rlim_max;
    return setrlimit(which, &(struct rlimit){ soft < hard ? soft : hard, hard }) == 0;
}

static bool limit_helper(void)
{
    return limit(RLIMIT_CORE, 0, 0) && limit(RLIMIT_FSIZE, 0, 0) &&
           limit(RLIMIT_NOFILE, MOST_DESCRIPTORS, MOST_DESCRIPTORS) &&
           limit(RLIMIT_STACK, MOST_STACK, MOST_STACK) &&
           (SANITIZED || limit(RLIMIT_AS, MOST_MEMORY, MOST_MEMORY));
}

/* ---- Landlock ---- */

/* No file may be opened, whichever way. The second lock on a door that the filter keeps shut. */
static int landlock_enter(void)
{
    const long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    struct landlock_ruleset_attr all = { .handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1 };
    long rules;

    if (abi <= 0)
        return 0;
    rules = syscall(SYS_landlock_create_ruleset, &all, sizeof all, 0);
    if (rules < 0)
        return 0;
    if (syscall(SYS_landlock_restrict_self, (int)rules, 0) != 0) {
        close((int)rules);
        return 0;
    }
    close((int)rules);
    return (int)abi;
}

/* ---- the filters ---- */

/* A call that is allowed; where `n` is 1, only with such an argument. */
struct allowed {
    int call;
    unsigned n;
    struct scmp_arg_cmp argument;
};

/* Memory that is not to be executed, locks, the time, the end. */
static const struct allowed OF_CHILD[] = {
    { SCMP_SYS(brk) },           { SCMP_SYS(mmap), 1, { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 } },
    { SCMP_SYS(munmap) },        { SCMP_SYS(mremap) },
    { SCMP_SYS(madvise) },       { SCMP_SYS(futex) },
    { SCMP_SYS(clock_gettime) }, { SCMP_SYS(rt_sigreturn) },
    { SCMP_SYS(exit) },          { SCMP_SYS(exit_group) },
};

/* A fork as glibc makes it, its end, and what a child does before it goes on by itself. */
enum { FORK = CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD };
static const struct allowed OF_HELPER[] = {
    { SCMP_SYS(socketpair), 1, { 0, SCMP_CMP_EQ, AF_UNIX, 0 } },
    { SCMP_SYS(recvmsg) }, /* of cxrd, or a child of the helper */
    { SCMP_SYS(sendmsg) },
    { SCMP_SYS(write), 1, { 0, SCMP_CMP_EQ, DECODE_SOCKET, 0 } },
    { SCMP_SYS(clone), 1, { 0, SCMP_CMP_EQ, FORK, 0 } },
    { SCMP_SYS(wait4) },
    { SCMP_SYS(kill), 1, { 1, SCMP_CMP_EQ, SIGKILL, 0 } },
    { SCMP_SYS(rt_sigtimedwait) },
    { SCMP_SYS(rt_sigprocmask) },
    { SCMP_SYS(restart_syscall) },
    { SCMP_SYS(set_robust_list) },
    { SCMP_SYS(getpid) },
    { SCMP_SYS(getppid) },
    { SCMP_SYS(close) },
    { SCMP_SYS(prlimit64), 1, { 0, SCMP_CMP_EQ, 0, 0 } },
    { SCMP_SYS(prctl), 1, { 0, SCMP_CMP_EQ, PR_SET_PDEATHSIG, 0 } },
    { SCMP_SYS(prctl), 1, { 0, SCMP_CMP_EQ, PR_SET_SECCOMP, 0 } },
};

/* A sanitizer's calls on its way to a report: without these it would die of the filter, and nobody would read the report. */
static const struct allowed OF_SANITIZER[] = {
    { SCMP_SYS(write), 1, { 0, SCMP_CMP_EQ, STDERR_FILENO, 0 } },
    { SCMP_SYS(getpid) },
    { SCMP_SYS(sched_yield) },
    { SCMP_SYS(sigaltstack) },
    { SCMP_SYS(mprotect) },
};

static bool allow(scmp_filter_ctx filter, const struct allowed *calls, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, calls[i].call, calls[i].n, &calls[i].argument) !=
            0)
            return false;
    return true;
}

/* The filter as the kernel takes it: libseccomp writes it into a file. */
static bool filter_export(scmp_filter_ctx filter, struct sock_fprog *ret)
{
    static const struct sock_fprog NONE;
    const int fd = memfd_create("filter", MFD_CLOEXEC);
    const off_t size = fd >= 0 && seccomp_export_bpf(filter, fd) == 0 ? lseek(fd, 0, SEEK_END) : -1;
    void *code = size > 0 ? malloc((size_t)size) : NULL;

    *ret = NONE;
    if (code && pread(fd, code, (size_t)size, 0) == size) {
        ret->filter = code;
        ret->len = (unsigned short)((size_t)size / sizeof *ret->filter);
    } else {
        free(code);
    }
    if (fd >= 0)
        close(fd);
    return ret->filter != NULL;
}

/* Everything else kills the whole process. */
static bool filter_make(bool of_helper, struct sock_fprog *ret)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    bool ok = filter && allow(filter, OF_CHILD, sizeof OF_CHILD / sizeof OF_CHILD[0]);

    if (ok && SANITIZED)
        ok = allow(filter, OF_SANITIZER, sizeof OF_SANITIZER / sizeof OF_SANITIZER[0]);
    if (ok && of_helper)
        ok = allow(filter, OF_HELPER, sizeof OF_HELPER / sizeof OF_HELPER[0]);
    ok = ok && filter_export(filter, ret);
    if (filter)
        seccomp_release(filter);
    return ok;
}

static bool filter_set(const struct sock_fprog *filter)
{
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter) == 0;
}

/* ---- the two steps ---- */

enum decode_sandbox sandbox_enter_helper(struct sandbox *ret, int *ret_error)
{
    struct sock_fprog own = { 0 };
    enum decode_sandbox state = DECODE_NO_SECCOMP;

    errno = ENOMEM;
    if (filter_make(true, &own) && filter_make(false, &ret->child) &&
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0) {
        ret->landlock = landlock_enter();
        state = limit_helper() ? DECODE_SANDBOXED : DECODE_NO_LIMITS;
    }
    if (state == DECODE_SANDBOXED && !filter_set(&own))
        state = DECODE_NO_SECCOMP;
    *ret_error = state == DECODE_SANDBOXED ? 0 : errno;
    free(own.filter);
    return state;
}

bool sandbox_enter_child(const struct sandbox *s, unsigned cpu_s)
{
    return limit(RLIMIT_CPU, cpu_s, cpu_s + 1) && limit(RLIMIT_NPROC, 0, 0) && limit(RLIMIT_NOFILE, 0, 0) &&
           filter_set(&s->child);
}
