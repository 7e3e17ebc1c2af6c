/* server/http/mhd.c - the network: the only file that knows libmicrohttpd.
 *
 * Two of its threads wait in epoll and do nothing but move bytes. A request that needs work is suspended, handed to a
 * lane, and resumed when its handler has filled the response; then libmicrohttpd calls on_request() again and the
 * response is queued there, the only place where it may be. What that library gets wrong (request smuggling, decoded
 * paths, replies without a word) is refused in the first call, before anything is read. */
#include "http.h"
#include "lanes.h"
#include "listen.h"
#include "problem.h"
#include "sse.h"

#include "cxrd/clock.h"
#include "cxrd/log.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    NETWORK_THREADS = 2,
    FILE_WORKERS = 2,
    FILE_QUEUE = 64,
    CONNECTION_MEMORY = 16384,
    IDLE_SECONDS = 15,
    STREAM_BLOCK = 4096,
    MAX_TARGET = 1024,           /* bytes of a path with its query */
    MAX_REPLY = 128 << 20,       /* of a body made in memory */
    MAX_BODIES_HELD = 128 << 20, /* of all request bodies together */
    MAX_DROPPED = 64 << 20,      /* of a refused body: a client that is still sending it does not hear us */
};

struct http {
    struct http_options options;
    struct app *app;
    struct MHD_Daemon *daemon;
    struct lane_queue *lanes[N_LANES]; /* LANE_INLINE has none */
    struct sse *streams;
    int listen_fd; /* while it is ours to close */
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
    char method[16]; /* longer ones are cut: they match no route */
    struct http_request req;
    struct http_response res;
    struct sse_reader *reader; /* of a reply that goes on */
};

/* ---- the head: what must be right before anything is believed ---- */

struct head {
    struct exchange *x;
    unsigned content_lengths, transfer_encodings, hosts;
    bool odd_encoding, bad_name, control_byte, long_key, expects;
    size_t content_length;
    bool has_length;
};

static bool is_token(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] <= ' ' || (unsigned char)text[i] >= 127 ||
            strchr("\"(),/:;<=>?@[\\]{}", text[i]))
            return false;
    return n > 0;
}

static bool has_control_byte(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (((unsigned char)text[i] < ' ' && text[i] != '\t') || text[i] == 127)
            return true;
    return false;
}

/* A header that handlers want, if it fits; one that does not is as good as absent, but see framing_fault(). */
static void keep_header(const char *name, const char *value, size_t n, struct http_request *req)
{
    const struct {
        const char *name;
        char *place;
    } kept[] = {
        { "Content-Type", req->content_type },       { "Content-Encoding", req->content_encoding },
        { "Idempotency-Key", req->idempotency_key }, { "Last-Event-ID", req->last_event_id },
        { "X-Request-Id", req->request_id },
    };

    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        if (strcasecmp(name, kept[i].name) == 0 && n < HTTP_TEXT) {
            memcpy(kept[i].place, value, n);
            kept[i].place[n] = '\0';
        }
}

static enum MHD_Result on_header(void *arg, enum MHD_ValueKind kind, const char *name, size_t name_size,
                                 const char *value, size_t value_size)
{
    struct head *h = arg;

    (void)kind;
    h->bad_name |= !is_token(name, name_size);
    h->control_byte |= has_control_byte(value, value_size);
    if (strcasecmp(name, "Content-Length") == 0) {
        h->content_lengths++;
        h->has_length = true;
        h->content_length = strtoull(value, NULL, 10); /* libmicrohttpd has refused what is no number */
    } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
        h->transfer_encodings++;
        h->odd_encoding |= strcasecmp(value, "chunked") != 0;
    } else if (strcasecmp(name, "Host") == 0) {
        h->hosts++;
    } else if (strcasecmp(name, "Expect") == 0) {
        h->expects = true; /* it waits for our word before it sends a body */
    } else if (strcasecmp(name, "Idempotency-Key") == 0) {
        h->long_key |= value_size >= HTTP_TEXT; /* without it a repetition would become a second job */
    }
    keep_header(name, value, value_size, &h->x->req);
    return MHD_YES;
}

/* What two servers in a row could understand differently (RFC 9112, sections 6 and 3.2), or what must not be
 * overlooked; NULL where there is nothing of the kind. */
static const char *framing_fault(const struct head *h, const char *version)
{
    const bool http_1_0 = strcmp(version, MHD_HTTP_VERSION_1_1) != 0;

    if (h->content_lengths > 1)
        return "the request has more than one Content-Length";
    if (h->content_lengths && h->transfer_encodings)
        return "the request has both a Content-Length and a Transfer-Encoding";
    if (h->transfer_encodings > 1 || h->odd_encoding)
        return "the request has a Transfer-Encoding other than chunked";
    if (h->transfer_encodings && http_1_0)
        return "an HTTP/1.0 request cannot have a Transfer-Encoding";
    if (h->hosts > 1 || (h->hosts == 0 && !http_1_0))
        return "the request must have exactly one Host";
    if (h->bad_name)
        return "the request has a header with a broken name";
    if (h->control_byte)
        return "the request has a header with a control character";
    return h->long_key ? "the Idempotency-Key is longer than 255 bytes" : NULL;
}

