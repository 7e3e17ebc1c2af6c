/* server/http/exchange.c - a request, from its first byte to its last. */
#include "exchange.h"
#include "head.h"
#include "intake.h"

#include "cxrd/clock.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

double exchange_head_seconds(const struct http *h) { return fmin(IDLE_SECONDS, h->options.request_s); }

/* ---- the request line has come ---- */

static struct peer *peer_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

static void source_of(struct MHD_Connection *connection, char text[ADDRESS_TEXT])
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info ? info->client_addr : NULL;

    if (address && address->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, text,
                  ADDRESS_TEXT);
    else if (address && address->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, text,
                  ADDRESS_TEXT);
}

void *exchange_begin(void *http, const char *target, struct MHD_Connection *connection)
{
    struct http *h = http;
    struct exchange *x = calloc(1, sizeof *x);

    (void)target; /* the library's: ours is in a header, see raw_head.h */
    if (!x)
        return NULL;
    x->http = h;
    x->connection = connection;
    x->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    x->peer = peer_of(connection);
    x->begun = clock_seconds();
    reaper_begin(h->reaper, x->peer, exchange_head_seconds(h));
    body_init(&x->body, &h->bodies);
    reply_init(&x->reply, &h->replies);
    x->req.method = x->method;
    x->req.http = h;
    source_of(connection, x->req.source);
    x->req.path = x->req.asked = x->req.query = "";
    pthread_mutex_lock(&h->lock);
    h->active++;
    pthread_mutex_unlock(&h->lock);
    return x;
}

/* ---- what follows it ---- */

/* How long it may take to the next byte of its body: not long, and no longer than is left for the whole request. */
static double body_seconds(const struct exchange *x)
{
    return fmin(IDLE_SECONDS, x->http->options.request_s - (clock_seconds() - x->begun));
}

static enum MHD_Result on_head(struct exchange *x, const char *method)
{
    const enum MHD_Result result = request_head(x, method);

    if (x->stage == STAGE_BODY)
        reaper_set(x->http->reaper, x->peer, body_seconds(x));
    return result;
}

/* A body beyond its limit is dropped here and answered when it ends, since libmicrohttpd takes no reply in between. */
static enum MHD_Result on_body(struct exchange *x, const char *data, size_t n)
{
    const bool was_large = body_is_large(&x->body);
    bool taken;

    reaper_set(x->http->reaper, x->peer, body_seconds(x));
    taken = body_take(&x->body, data, n);
    if (!was_large && body_is_large(&x->body) && x->http->options.hooks.large &&
        queue_predicts(x->route->queue))
        x->http->options.hooks.large(x->http->app);
    return taken ? MHD_YES : MHD_NO;
}

/* The body has ended, and was not taken. */
static enum MHD_Result refuse_body(struct exchange *x)
{
    const size_t limit = x->body.max;

    x->close = true;
    if (x->body.status == ST_UNSUPPORTED)
        return send_refusal(x, 415, CODED_BODY);
    if (x->body.status != ST_LIMIT)
        return send_refusal(x, 503, "the server holds as many request bodies as it may");
    if (limit == 0)
        return send_refusal(x, 400, "this request takes no body");
    return send_refusal(x, 413, "the body is larger than the limit of %zu bytes", limit);
}

/* It has ended, and its trailer says that it is broken. */
static enum MHD_Result refuse_broken(struct exchange *x, const char *text)
{
    struct fault fault = { 0 };

    head_fault(text, &fault);
    return send_refusal(x, fault.status, "%s", fault.text);
}

static enum MHD_Result on_complete(struct exchange *x)
{
    const char *fault = MHD_lookup_connection_value(x->connection, MHD_FOOTER_KIND, HEADER_FAULT);

    x->close |= fault != NULL;
    if (x->reply.res.status != 0)
        return send_reply(x); /* refused before its body came */
    if (fault)
        return refuse_broken(x, fault);
    return x->body.status == ST_OK && body_complete(&x->body) ? work_begin(x) : refuse_body(x);
}

enum MHD_Result exchange_step(void *http, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data, size_t *data_size,
                              void **con_cls)
{
    struct exchange *x = *con_cls;
    const size_t n = *data_size;

    (void)http, (void)url, (void)connection, (void)version;
    if (!x)
        return MHD_NO; /* there was no memory for it */
    switch (x->stage) {
    case STAGE_HEAD: return on_head(x, method);
    case STAGE_BODY: *data_size = 0; return n > 0 ? on_body(x, data, n) : on_complete(x);
    case STAGE_WORKING: intake_work(x->fd, false); return send_reply(x); /* resumed */
    case STAGE_ANSWERED: break; /* what still comes is of no interest */
    }
    *data_size = 0;
    return MHD_YES;
}

/* ---- its end ---- */

static void exchange_free(struct exchange *x)
{
    reply_release(&x->reply);
    body_release(&x->body);
    free(x->target);
    free(x);
}

void exchange_end(void *http, struct MHD_Connection *connection, void **con_cls,
                  enum MHD_RequestTerminationCode why)
{
    struct http *h = http;
    struct exchange *x = *con_cls;

    (void)connection, (void)why;
    if (!x)
        return;
    account_end(x);
    reaper_wait(h->reaper, x->peer, h->options.keep_alive_s);
    exchange_free(x);
    *con_cls = NULL;
    pthread_mutex_lock(&h->lock);
    if (--h->active == 0)
        pthread_cond_signal(&h->quiet);
    pthread_mutex_unlock(&h->lock);
}
