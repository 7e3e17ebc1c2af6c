/* server/http/body.c - a request's body, as it comes. */
#include "head.h"
#include "mhd.h"

#include "cxrd/clock.h"

#include <math.h>

size_t body_limit(const struct exchange *x)
{
    return x->route->max_body == (size_t)MAX_BODY_UPLOAD ? x->http->options.max_upload : x->route->max_body;
}

double body_seconds(const struct exchange *x)
{
    return fmin(IDLE_SECONDS, x->http->options.request_s - (clock_seconds() - x->begun));
}

enum MHD_Result body_take(struct exchange *x, const char *data, size_t n)
{
    struct http *h = x->http;

    x->received += n;
    reaper_set(h->reaper, x->peer, body_seconds(x));
    if (x->body_status != ST_OK) {
        x->dropped += n; /* counted, so that it cannot go on for ever */
        return x->dropped > MAX_DROPPED ? MHD_NO : MHD_YES;
    }
    if (!budget_take(&h->bodies, n)) {
        x->body_status = ST_BUSY;
    } else {
        x->held += n;
        buf_put(&x->body, data, n);
        x->body_status = buf_status(&x->body);
    }
    if (x->body_status != ST_OK)
        body_drop(x);
    return MHD_YES;
}

enum MHD_Result body_refuse(struct exchange *x)
{
    x->close = true;
    if (x->body_status != ST_LIMIT)
        return reply_refuse(x, 503, "the server holds as many request bodies as it may");
    if (body_limit(x) == 0)
        return reply_refuse(x, 400, "this request takes no body");
    return reply_refuse(x, 413, "the body is larger than the limit of %zu bytes", body_limit(x));
}

enum MHD_Result body_refuse_broken(struct exchange *x, const char *text)
{
    struct fault fault = { 0 };

    head_fault(text, &fault);
    return reply_refuse(x, fault.status, "%s", fault.text);
}

void body_drop(struct exchange *x)
{
    budget_give(&x->http->bodies, x->held);
    x->held = 0;
    buf_release(&x->body);
}
