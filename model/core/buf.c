/* model/core/buf.c - capped byte buffer, see cxrd/buf.h. */
#include "cxrd/buf.h"

#include "cxrd/secret.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As realloc(), which may leave a copy behind: a secret must not be there. */
static char *grow(const struct buf *b, size_t capacity)
{
    char *grown;

    if (!b->secret)
        return realloc(b->data, capacity);
    grown = malloc(capacity);
    if (grown && b->data) {
        memcpy(grown, b->data, b->len + 1);
        secret_free(b->data);
    }
    return grown;
}

/* Room for `n` more bytes and the NUL, or the failure is recorded. */
static bool reserve(struct buf *b, size_t n)
{
    size_t capacity = b->capacity ? b->capacity : 64;
    char *grown;

    if (b->failed != ST_OK)
        return false;
    if (n > b->max - b->len) {
        b->failed = ST_LIMIT;
        return false;
    }
    if (b->data && b->len + n < b->capacity)
        return true;
    while (capacity <= b->len + n)
        capacity += capacity / 2;
    grown = grow(b, capacity);
    if (!grown) {
        b->failed = ST_NOMEM;
        return false;
    }
    b->data = grown;
    b->capacity = capacity;
    return true;
}

char *buf_extend(struct buf *b, size_t n)
{
    if (!reserve(b, n))
        return NULL;
    b->len += n;
    b->data[b->len] = '\0';
    return b->data + b->len - n;
}

void buf_put(struct buf *b, const void *bytes, size_t n)
{
    char *to = buf_extend(b, n);

    if (to && n)
        memcpy(to, bytes, n);
}

void buf_puts(struct buf *b, const char *text) { buf_put(b, text, strlen(text)); }

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0 || !reserve(b, (size_t)n))
        return;
    va_start(ap, fmt);
    vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = ST_OK;
    if (b->data)
        b->data[0] = '\0';
}

void buf_release(struct buf *b)
{
    if (b->secret)
        secret_free(b->data);
    else
        free(b->data);
    b->data = NULL;
    b->len = b->capacity = 0;
    b->failed = ST_OK;
}

char *buf_take(struct buf *b)
{
    char *data = b->data;

    b->data = NULL;
    buf_release(b);
    return data;
}

enum status buf_status(const struct buf *b) { return b->failed; }