static void settle_request_id(struct http_request *req)
{
    const char *id = req->request_id;

    if (!*id ||
        strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") != strlen(id) ||
        strlen(id) > 128)
        id_new(req->request_id);
}

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

/* Queue what x->res holds. Only on_request() may call this. */
static enum MHD_Result reply(struct exchange *x)
{
    struct http_response *res = &x->res;
    struct MHD_Response *r = response_make(x);
    enum MHD_Result queued;

    x->stage = STAGE_ANSWERED;
    if (!r)
        return MHD_NO; /* no memory for a reply: the connection ends */
    if (res->status != 204)
        MHD_add_response_header(r, "Content-Type",
                                res->content_type ? res->content_type : "application/json");
    MHD_add_response_header(r, "X-Request-Id", x->req.request_id);
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    for (size_t i = 0; i < res->n_headers; i++)
        MHD_add_response_header(r, res->headers[i].name, res->headers[i].value);
    if (x->close || atomic_load(&x->http->draining))
        MHD_add_response_header(r, "Connection", "close");
    queued = MHD_queue_response(x->connection, (unsigned)res->status, r);
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

/* Refuse with a status of HTTP's own, before a handler was asked. */
static enum MHD_Result refuse(struct exchange *x, int status, const char *fmt, ...) PRINTF_LIKE(3, 4);

static enum MHD_Result refuse(struct exchange *x, int status, const char *fmt, ...)
{
    struct error err = { 0 };
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(err.text, sizeof err.text, fmt, ap);
    va_end(ap);
    x->res.status = status;
    problem_write(&x->req, status == 503 ? ST_BUSY : ST_INVALID, &err, &x->res);
    return reply_heard(x);
}

/* ---- the first call ---- */

static enum MHD_Result refuse_route(struct exchange *x, int status, const char *allow)
{
    if (status == 404)
        return refuse(x, 404, "there is nothing at this path");
    http_header_add(&x->res, "Allow", "%s", allow);
    if (status == 405)
        return refuse(x, 405, "%s is not possible here", x->method);
    x->res.status = status; /* 204, to OPTIONS */
    return reply_heard(x);
}

static size_t body_limit(const struct exchange *x)
{
    return x->route->max_body == (size_t)MAX_BODY_UPLOAD ? x->http->options.max_upload : x->route->max_body;
}

static enum MHD_Result on_head(struct exchange *x, const char *method, const char *version)
{
    struct head head = { .x = x };
    const char *fault;
    char allow[HTTP_TEXT];
    int status = 0;

    snprintf(x->method, sizeof x->method, "%s", method);
    MHD_get_connection_values_n(x->connection, MHD_HEADER_KIND, on_header, &head);
    settle_request_id(&x->req);
    fault = framing_fault(&head, version);
    if (fault || !x->target[0]) {
        x->close = true;
        return refuse(x, 400, "%s", fault ? fault : "the request's target is not a path, or too long");
    }
    x->unread = !head.expects && (!head.has_length || head.content_length <= MAX_DROPPED);
    x->route = route_find(x->method, x->req.path, x->req.id, &status, allow);
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

static void handle(struct exchange *x)
{
    struct error err = { 0 };
    enum status st = x->route->handler(x->http->app, &x->req, &x->res, &err);

    if (st == ST_OK && x->res.stream.more)
        st = sse_open(x->http->streams, &x->res.stream, stream_wake, x->connection, &x->reader, &err);
    if (st != ST_OK)
        problem_write(&x->req, st, &err, &x->res);
    else if (x->res.status == 0)
        x->res.status = 200;
    x->req.body = NULL;
    body_drop(x);
}

static void on_item(struct lane_item *item)
{
    struct exchange *x = (struct exchange *)item;
    struct MHD_Connection *connection = x->connection;

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
    if (x->route->lane == LANE_INLINE) {
        handle(x);
        return reply(x);
    }
    MHD_suspend_connection(x->connection); /* first: a worker may resume it at once */
    if (lane_push(x->http->lanes[x->route->lane], &x->item))
        return MHD_YES;
    x->req.body = NULL;
    body_drop(x);
    x->res.status = 503;
    problem_write(&x->req, ST_BUSY, &(struct error){ .text = "the server is busy: its queue is full" },
                  &x->res);
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
    case STAGE_HEAD: return on_head(x, method, version);
    case STAGE_BODY: *data_size = 0; return n > 0 ? on_body(x, data, n) : on_complete(x);
    case STAGE_WORKING: return reply(x); /* resumed */
    case STAGE_ANSWERED: break;          /* what still comes is of no interest */
    }
    *data_size = 0;
    return MHD_YES;
}

/* The request line has come: begin an exchange. Its target is kept as it was sent. */
static void *on_target(void *arg, const char *target, struct MHD_Connection *connection)
{
    struct http *h = arg;
    struct exchange *x = calloc(1, sizeof *x);
    const size_t n = strlen(target);
    char *query;

    if (!x)
        return NULL;
    x->http = h;
    x->connection = connection;
    x->begun = clock_seconds();
    x->body = (struct buf)BUF_INIT(0);
    x->res.body = (struct buf)BUF_INIT(MAX_REPLY);
    x->res.fd = -1;
    if (n < sizeof x->target && target[0] == '/' && !has_control_byte(target, n) && !strstr(target, "%00"))
        memcpy(x->target, target, n + 1);
    x->req.path = x->target;
    x->req.method = x->method;
    query = strchr(x->target, '?');
    x->req.query = query ? query + 1 : "";
    if (query)
        *query = '\0';
    pthread_mutex_lock(&h->lock);
    h->active++;
    pthread_mutex_unlock(&h->lock);
    return x;
}

/* One line a request; never its query, its body or its headers: they may speak of a patient. */
static void log_access(const struct exchange *x)
{
    log_event(LOG_INFO, "request",
              json_pack("{s:s,s:s,s:s,s:i,s:f}", "request_id", x->req.request_id, "method", x->method,
                        "route", x->route ? x->route->path : "", "status", x->res.status, "ms",
                        (clock_seconds() - x->begun) * 1e3));
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **con_cls,
                         enum MHD_RequestTerminationCode why)
{
    struct http *h = arg;
    struct exchange *x = *con_cls;

