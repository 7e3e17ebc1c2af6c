/* server/http/lanes.h - bounded queues with worker threads: where handlers run.
 *
 * A lane that is full refuses at once, so an overloaded server says so in microseconds instead of letting everybody
 * wait. Lanes keep slow work (disks, databases) from standing in front of predictions. */
#ifndef SERVER_HTTP_LANES_H
#define SERVER_HTTP_LANES_H

#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>

struct lane_queue;

/* Something to do: the first member of what a lane carries. */
struct lane_item {
    struct lane_item *next;
};

/* A lane of `workers` threads and room for `room` waiting items; each thread calls fn(item).
 * Errors: ST_NOMEM, ST_IO (no more threads). */
MUST_USE enum status lane_start(size_t workers, size_t room, void (*fn)(struct lane_item *item),
                                struct lane_queue **ret_lane, struct error *err);

/* Queue an item; false when the lane is full or stopping. */
bool lane_push(struct lane_queue *l, struct lane_item *item);

size_t lane_waiting(struct lane_queue *l);

/* Refuse further items, finish those that wait, end the threads. Once. NULL is fine. */
void lane_stop(struct lane_queue *l);
void lane_free(
    struct lane_queue *l); /* one that was stopped and that nobody pushes to any more; NULL is fine */

#endif
