/* tests/unit/test_sandbox.c - a decoder may do nothing but decode: whatever else it asks the kernel for ends it. */
#include "decode/sandbox.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { AT_EASE = 7 };

/* How a process ends that does this in the helper's place or, behind both steps, in a child's. */
static int end_of(void (*act)(void), bool as_child)
{
    const pid_t pid = fork();
    int status;

    cr_assert_geq(pid, 0);
    if (pid == 0) {
        struct sandbox box = { 0 };
        int error;

        if (sandbox_enter_helper(&box, &error) != DECODE_SANDBOXED ||
            (as_child && !sandbox_enter_child(&box, 2)))
            _exit(1);
        act();
        syscall(SYS_exit_group, AT_EASE);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return status;
}

static void nothing(void) {}

static void remember(void)
{
    for (size_t i = 1; i < 100; i++)
        free(malloc(i << 12));
}

static void open_file(void) { syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY, 0); }
static void open_socket(void) { syscall(SYS_socket, AF_INET, SOCK_STREAM, 0); }
static void become_another(void) { syscall(SYS_execve, "/bin/true", NULL, NULL); }
static void have_a_thread(void) { syscall(SYS_clone, 0x10f00, 0, 0, 0, 0); }
static void have_a_child(void) { syscall(SYS_clone, SIGCHLD | 0x1200000, 0, 0, 0, 0); }
static void have_a_child_anew(void) { syscall(SYS_clone3, NULL, 0); }
static void kill_parent(void) { syscall(SYS_kill, getppid(), SIGTERM); }
static void trace(void) { syscall(SYS_ptrace, PTRACE_ATTACH, 1, 0, 0); }
static void read_others(void) { syscall(SYS_process_vm_readv, 1, 0, 0, 0, 0, 0); }
static void more_memory_to_execute(void)
{
    syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
#ifndef __SANITIZE_ADDRESS__
static void make_executable(void) { syscall(SYS_mprotect, NULL, 4096, PROT_EXEC); }
#endif
static void speak(void) { syscall(SYS_write, DECODE_SOCKET, "x", 0); }
static void listen_in(void) { syscall(SYS_recvmsg, DECODE_SOCKET, NULL, 0); }
static void hand_on(void) { syscall(SYS_sendmsg, DECODE_SOCKET, NULL, 0); }
static void read_it(void) { syscall(SYS_read, DECODE_SOCKET, NULL, 0); }
static void write_elsewhere(void) { syscall(SYS_write, 1, "x", 1); }
static void lift_limits(void) { syscall(SYS_prlimit64, 1, RLIMIT_CPU, NULL, NULL); }

static const struct act {
    const char *name;
    void (*act)(void);
    bool of_helper; /* to it this is allowed, or it may try and fail */
} ACTS[] = {
    { "open a file", open_file },
    { "open a socket", open_socket },
    { "run a program", become_another },
    { "start a thread", have_a_thread },
    { "start a process in a new way", have_a_child_anew },
    { "send a signal", kill_parent },
    { "trace a process", trace },
    { "read another's memory", read_others },
    { "map memory to execute", more_memory_to_execute },
#ifndef __SANITIZE_ADDRESS__
    { "make memory executable", make_executable },
#endif
    { "write elsewhere", write_elsewhere },
    { "read", read_it },
    { "another's limits", lift_limits },
    { "speak to cxrd", speak, true },
    { "hear cxrd", listen_in, true },
    { "hand something on", hand_on, true },
};

Test(sandbox, leaves_memory_and_the_end)
{
    for (int as_child = 0; as_child < 2; as_child++) {
        const int idle = end_of(nothing, as_child), busy = end_of(remember, as_child);

        cr_assert(WIFEXITED(idle) && WEXITSTATUS(idle) == AT_EASE, "%x", (unsigned)idle);
        cr_assert(WIFEXITED(busy) && WEXITSTATUS(busy) == AT_EASE, "%x", (unsigned)busy);
    }
}

Test(sandbox, ends_a_child_that_wants_more)
{
    int status;

    for (size_t i = 0; i < sizeof ACTS / sizeof ACTS[0]; i++) {
        status = end_of(ACTS[i].act, true);
        cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "%s: %x", ACTS[i].name,
                  (unsigned)status);
    }
    status = end_of(have_a_child, true);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "%x", (unsigned)status);
}

Test(sandbox, ends_a_helper_that_wants_more)
{
    for (size_t i = 0; i < sizeof ACTS / sizeof ACTS[0]; i++) {
        const int status = end_of(ACTS[i].act, false);

        if (ACTS[i].of_helper)
            cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == AT_EASE, "%s: %x", ACTS[i].name,
                      (unsigned)status);
        else
            cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "%s: %x", ACTS[i].name,
                      (unsigned)status);
    }
}

static void go_on_for_ever(void)
{
    for (volatile unsigned long i = 0;; i++)
        continue;
}

Test(sandbox, ends_a_child_that_takes_too_long)
{
    const int status = end_of(go_on_for_ever, true);

    cr_assert(WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL), "%x",
              (unsigned)status);
}