    (void)connection, (void)why;
    if (!x)
        return;
    log_access(x);
    sse_close(x->reader);
    body_drop(x);
    buf_release(&x->res.body);
    if (x->res.fd >= 0)
        close(x->res.fd);
    json_decref(x->res.errors);
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
    return files.rlim_cur > 12000 + 256 ? 12000 : files.rlim_cur > 512 ? (unsigned)files.rlim_cur - 256 : 256;
}

static enum status daemon_start(struct http *h, struct error *err)
{
    const unsigned flags =
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG;

    h->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, h, MHD_OPTION_EXTERNAL_LOGGER, on_log,
                                 NULL, MHD_OPTION_LISTEN_SOCKET, h->listen_fd, MHD_OPTION_THREAD_POOL_SIZE,
                                 (unsigned)NETWORK_THREADS, MHD_OPTION_CONNECTION_LIMIT, connection_limit(),
                                 MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
                                 MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
                                 MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, on_target, h,
                                 MHD_OPTION_NOTIFY_COMPLETED, on_completed, h, MHD_OPTION_END);
    return h->daemon ? ST_OK : error_set(err, ST_IO, "cannot start the network threads");
}

enum status http_start(const struct http_options *options, struct app *app, struct http **ret_http,
                       struct error *err)
{
    struct http *h = calloc(1, sizeof *h);
    enum status st;

    if (!h)
        return error_nomem(err);
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
        st = daemon_start(h, err);
    if (st != ST_OK) {
        http_stop(h);
        return st;
    }
    *ret_http = h;
    return ST_OK;
}

const char *http_address(const struct http *h) { return h->address; }

/* Wait until no request is under way, but not for ever. */
static void wait_quiet(struct http *h)
{
    const double deadline = clock_seconds() + h->options.drain_s;

    pthread_mutex_lock(&h->lock);
    while (h->active > 0 && clock_seconds() < deadline) {
        struct timespec soon;

        clock_gettime(CLOCK_REALTIME, &soon); /* only a nap: the deadline is by the other clock */
        soon.tv_nsec += 50 * 1000000;
        soon.tv_sec += soon.tv_nsec / 1000000000;
        soon.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&h->quiet, &h->lock, &soon);
    }
    pthread_mutex_unlock(&h->lock);
}

void http_stop(struct http *h)
{
    if (!h)
        return;
    atomic_store(&h->draining, true);
    sse_stop(h->streams);
    if (h->daemon) {
        MHD_quiesce_daemon(h->daemon); /* gives the listening socket back */
        wait_quiet(h);
    }
    /* answers what waits, so that nothing stays suspended, which MHD_stop_daemon() would abort on */
    for (int i = 0; i < N_LANES; i++)
        lane_stop(h->lanes[i]);
    if (h->daemon)
        MHD_stop_daemon(h->daemon); /* until here its threads may still push, and are refused */
    for (int i = 0; i < N_LANES; i++)
        lane_free(h->lanes[i]);
    sse_free(h->streams);
    if (h->listen_fd >= 0)
        close(h->listen_fd);
    pthread_cond_destroy(&h->quiet);
    pthread_mutex_destroy(&h->lock);
    free(h);
}
