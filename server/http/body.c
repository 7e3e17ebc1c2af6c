/* server/http/body.c - see body.h. */
#include "body.h"

#include "raw_head.h"

void body_init(struct body *b, struct budget *budget)
{
    *b = (struct body){ .bytes = BUF_INIT(0), .budget = budget };
    b->bytes.secret = true;
}

bool body_take(struct body *b, const char *data, size_t n)
{
    b->received += n;
    if (b->status != ST_OK) {
        b->dropped += n; /* counted, so that it cannot go on for ever */
        return b->dropped <= MAX_DROPPED;
    }
    if (b->coded && n > 0) {
        b->status = ST_UNSUPPORTED;
    } else if (!budget_take(b->budget, n)) {
        b->status = ST_BUSY;
    } else {
        b->held += n;
        buf_put(&b->bytes, data, n);
        b->status = buf_status(&b->bytes);
    }
    if (b->status != ST_OK)
        body_release(b);
    return true;
}

void body_release(struct body *b)
{
    budget_give(b->budget, b->held);
    b->held = 0;
    buf_release(&b->bytes);
}
