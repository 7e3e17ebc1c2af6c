/* tests/unit/test_log.c - the log's thread: nobody waits for the reader, the order stays, what is lost is told. */
#include "cxrd/buf.h"
#include "cxrd/log.h"
#include "cxrd/thread.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Standard error is a pipe of one page from here on; its end to read from. */
static int pipe_begin(void)
{
    int ends[2];

    cr_assert_eq(pipe(ends), 0);
    fcntl(ends[1], F_SETPIPE_SZ, 4096);
    cr_assert_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    close(ends[1]);
    return ends[0];
}

static void say(int from, int to)
{
    for (int i = from; i < to; i++)
        log_text(LOG_INFO, "numbered", "number %d.", i);
}

/* All lines until the writer's end is closed, with `numbers` of them in order from 0 on. */
static void check_numbers(const char *text, int numbers)
{
    for (int i = 0; i < numbers; i++) {
        char wanted[40];

        snprintf(wanted, sizeof wanted, "number %d.", i);
        text = strstr(text, wanted);
        cr_assert_not_null(text, "'%s' is missing, or comes too early", wanted);
    }
}

static void read_all(int fd, struct buf *out)
{
    char some[4096];

    for (ssize_t n; (n = read(fd, some, sizeof some)) > 0;)
        buf_put(out, some, (size_t)n);
}

/* In a child, so that its standard error ends. */
static int in_child(int *ret_fd, void (*fn)(void))
{
    int ends[2];
    pid_t child;

    cr_assert_eq(pipe(ends), 0);
    fcntl(ends[1], F_SETPIPE_SZ, 4096);
    child = fork();
    if (child == 0) {
        close(ends[0]);
        dup2(ends[1], STDERR_FILENO);
        close(ends[1]);
        fn();
        _exit(0);
    }
    close(ends[1]);
    *ret_fd = ends[0];
    return child;
}

static void say_and_stop(void)
{
    if (log_start(NULL) != ST_OK)
        _exit(1);
    say(0, 500);
    log_stop();
    say(500, 600); /* written by ourselves again */
}

static void say_and_abort(void)
{
    if (log_start(NULL) != ST_OK)
        _exit(1);
    say(0, 500);
    abort();
}

static void *crash(void *arg)
{
    raise(SIGILL); /* no sanitizer takes this one */
    return arg;
}

static void say_and_crash_in_a_thread(void)
{
    pthread_t thread;

    if (log_start(NULL) != ST_OK)
        _exit(1);
    say(0, 500);
    if (thread_start(&thread, crash, NULL, "a thread", NULL) == ST_OK)
        pthread_join(thread, NULL);
}

static void check_child(void (*fn)(void), int numbers, int ended_by)
{
    struct buf text = BUF_INIT(1 << 20);
    int fd, status;
    const int child = in_child(&fd, fn);

    read_all(fd, &text);
    waitpid(child, &status, 0);
    cr_assert_eq(WIFSIGNALED(status) ? WTERMSIG(status) : 0, ended_by);
    check_numbers(text.data, numbers);
    buf_release(&text);
    close(fd);
}

Test(log, is_written_to_the_end_in_order) { check_child(say_and_stop, 600, 0); }

Test(log, of_a_process_that_crashes_is_written_first) { check_child(say_and_abort, 500, SIGABRT); }

Test(log, of_a_process_of_which_a_thread_crashes_is_written_first)
{
    check_child(say_and_crash_in_a_thread, 500, SIGILL);
}

Test(log, that_nobody_reads_stops_nobody_and_counts)
{
    const int fd = pipe_begin();

    (void)fd; /* never read */
    cr_assert_eq(log_start(NULL), ST_OK);
    say(0, 5000);
    cr_assert_gt(log_lost(), 3000);
    cr_assert_lt(log_lost(), 5000);
    cr_assert_not(log_stop());
    say(0, 10); /* still nobody waits */
    cr_assert_gt(log_lost(), 3010);
}

static void say_more_than_fits(void)
{
    struct rlimit limit;
    struct stat file;

    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    say(0, 1);
    fstat(STDERR_FILENO, &file);
    limit.rlim_cur = (rlim_t)file.st_size + 10;
    setrlimit(RLIMIT_FSIZE, &limit);
    say(1, 2);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
    say(2, 3);
}

/* As on a disk that is full for a while. */
Test(log, goes_on_in_a_new_line_behind_half_of_one)
{
    char path[] = "/tmp/cxrd-log-XXXXXX", text[4096] = "";
    const int fd = mkstemp(path);
    const pid_t child = fork();
    const char *second, *third;
    int status;

    if (child == 0) {
        dup2(fd, STDERR_FILENO);
        say_more_than_fits();
        _exit(0);
    }
    waitpid(child, &status, 0);
    cr_assert_gt(pread(fd, text, sizeof text - 1, 0), 0);
    second = strchr(text, '\n') + 1;
    third = strchr(second, '\n') + 1;
    cr_assert_eq(third - second, 10 + 1, "%s", text);
    cr_assert_eq(strncmp(third, "{\"time\":", 8), 0, "%s", text);
    cr_assert_not_null(strstr(third, "number 2."), "%s", text);
    unlink(path);
    close(fd);
}
