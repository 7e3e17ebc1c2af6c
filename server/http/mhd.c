/* server/http/mhd.c - the network: the only file that knows libmicrohttpd.
 *
 * Two of its threads wait in epoll and do nothing but move bytes. A request that needs work is suspended, handed to a
 * lane, and resumed when its handler has filled the response; then libmicrohttpd calls on_request() again and the
 * response is queued there, the only place where it may be. What that library gets wrong (request smuggling, decoded
 * paths, replies without a word) is refused in the first call, before anything is read. */
#include "acceptor.h"
#include "door.h"
#include "head.h"
#include "http.h"
#include "lanes.h"
#include "listen.h"
#include "problem.h"
#include "reaper.h"
#include "sse.h"

#include "cxrd/clock.h"
#include "cxrd/file.h"
#include "cxrd/json.h"
#include "cxrd/log.h"

#include <arpa/inet.h>
#include <math.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    NETWORK_THREADS = 2,
    FILE_WORKERS = 2,
    FILE_QUEUE = 64,
    CONNECTION_MEMORY = 16384,
    IDLE_SECONDS = 15, /* between two requests, and longest wait for a byte */
    STREAM_BLOCK = 4096,
    MOST_CONNECTIONS = 12000,
    SPARE_DESCRIPTORS = 256,         /* for everything but connections */
    REPLY_BYTES_A_SECOND = 32 << 10, /* a client that reads more slowly is cut off */
    GRACE_MS = 100,
    MAX_PEM = 1 << 20,
    MAX_TARGET = 1024,           /* bytes of a path with its query */
    MAX_REPLY = 128 << 20,       /* of a body made in memory */
    MAX_BODIES_HELD = 128 << 20, /* of all request bodies together */
    MAX_DROPPED = 64 << 20,      /* of a refused body: a client that is still sending it does not hear us */
};

#define TLS_VERSIONS "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

struct http {
    struct http_options options;
    struct app *app;
    struct MHD_Daemon *daemon;
    struct lane_queue *lanes[N_LANES]; /* LANE_INLINE has none */
    struct acceptor *acceptor;
    struct reaper *reaper;
    struct sse *streams;
    size_t connection_limit;
    struct file_bytes tls_cert, tls_key; /* borrowed by the daemon */
    int listen_fd;
    char address[ADDRESS_SIZE];
    atomic_bool draining;
    atomic_size_t bodies_held; /* bytes */

    pthread_mutex_t lock; /* guards `active` */
    pthread_cond_t quiet; /* active became 0 */
    size_t active;        /* requests begun and not completed */
};

enum stage { STAGE_HEAD, STAGE_BODY, STAGE_WORKING, STAGE_ANSWERED };

/* One request, from its first byte to its last. The network thread owns it, but while it is STAGE_WORKING a worker
 * does: the lane's lock and libmicrohttpd's hand it over. */
struct exchange {
    struct lane_item item; /* first: a lane carries exchanges */
    struct http *http;
    struct MHD_Connection *connection;
    struct peer *peer; /* the connection's deadline */
    enum stage stage;
    const struct route *route;
    char target[MAX_TARGET]; /* raw; req.path and req.query point into it */
    struct buf body;
    size_t held;    /* what of it is counted in http->bodies_held */
    size_t dropped; /* bytes that came after it was refused */
    bool unread;    /* a body may be on its way, which has to be taken off it before a refusal is heard */
    bool close;     /* the connection, after the reply */
    enum status body_status;
    double begun;
    size_t received;        /* bytes of the body */
    char origin[HTTP_TEXT]; /* of a page that may read the reply, "" otherwise */
    char method[16];        /* longer ones are cut: they match no route */
    struct http_request req;
    struct http_response res;
    struct sse_reader *reader; /* of a reply that goes on */
};

/* How long a head may take. */
static double head_seconds(const struct http *h) { return fmin(IDLE_SECONDS, h->options.request_s); }

/* ---- replies ---- */

