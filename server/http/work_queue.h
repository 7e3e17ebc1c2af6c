/* server/http/work_queue.h - bounded queues with worker threads: where handlers run.
 *
 * A queue that is full refuses at once, so an overloaded server says so in microseconds instead of letting everybody
 * wait. Queues keep slow work (disks, databases) from standing in front of predictions. */
#ifndef SERVER_HTTP_WORK_QUEUE_H
#define SERVER_HTTP_WORK_QUEUE_H

#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>

struct work_queue;

/* Something to do: the first member of what a queue carries. */
struct work_item {
    struct work_item *next;
};

/* A queue of `workers` threads and room for `room` waiting items; each thread calls fn(item).
 * Errors: ST_NOMEM, ST_IO (no more threads). */
MUST_USE enum status work_queue_start(size_t workers, size_t room, void (*fn)(struct work_item *item),
                                      struct work_queue **ret_queue, struct error *err);

/* Queue an item; false when the queue is full or stopping. */
bool work_queue_push(struct work_queue *q, struct work_item *item);

size_t work_queue_waiting(struct work_queue *q);

/* Refuse further items, finish those that wait, end the threads. Once. NULL is fine. */
void work_queue_stop(struct work_queue *q);
void work_queue_free(
    struct work_queue *q); /* one that was stopped and that nobody pushes to any more; NULL is fine */

#endif
