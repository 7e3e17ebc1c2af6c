/* server/http/exchange.c - a request, from its first byte to its last. */
#include "intake.h"
#include "mhd.h"
#include "raw_head.h"

#include "cxrd/clock.h"
#include "cxrd/log.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_REPLY = 128 << 20 }; /* bytes of a body made in memory */

double exchange_head_seconds(const struct http *h) { return fmin(IDLE_SECONDS, h->options.request_s); }

int exchange_descriptor(const struct exchange *x)
{
    return MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

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
    x->peer = peer_of(connection);
    x->begun = clock_seconds();
    reaper_set(h->reaper, x->peer, exchange_head_seconds(h));
    x->body = (struct buf)BUF_INIT(0);
    x->body.secret = true;
    x->res.body = (struct buf)BUF_INIT(MAX_REPLY);
    x->res.fd = -1;
    x->req.method = x->method;
    x->req.http = h;
    source_of(connection, x->req.source);
    x->req.path = x->req.query = x->target;
    pthread_mutex_lock(&h->lock);
    h->active++;
    pthread_mutex_unlock(&h->lock);
    return x;
}

/* ---- what follows it ---- */

static enum MHD_Result on_complete(struct exchange *x)
{
    const char *fault = MHD_lookup_connection_value(x->connection, MHD_FOOTER_KIND, HEADER_FAULT);

    x->close |= fault != NULL;
    if (x->res.status != 0)
        return reply_send(x); /* refused before its body came */
    if (fault)
        return body_refuse_broken(x, fault);
    return x->body_status == ST_OK ? work_begin(x) : body_refuse(x);
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
    case STAGE_HEAD: return admit(x, method);
    case STAGE_BODY: *data_size = 0; return n > 0 ? body_take(x, data, n) : on_complete(x);
    case STAGE_WORKING: intake_work(exchange_descriptor(x), false); return reply_send(x); /* resumed */
    case STAGE_ANSWERED: break; /* what still comes is of no interest */
    }
    *data_size = 0;
    return MHD_YES;
}

/* ---- its end ---- */

/* Whether the door was shut: only then is it of interest where a request came from. */
static bool was_kept_out(const struct exchange *x)
{
    return x->res.status == 401 || x->res.status == 403 || x->res.status == 429;
}

/* One line a request; never its query, its body or its headers: they may speak of a patient. */
static void log_access(const struct exchange *x)
{
    json_t *line =
        json_pack("{s:s,s:s,s:s,s:s,s:i,s:f,s:I}", "request_id", x->req.request_id, "key", x->req.who,
                  "method", x->method, "route", x->route ? x->route->path : "", "status", x->res.status, "ms",
                  (clock_seconds() - x->begun) * 1e3, "bytes", (json_int_t)x->received);

    if (line && x->req.trace_id[0])
        json_object_set_new(line, "trace_id", json_string(x->req.trace_id));
    if (line && was_kept_out(x))
        json_object_set_new(line, "source", json_string(x->req.source));
    if (line && x->res.notes)
        json_object_update_missing(line, x->res.notes);
    log_event(LOG_INFO, "request", line);
}

static void exchange_free(struct exchange *x)
{
    sse_close(x->reader);
    body_drop(x);
    reply_drop(x);
    buf_release(&x->res.body);
    json_decref(x->res.errors);
    json_decref(x->res.notes);
    free(x);
}

void exchange_end(void *http, struct MHD_Connection *connection, void **con_cls,
                  enum MHD_RequestTerminationCode why)
{
    struct http *h = http;
    struct exchange *x = *con_cls;
    struct http_done done;

    (void)connection, (void)why;
    if (!x)
        return;
    done = reply_done(x);
    log_access(x);
    h->options.hooks.after(h->app, &done);
    reaper_wait(h->reaper, x->peer, h->options.keep_alive_s);
    exchange_free(x);
    *con_cls = NULL;
    pthread_mutex_lock(&h->lock);
    if (--h->active == 0)
        pthread_cond_signal(&h->quiet);
    pthread_mutex_unlock(&h->lock);
}
