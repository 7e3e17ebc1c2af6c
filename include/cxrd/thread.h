/* include/cxrd/thread.h - threads that leave signals alone, and conditions that keep to the clock of deadlines.
 *
 * Which threads a server has, which locks, and their order: docs/internals/locks.md. */
#ifndef CXRD_THREAD_H
#define CXRD_THREAD_H

#include "cxrd/status.h"

#include <pthread.h>
#include <stdbool.h>

/* Start a thread with all signals blocked, but those of faults of its own: they belong to the main thread, which waits for
 * them.
 *   what  for the sentence: "cannot start <what>"
 * Errors: ST_IO (no more threads); *ret untouched then. */
MUST_USE enum status thread_start(pthread_t *ret, void *(*fn)(void *arg), void *arg, const char *what,
                                  struct error *err);

/* A condition whose timed waits go by CLOCK_MONOTONIC, for pthread_cond_wait() and the like. */
void condition_init(pthread_cond_t *c);

/* Wait with the lock held, which is given up meanwhile, but not past `deadline`, a time of clock_seconds(); INFINITY is
 * fine. False: it has passed. True says nothing: the caller looks at what it waits for, as after pthread_cond_wait(). */
bool condition_wait(pthread_cond_t *c, pthread_mutex_t *lock, double deadline);

#endif