static void stream_sleep(void *connection) { MHD_suspend_connection(connection); }
static void stream_wake(void *connection) { MHD_resume_connection(connection); }

/* The next bytes of an event stream. Nothing to say: the connection sleeps, since libmicrohttpd would ask again and
 * again. */
static ssize_t on_stream(void *arg, uint64_t at, char *ret, size_t max)
{
    struct exchange *x = arg;
    const ssize_t n = sse_read(x->reader, ret, max, stream_sleep);

    (void)at;
    return n == SSE_ENDED ? MHD_CONTENT_READER_END_OF_STREAM : n;
}

static struct MHD_Response *response_make(struct exchange *x)
{
    struct http_response *res = &x->res;
    struct MHD_Response *r;

    if (x->reader)
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, on_stream, x, NULL);
    if (res->fd >= 0) {
        r = MHD_create_response_from_fd64(res->fd_size, res->fd); /* closes it */
        if (r)
            res->fd = -1;
        return r;
    }
    r = MHD_create_response_from_buffer(res->body.len, res->body.data, MHD_RESPMEM_MUST_FREE);
    if (r)
        buf_take(&res->body);
    return r;
}

static size_t reply_bytes(const struct http_response *res)
{
    return res->fd >= 0 ? res->fd_size : res->body.len;
}

/* The headers of a reply; false without memory for all of them. */
static bool headers_add(const struct exchange *x, struct MHD_Response *r)
{
    const struct http_response *res = &x->res;
    const char *type = res->content_type ? res->content_type : "application/json";
    bool whole = res->status == 204 || MHD_add_response_header(r, "Content-Type", type);

    whole = whole && MHD_add_response_header(r, "X-Request-Id", x->req.request_id) &&
            MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    for (size_t i = 0; i < res->n_headers; i++)
        whole = whole && MHD_add_response_header(r, res->headers[i].name, res->headers[i].value);
    if (x->origin[0])
        whole = whole && MHD_add_response_header(r, "Access-Control-Allow-Origin", x->origin) &&
                MHD_add_response_header(r, "Access-Control-Expose-Headers",
                                        "Location, Retry-After, X-Request-Id") &&
                MHD_add_response_header(r, "Vary", "Origin");
    if (x->close || atomic_load(&x->http->draining))
        whole = whole && MHD_add_response_header(r, "Connection", "close");
    return whole;
}

/* Queue what x->res holds. Only on_request() may call this. */
static enum MHD_Result reply(struct exchange *x)
{
    struct http_response *res = &x->res;
    const size_t size = reply_bytes(res);
    struct MHD_Response *r = response_make(x);
    enum MHD_Result queued;

    x->stage = STAGE_ANSWERED;
    reaper_set(x->http->reaper, x->peer,
               x->reader ? INFINITY : x->http->options.request_s + (double)size / REPLY_BYTES_A_SECOND);
    if (!r)
        return MHD_NO; /* no memory for a reply: the connection ends */
    queued = headers_add(x, r) ? MHD_queue_response(x->connection, (unsigned)res->status, r) : MHD_NO;
    MHD_destroy_response(r);
    return queued;
}

/* Queue what x->res holds, or let the body pass first and do it then: a client that sends without listening would get
 * a broken connection instead of a reply. */
static enum MHD_Result reply_heard(struct exchange *x)
{
    if (x->stage != STAGE_HEAD || !x->unread)
        return reply(x);
    x->stage = STAGE_BODY;
    x->body_status = ST_LIMIT; /* whatever comes is dropped */
    return MHD_YES;
}

static struct http_done done_of(const struct exchange *x)
{
    return (struct http_done){ &x->req,     x->route,    x->res.status, clock_seconds() - x->begun,
                               x->received, x->res.notes };
}

/* Refuse with a status of HTTP's own, before a handler was asked. */
static enum MHD_Result refuse(struct exchange *x, int status, const char *fmt, ...) PRINTF_LIKE(3, 4);

