/* server/http/body.c - see body.h. */
#include "body.h"

#include "raw_head.h"

#include <stdint.h>
#include <sys/mman.h>

enum { LARGE = 1 << 20 }; /* bytes, from which on a body is; most pictures but DICOM files are smaller */

void body_init(struct body *b, struct body_budget *budget)
{
    *b = (struct body){ .bytes = BUF_INIT(SIZE_MAX), .shared = SHARED_INIT, .budget = budget };
    b->bytes.secret = true;
}

/* Put what has come so far where a large one belongs. False: it stays where it is. */
static bool move(struct body *b)
{
    if (!budget_take(&b->budget->shared, 1))
        return false;
    if (shared_open(&b->shared, "cxrd-body", 0) && shared_append(&b->shared, b->bytes.data, b->bytes.len)) {
        buf_release(&b->bytes);
        return true;
    }
    shared_close(&b->shared);
    budget_give(&b->budget->shared, 1);
    return false;
}

static enum status keep(struct body *b, const char *data, size_t n)
{
    if (!body_is_large(b) && (b->bytes.len + n < LARGE || !move(b))) {
        buf_put(&b->bytes, data, n);
        return buf_status(&b->bytes);
    }
    return shared_append(&b->shared, data, n) ? ST_OK : ST_NOMEM;
}

bool body_take(struct body *b, const char *data, size_t n)
{
    const size_t before = b->received;

    b->received += n;
    if (b->status != ST_OK) {
        b->dropped += n; /* counted, so that it cannot go on for ever */
        return b->dropped <= MAX_DROPPED;
    }
    if (b->coded && n > 0) {
        b->status = ST_UNSUPPORTED;
    } else if (n > b->max - before) {
        b->status = ST_LIMIT;
    } else if (!budget_take(&b->budget->bytes, n)) {
        b->status = ST_BUSY;
    } else {
        b->held += n;
        b->status = keep(b, data, n);
    }
    if (b->status != ST_OK)
        body_release(b);
    return true;
}

bool body_is_large(const struct body *b) { return b->shared.fd >= 0; }

bool body_complete(struct body *b)
{
    if (!body_is_large(b))
        return true;
    if (shared_seal(&b->shared))
        b->mapped = shared_map(&b->shared, b->shared.size);
    if (b->mapped)
        return true;
    body_release(b);
    b->status = ST_NOMEM;
    return false;
}

const void *body_bytes(const struct body *b) { return b->mapped ? b->mapped : b->bytes.data; }

void body_release(struct body *b)
{
    budget_give(&b->budget->bytes, b->held);
    b->held = 0;
    buf_release(&b->bytes);
    if (b->mapped)
        munmap(b->mapped, b->shared.size);
    b->mapped = NULL;
    if (body_is_large(b))
        budget_give(&b->budget->shared, 1);
    shared_close(&b->shared);
}
