/* include/cxrd/buf.h - a byte buffer that grows up to a cap.
 *
 * Failure sticks: once an append does not fit (cap or memory), the buffer stays as it was, later appends do
 * nothing, and buf_status() says why. A writer appends without looking and asks once, at the end. The bytes
 * are always followed by a NUL that `len` does not count. */
#ifndef CXRD_BUF_H
#define CXRD_BUF_H

#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *data; /* owned; NULL while empty */
    size_t len, capacity;
    size_t max; /* `len` never exceeds it */
    enum status failed;
    bool
        secret; /* overwrite the bytes wherever they leave this buffer's memory: when it grows, when it is released */
};
#define BUF_INIT(max_bytes)                   \
    {                                         \
        NULL, 0, 0, (max_bytes), ST_OK, false \
    }

void buf_put(struct buf *b, const void *bytes, size_t n);
char *buf_extend(struct buf *b, size_t n); /* the caller writes them there; NULL: it failed */
void buf_puts(struct buf *b, const char *text);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_clear(struct buf *b);   /* empty and usable again; keeps its memory */
void buf_release(struct buf *b); /* safe on BUF_INIT and twice */

/* Hand the bytes over: the caller owns the result (free()); the buffer is empty afterwards. NULL when empty. */
char *buf_take(struct buf *b);

/* ST_OK, ST_LIMIT (would exceed `max`) or ST_NOMEM: the first failure since the last clear. */
MUST_USE enum status buf_status(const struct buf *b);

#endif