static enum MHD_Result refuse(struct exchange *x, int status, const char *fmt, ...)
{
    struct error err = { 0 };
    struct http_done done;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(err.text, sizeof err.text, fmt, ap);
    va_end(ap);
    x->res.status = status;
    problem_write(&x->req, status == 503 ? ST_BUSY : ST_INVALID, &err, &x->res);
    done = done_of(x);
    if (x->http->options.hooks.before(x->http->app, &done, &err) != ST_OK)
        log_text(LOG_ERROR, "a request could not be recorded", "%s",
                 err.text); /* refused it is, either way */
    return reply_heard(x);
}

/* ---- the first call ---- */

static enum MHD_Result refuse_route(struct exchange *x, int status, const char *allow)
{
    if (status == 404)
        return refuse(x, 404, "there is nothing at this path");
    http_header_add(&x->res, "Allow", "%s", allow);
    if (status == 204 && x->origin[0]) { /* a browser asks what it may do */
        http_header_add(&x->res, "Access-Control-Allow-Methods", "%s", allow);
        http_header_add(&x->res, "Access-Control-Allow-Headers",
                        "Authorization, Content-Type, Idempotency-Key, X-Request-Id");
        http_header_add(&x->res, "Access-Control-Max-Age", "600");
    }
    if (status == 405)
        return refuse(x, 405, "%s is not possible here", x->method);
    x->res.status = status; /* 204, to OPTIONS */
    return reply_heard(x);
}

/* What the door says against it. */
static enum MHD_Result refuse_entry(struct exchange *x, const struct verdict *v)
{
    if (v->status == 401)
        http_header_add(&x->res, "WWW-Authenticate", "Bearer realm=\"cxrd\"");
    if (v->status == 429)
        http_header_add(&x->res, "Retry-After", "%u", v->retry_after);
    return refuse(x, v->status, "%s", v->why.text);
}

static size_t body_limit(const struct exchange *x)
{
    return x->route->max_body == (size_t)MAX_BODY_UPLOAD ? x->http->options.max_upload : x->route->max_body;
}

static enum MHD_Result on_header(void *arg, enum MHD_ValueKind kind, const char *name, size_t name_size,
                                 const char *value, size_t value_size)
{
    (void)kind;
    head_add(arg, name, name_size, value, value_size);
    return MHD_YES;
}

static enum MHD_Result on_head(struct exchange *x, const char *method, const char *version)
{
    struct head head = { .req = &x->req };
    struct verdict verdict;
    const char *fault;
    char allow[HTTP_TEXT];
    int status = 0;

    snprintf(x->method, sizeof x->method, "%s", method);
    MHD_get_connection_values_n(x->connection, MHD_HEADER_KIND, on_header, &head);
    fault = head_fault(&head, strcmp(version, MHD_HTTP_VERSION_1_1) != 0);
    if (fault || !x->target[0]) {
        x->close = true;
        return refuse(x, 400, "%s", fault ? fault : "the request's target is not a path, or too long");
    }
    x->unread = !head.expects && (!head.has_length || head.content_length <= MAX_DROPPED);
    x->route = route_find(x->method, x->req.path, x->req.id, &status, allow);
    if (door_shares_with(x->http->options.door, head.origin))
        memcpy(x->origin, head.origin, sizeof x->origin);
    door_ask(x->http->options.door, &head, x->route, &verdict);
    explicit_bzero(head.authorization, sizeof head.authorization);
    snprintf(x->req.who, sizeof x->req.who, "%s", verdict.who);
    if (verdict.status)
        return refuse_entry(x, &verdict);
    if (!x->route)
        return refuse_route(x, status, allow);
    x->req.draining = atomic_load(&x->http->draining);
    if (x->req.draining && x->route->lane != LANE_INLINE)
        return refuse(x, 503, "the server is shutting down");
    if (head.has_length && head.content_length > body_limit(x)) {
        x->close = true;
        return body_limit(x) == 0 ? refuse(x, 400, "this request takes no body")
                                  : refuse(x, 413, "the body has %zu bytes, the limit is %zu",
                                           head.content_length, body_limit(x));
    }
    x->body.max = body_limit(x);
    x->stage = STAGE_BODY;
    return MHD_YES;
}

