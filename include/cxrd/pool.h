/* include/cxrd/pool.h - threads that share one piece of work at a time.
 *
 * The caller works too: a pool of n threads has n - 1 of its own. Which thread takes which task is decided while it
 * runs, so results must depend on the task alone; a sum over tasks is taken in task order by the caller. */
#ifndef CXRD_POOL_H
#define CXRD_POOL_H

#include "cxrd/status.h"

#include <stddef.h>

struct pool;

enum { POOL_MAX_THREADS = 256 };

enum pool_class {
    POOL_NORMAL,
    /* The work of others comes first, but a little is left to it however busy the machine is: such a thread holds locks
     * that others wait for (the store's, the allocator's, the address space's), and a thread without its class cannot lend
     * it a better one. So it must never be starved. */
    POOL_BACKGROUND,
};

/* A pool of `n_threads` (1..256), the caller of pool_run() counted. Its threads block all signals.
 * Errors: ST_INVALID, ST_NOMEM, ST_IO (no more threads). */
MUST_USE enum status pool_new(size_t n_threads, enum pool_class class, struct pool **ret_pool,
                              struct error *err);
void pool_free(struct pool *p); /* NULL is fine; no pool_run() may be under way */

size_t pool_threads(const struct pool *p); /* 1 for NULL */

/* Call fn(arg, task, thread) once for each task in 0..n_tasks-1, `thread` being the number of the thread that does it, in
 * 0..pool_threads()-1, and return when all have returned. Two tasks that run at the same time have different numbers: scratch
 * memory goes by them. With NULL for the pool the caller does it all. One caller at a time. */
void pool_run(struct pool *p, size_t n_tasks, void (*fn)(void *arg, size_t task, size_t thread), void *arg);

/* Put the calling thread into a class: what pool_new() does for the threads it makes. */
void thread_set_class(enum pool_class class);

#endif
