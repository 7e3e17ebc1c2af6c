/* server/http/sse.h - replies that go on: the readers of server-sent events, and the one thread that serves them all.
 *
 * A few times a second that thread asks each reader's source what is new and wakes its connection. A reader has at
 * most one helping waiting for it: while a slow one has not taken that, its source is not asked, and nothing else
 * waits for it. It knows no network library: whoever does says how a connection is put to sleep and woken. */
#ifndef SERVER_HTTP_SSE_H
#define SERVER_HTTP_SSE_H

#include "budget.h"
#include "http.h"

#include <sys/types.h>

struct sse;
struct sse_reader;

/* Start the thread.
 *   max_readers  at a time
 *   replies      counts the bytes that wait; where they are too many, sources are not asked; borrowed
 *   ping_s       a comment is sent after so many seconds of silence, so that proxies keep the connection
 * Errors: ST_NOMEM, ST_IO (no more threads). */
MUST_USE enum status sse_start(size_t max_readers, double ping_s, struct budget *replies,
                               struct sse **ret_sse, struct error *err);

/* End all streams, each after what waits for its reader, and the thread. Readers may still read and close. Once; NULL
 * is fine. */
void sse_stop(struct sse *s);
void sse_free(struct sse *s); /* one that was stopped and has no readers; NULL is fine */

/* Calls to a connection, always with a lock held, so none of them may wait or call back. */
struct sse_calls {
    void (*wake)(void *connection);  /* by any thread, once after every `sleep` */
    void (*sleep)(void *connection); /* by sse_read() */
    bool (*allowed)(
        void *connection); /* a few times a second, until it is closed; false: it may hear no more */
};

/* Begin a stream.
 *   stream  taken over, even when this fails
 *   calls   static
 * Errors: ST_BUSY (as many readers as there may be), ST_NOMEM. */
MUST_USE enum status sse_open(struct sse *s, struct http_stream *stream, const struct sse_calls *calls,
                              void *connection, struct sse_reader **ret_reader, struct error *err);

enum { SSE_ASLEEP = 0, SSE_ENDED = -1 };

/* Copy what waits for a reader, at most `max` bytes. Where nothing does: the connection has been put to sleep when
 * SSE_ASLEEP is returned. */
ssize_t sse_read(struct sse_reader *r, char *ret, size_t max);

void sse_close(struct sse_reader *r); /* NULL is fine; not while its connection sleeps */

#endif
