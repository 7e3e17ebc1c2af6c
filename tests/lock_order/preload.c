/* tests/lock_order/preload.c - LD_PRELOAD: which mutex a thread took while it held another, as places in the program's code.
 *
 * Each new pair is a line of LOCK_ORDER_LOG: the file and the address in it of the call that took the lock which is held, and the same of
 * the call that took the second. Libraries' own locks are passed over. `pairs` makes names of the addresses. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_HELD = 32, SEEN = 1 << 16, TRIES = 64 };

static _Thread_local struct {
    pthread_mutex_t *mutex;
    void *at;
} held[MOST_HELD];
static _Thread_local int n_held;

static atomic_uintptr_t seen[SEEN]; /* pairs that were written; one that finds no place is written again */

typedef int mutex_fn(pthread_mutex_t *m);

static mutex_fn *next(const char *name)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    mutex_fn *fn;

    memcpy(&fn, &symbol, sizeof fn); /* POSIX: they are of one size */
    return fn;
}

static bool is_new(const void *a, const void *b)
{
    const uintptr_t key = ((uintptr_t)a * 31) ^ ((uintptr_t)b * 17);

    for (size_t i = 0; i < TRIES; i++) {
        uintptr_t there = 0;

        if (atomic_compare_exchange_strong(&seen[(key + i) % SEEN], &there, key))
            return true;
        if (there == key)
            return false;
    }
    return true;
}

static bool is_of_program(const void *at, Dl_info *ret)
{
    return dladdr(at, ret) && strstr(ret->dli_fname, ".so") == NULL;
}

static void write_pair(const void *first, const void *then)
{
    const char *path = getenv("LOCK_ORDER_LOG");
    Dl_info a, b;
    int fd;

    if (!path || !is_of_program(first, &a) || !is_of_program(then, &b) || !is_new(first, then))
        return;
    fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    dprintf(fd, "%s 0x%tx %s 0x%tx\n", a.dli_fname, (const char *)first - (const char *)a.dli_fbase,
            b.dli_fname, (const char *)then - (const char *)b.dli_fbase);
    close(fd);
}

static void taken(pthread_mutex_t *m, void *at)
{
    for (int i = 0; i < n_held; i++)
        write_pair(held[i].at, at);
    if (n_held < MOST_HELD) {
        held[n_held].mutex = m;
        held[n_held++].at = at;
    }
}

int pthread_mutex_lock(pthread_mutex_t *m)
{
    static mutex_fn *real;
    int rc;

    real = real ? real : next("pthread_mutex_lock");
    rc = real(m);
    if (rc == 0)
        taken(m, __builtin_return_address(0));
    return rc;
}

int pthread_mutex_trylock(pthread_mutex_t *m)
{
    static mutex_fn *real;
    int rc;

    real = real ? real : next("pthread_mutex_trylock");
    rc = real(m);
    if (rc == 0)
        taken(m, __builtin_return_address(0));
    return rc;
}

int pthread_mutex_unlock(pthread_mutex_t *m)
{
    static mutex_fn *real;

    real = real ? real : next("pthread_mutex_unlock");
    for (int i = n_held - 1; i >= 0; i--)
        if (held[i].mutex == m) {
            memmove(&held[i], &held[i + 1], (size_t)(n_held - i - 1) * sizeof held[0]);
            n_held--;
            break;
        }
    return real(m);
}