static enum MHD_Result on_first(struct exchange *x, const char *method, const char *version)
{
    const enum MHD_Result result = on_head(x, method, version);

    if (x->stage == STAGE_BODY) /* what is left of the time for the whole request */
        reaper_set(x->http->reaper, x->peer, x->http->options.request_s - (clock_seconds() - x->begun));
    return result;
}

/* ---- the body ---- */

static void body_drop(struct exchange *x)
{
    atomic_fetch_sub(&x->http->bodies_held, x->held);
    x->held = 0;
    buf_wipe(&x->body);
    buf_release(&x->body);
}

/* Take what came; what exceeds a limit is dropped here and answered when the body ends, since libmicrohttpd takes no
 * reply in between. Memory follows the bytes received, never a header. */
static enum MHD_Result on_body(struct exchange *x, const char *data, size_t n)
{
    struct http *h = x->http;

    x->received += n;
    if (x->body_status != ST_OK) {
        x->dropped += n; /* counted, so that it cannot go on for ever */
        return x->dropped > MAX_DROPPED ? MHD_NO : MHD_YES;
    }
    if (atomic_fetch_add(&h->bodies_held, n) + n > MAX_BODIES_HELD) {
        atomic_fetch_sub(&h->bodies_held, n);
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

static enum MHD_Result refuse_body(struct exchange *x)
{
    x->close = true;
    if (x->body_status != ST_LIMIT)
        return refuse(x, 503, "the server holds as many request bodies as it may");
    if (body_limit(x) == 0)
        return refuse(x, 400, "this request takes no body");
    return refuse(x, 413, "the body is larger than the limit of %zu bytes", body_limit(x));
}

/* ---- the handler ---- */

/* The reply is known: what must be on record before it leaves is put there, or it does not leave. */
static void record(struct exchange *x)
{
    struct error err = { 0 };
    const struct http_done done = done_of(x);

    if (x->http->options.hooks.before(x->http->app, &done, &err) == ST_OK)
        return;
    log_text(LOG_ERROR, "a request could not be recorded", "%s", err.text);
    if (x->res.fd >= 0)
        close(x->res.fd);
    x->res.fd = -1;
    x->res.status = 503;
    snprintf(err.text, sizeof err.text, "the audit log cannot be written");
    problem_write(&x->req, ST_BUSY, &err, &x->res);
}

static void handle(struct exchange *x)
{
    struct error err = { 0 };
    enum status st;

    json_watch(); /* see http_json() */
    st = x->route->handler(x->http->app, &x->req, &x->res, &err);
    if (st == ST_OK && x->res.stream.more)
        st = sse_open(x->http->streams, &x->res.stream, stream_wake, x->connection, &x->reader, &err);
    if (st != ST_OK)
        problem_write(&x->req, st, &err, &x->res);
    else if (x->res.status == 0)
        x->res.status = 200;
    record(x);
    x->req.body = NULL;
    body_drop(x);
}

/* Answer without asking the handler. */
static void decline(struct exchange *x, int status, const char *sentence)
{
    struct error err = { 0 };

    snprintf(err.text, sizeof err.text, "%s", sentence);
    x->req.body = NULL;
    body_drop(x);
    x->res.status = status;
    problem_write(&x->req, ST_BUSY, &err, &x->res);
}

static void on_item(struct lane_item *item)
{
    struct exchange *x = (struct exchange *)item;
    struct MHD_Connection *connection = x->connection;

    if (x->route->lane == LANE_PREDICT && peer_gone(x->peer))
        decline(x, 499, "the client has gone"); /* for the log: nobody reads it */
    else if (clock_seconds() - x->req.received > x->http->options.request_s)
        decline(x, 503, "the request waited too long");
    else
        handle(x);
    MHD_resume_connection(connection); /* from here on the network thread owns x again */
}

static enum MHD_Result on_complete(struct exchange *x)
{
    if (x->res.status != 0)
        return reply(x); /* refused before its body came */
    if (x->body_status != ST_OK)
        return refuse_body(x);
    x->req.body = x->body.data;
    x->req.body_len = x->body.len;
    x->req.received = clock_seconds();
    x->stage = STAGE_WORKING;
    reaper_set(x->http->reaper, x->peer, INFINITY);
    if (x->route->lane == LANE_INLINE) {
        handle(x);
        return reply(x);
    }
    MHD_suspend_connection(x->connection); /* first: a worker may resume it at once */
    if (lane_push(x->http->lanes[x->route->lane], &x->item))
        return MHD_YES;
    decline(x, 503, "the server is busy: its queue is full");
    MHD_resume_connection(x->connection);
    return MHD_YES;
}

/* ---- libmicrohttpd's calls ---- */

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_size, void **con_cls)
{
    struct exchange *x = *con_cls;
    size_t n = *data_size;

    (void)arg, (void)url, (void)connection;
    if (!x)
        return MHD_NO; /* there was no memory for it */
    switch (x->stage) {
    case STAGE_HEAD: return on_first(x, method, version);
    case STAGE_BODY: *data_size = 0; return n > 0 ? on_body(x, data, n) : on_complete(x);
    case STAGE_WORKING: return reply(x); /* resumed */
    case STAGE_ANSWERED: break;          /* what still comes is of no interest */
    }
    *data_size = 0;
    return MHD_YES;
}

static struct peer *peer_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

/* A connection begins or ends; its descriptor is closed only after that. */
static void on_connection(void *arg, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http *h = arg;
    const union MHD_ConnectionInfo *info;

    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        reaper_remove(h->reaper, *socket_context);
        return;
    }
    info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    *socket_context = reaper_add(h->reaper, info->connect_fd, head_seconds(h));
    if (!*socket_context)
        shutdown(info->connect_fd, SHUT_RDWR); /* no memory: without a deadline it must not stay */
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

/* Keep a target as it was sent; req.path and req.query are its two halves, the path without the server's prefix. What
 * cannot be one of ours keeps x->target empty. */
static void keep_target(struct exchange *x, const char *target)
{
    const char *base = x->http->options.base_path;
    const size_t n = strlen(target), n_base = strlen(base);
    char *query;

    if (n < sizeof x->target && target[0] == '/' && !head_has_control_byte(target, n) &&
        !strstr(target, "%00"))
        memcpy(x->target, target, n + 1);
    query = strchr(x->target, '?');
    x->req.query = query ? query + 1 : "";
    if (query)
        *query = '\0';
    x->req.path = x->target;
    if (n_base && strncmp(x->target, base, n_base) == 0 && x->target[n_base] == '/')
        x->req.path = x->target + n_base;
    else if (n_base && x->target[0])
        x->req.path = "//"; /* matches no route */
}

/* The request line has come: begin an exchange. Its target is kept as it was sent. */
static void *on_target(void *arg, const char *target, struct MHD_Connection *connection)
{
    struct http *h = arg;
    struct exchange *x = calloc(1, sizeof *x);

    if (!x)
        return NULL;
    x->http = h;
    x->connection = connection;
    x->peer = peer_of(connection);
    x->begun = clock_seconds();
    reaper_set(h->reaper, x->peer, head_seconds(h));
    x->body = (struct buf)BUF_INIT(0);
    x->body.secret = true;
    x->res.body = (struct buf)BUF_INIT(MAX_REPLY);
    x->res.fd = -1;
    x->req.method = x->method;
    x->req.http = h;
    source_of(connection, x->req.source);
    keep_target(x, target);
    pthread_mutex_lock(&h->lock);
    h->active++;
    pthread_mutex_unlock(&h->lock);
    return x;
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
    if (line && x->res.notes)
        json_object_update_missing(line, x->res.notes);
    log_event(LOG_INFO, "request", line);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **con_cls,
                         enum MHD_RequestTerminationCode why)
{
    struct http *h = arg;
    struct exchange *x = *con_cls;
    struct http_done done;

