/* model/core/thread.c - see cxrd/thread.h. */
#include "cxrd/thread.h"

#include <math.h>
#include <signal.h>
#include <time.h>

/* A thread's own fault is signalled to that thread. Where that signal is blocked the kernel ends the process, and no handler is called:
 * not the log's, which gives its last lines time, nor a sanitizer's. */
static const int FAULTS[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS };

enum status thread_start(pthread_t *ret, void *(*fn)(void *arg), void *arg, const char *what,
                         struct error *err)
{
    pthread_t thread;
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    for (size_t i = 0; i < sizeof FAULTS / sizeof FAULTS[0]; i++)
        sigdelset(&all, FAULTS[i]);
    pthread_sigmask(SIG_BLOCK, &all, &before); /* inherited */
    rc = pthread_create(&thread, NULL, fn, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0)
        return error_set(err, ST_IO, "cannot start %s", what);
    *ret = thread;
    return ST_OK;
}

void condition_init(pthread_cond_t *c)
{
    pthread_condattr_t monotonic;

    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(c, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

bool condition_wait(pthread_cond_t *c, pthread_mutex_t *lock, double deadline)
{
    struct timespec until;

    if (isinf(deadline))
        return pthread_cond_wait(c, lock) == 0;
    until.tv_sec = (time_t)deadline;
    until.tv_nsec = (long)((deadline - floor(deadline)) * 1e9);
    return pthread_cond_timedwait(c, lock, &until) == 0;
}