    (void)connection, (void)why;
    if (!x)
        return;
    done = done_of(x);
    log_access(x);
    h->options.hooks.after(h->app, &done);
    reaper_set(h->reaper, x->peer, head_seconds(h));
    sse_close(x->reader);
    body_drop(x);
    buf_release(&x->res.body);
    if (x->res.fd >= 0)
        close(x->res.fd);
    json_decref(x->res.errors);
    json_decref(x->res.notes);
    free(x);
    *con_cls = NULL;
    pthread_mutex_lock(&h->lock);
    if (--h->active == 0)
        pthread_cond_signal(&h->quiet);
    pthread_mutex_unlock(&h->lock);
}

static void on_log(void *arg, const char *fmt, va_list ap)
{
    char text[HTTP_TEXT];

    (void)arg;
    vsnprintf(text, sizeof text, fmt, ap);
    log_text(LOG_DEBUG, "network library", "%s", text);
}

/* ---- start and stop ---- */

static unsigned connection_limit(void)
{
    struct rlimit files = { 1024, 1024 };

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
        getrlimit(RLIMIT_NOFILE, &files);
    }
    if (files.rlim_cur > MOST_CONNECTIONS + SPARE_DESCRIPTORS)
        return MOST_CONNECTIONS;
    return files.rlim_cur > (rlim_t)2 * SPARE_DESCRIPTORS ? (unsigned)files.rlim_cur - SPARE_DESCRIPTORS
                                                          : SPARE_DESCRIPTORS;
}

/* The certificate and its key, as texts that the daemon borrows. */
static enum status tls_load(struct http *h, struct error *err)
{
    enum status st;

    if (!h->options.tls_cert)
        return ST_OK;
    if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
        return error_set(err, ST_UNSUPPORTED, "this libmicrohttpd was built without TLS");
    st = file_read(h->options.tls_cert, MAX_PEM, &h->tls_cert, err);
    return st == ST_OK ? file_read(h->options.tls_key, MAX_PEM, &h->tls_key, err) : st;
}

static void tls_drop(struct http *h)
{
    if (h->tls_key.data)
        explicit_bzero(h->tls_key.data, h->tls_key.size);
    file_bytes_release(&h->tls_key);
    file_bytes_release(&h->tls_cert);
}

static enum status daemon_start(struct http *h, struct error *err)
{
    const unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC |
                           MHD_USE_ERROR_LOG | MHD_USE_NO_LISTEN_SOCKET |
                           (h->options.tls_cert ? MHD_USE_TLS : 0);
    struct MHD_OptionItem tls[] = { { MHD_OPTION_HTTPS_MEM_CERT, 0, h->tls_cert.data },
                                    { MHD_OPTION_HTTPS_MEM_KEY, 0, h->tls_key.data },
                                    { MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)TLS_VERSIONS },
                                    { MHD_OPTION_END, 0, NULL } };

    h->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, h, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
        MHD_OPTION_THREAD_POOL_SIZE, (unsigned)NETWORK_THREADS, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)(h->connection_limit + SPARE_DESCRIPTORS), MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)IDLE_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, on_target, h,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, h, MHD_OPTION_NOTIFY_CONNECTION, on_connection, h,
        MHD_OPTION_ARRAY, h->options.tls_cert ? tls : &tls[3], MHD_OPTION_END);
    if (h->daemon)
        return ST_OK;
    return error_set(err, ST_IO, "cannot start the network threads%s",
                     h->options.tls_cert ? ", or use the TLS certificate with its key" : "");
}

static bool has_room(void *arg)
{
    struct http *h = arg;

    return reaper_counts(h->reaper).connections < h->connection_limit;
}

static void take_connection(void *arg, int fd, const struct sockaddr *address, socklen_t address_size)
{
    struct http *h = arg;

    MHD_add_connection(h->daemon, fd, address, address_size); /* closes fd where it cannot */
}

enum status http_start(const struct http_options *options, struct app *app, struct http **ret_http,
                       struct error *err)
{
    struct http *h = calloc(1, sizeof *h);
    const struct acceptor_calls calls = { has_room, take_connection, h };
    enum status st;

    if (!h)
        return error_nomem(err);
    h->connection_limit = connection_limit();
    h->options = *options;
    h->app = app;
    h->listen_fd = -1;
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->quiet, NULL);
    st = listen_open(options->listen, &h->listen_fd, h->address, err);
    if (st == ST_OK)
        st = lane_start(options->workers, options->queue, on_item, &h->lanes[LANE_PREDICT], err);
    if (st == ST_OK)
        st = lane_start(FILE_WORKERS, FILE_QUEUE, on_item, &h->lanes[LANE_FILES], err);
    if (st == ST_OK)
        st = sse_start(options->max_streams, options->ping_s, &h->streams, err);
    if (st == ST_OK)
        st = tls_load(h, err);
    if (st == ST_OK)
        st = reaper_start(&h->reaper, err);
    if (st == ST_OK)
        st = daemon_start(h, err);
    if (st == ST_OK)
        st = acceptor_start(h->listen_fd, &calls, &h->acceptor, err);
    if (st != ST_OK) {
        http_stop(h);
        return st;
    }
    *ret_http = h;
    return ST_OK;
}

const char *http_address(const struct http *h) { return h->address; }

void http_counts(struct http *h, struct http_counts *ret)
{
    const struct reaper_counts peers = reaper_counts(h->reaper);

    *ret = (struct http_counts){ .connections = peers.connections,
                                 .cut = peers.cut,
                                 .body_bytes = atomic_load(&h->bodies_held),
                                 .predictions_waiting = lane_waiting(h->lanes[LANE_PREDICT]) };
    pthread_mutex_lock(&h->lock);
    ret->requests = h->active;
    pthread_mutex_unlock(&h->lock);
}

/* Wait until no request is under way, until then. */
static bool wait_quiet(struct http *h, double deadline)
{
    bool quiet;

    pthread_mutex_lock(&h->lock);
    while (h->active > 0 && clock_seconds() < deadline) {
        struct timespec soon;

        clock_gettime(CLOCK_REALTIME, &soon); /* only a nap: the deadline is by the other clock */
        soon.tv_nsec += 50000000;
        soon.tv_sec += soon.tv_nsec / 1000000000;
        soon.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&h->quiet, &h->lock, &soon);
    }
    quiet = h->active == 0;
    pthread_mutex_unlock(&h->lock);
    return quiet;
}

/* Answer what is in flight, and what had been sent already when we stopped listening. */
static void drain(struct http *h)
{
    const double deadline = clock_seconds() + h->options.drain_s;
    const struct timespec grace = { .tv_nsec = GRACE_MS * 1000000L };

    if (wait_quiet(h, deadline)) {
        nanosleep(&grace, NULL); /* bytes that are in a socket and not yet a request */
        wait_quiet(h, deadline);
    }
}

void http_stop(struct http *h)
{
    if (!h)
        return;
    atomic_store(&h->draining, true);
    sse_stop(h->streams);
    acceptor_stop(h->acceptor);
    if (h->listen_fd >= 0)
        close(h->listen_fd);
    if (h->acceptor)
        drain(h);
    /* answers what waits, so that nothing stays suspended, which MHD_stop_daemon() would abort on */
    for (int i = 0; i < N_LANES; i++)
        lane_stop(h->lanes[i]);
    if (h->daemon)
        MHD_stop_daemon(h->daemon); /* until here its threads may still push, and are refused */
    for (int i = 0; i < N_LANES; i++)
        lane_free(h->lanes[i]);
    sse_free(h->streams);
    reaper_stop(h->reaper);
    tls_drop(h);
    pthread_cond_destroy(&h->quiet);
    pthread_mutex_destroy(&h->lock);
    free(h);
}
