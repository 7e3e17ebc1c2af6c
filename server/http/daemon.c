/* server/http/daemon.c - the network, started and stopped, and its connections. */
#include "acceptor.h"
#include "exchange.h"
#include "intake.h"

#include "cxrd/clock.h"
#include "cxrd/log.h"
#include "cxrd/thread.h"

#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    NETWORK_THREADS = 2,
    FILE_WORKERS = 2,
    RESULT_WORKERS = 2,
    FILE_QUEUE = 64,
    CONNECTION_MEMORY =
        36 << 10, /* above 32 KiB it is a mapping, which the kernel takes back with what was read into it */
    SPARE_CONNECTIONS = 256,
    GRACE_MS = 100,
    LAST_S = 1,               /* for replies to leave, once no handler runs */
    LEAST_BODIES = 128 << 20, /* bytes of requests in memory, but never less than: */
    UPLOADS = 4,              /* the largest uploads at a time */
    MAX_REPLIES = 128 << 20,  /* and of replies */
};

#define TLS_VERSIONS "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

/* ---- connections ---- */

static bool has_room(void *arg)
{
    struct http *h = arg;

    return reaper_make_room(h->reaper);
}

static void take_connection(void *arg, int fd, const struct sockaddr *address, socklen_t address_size)
{
    const unsigned patience_ms = IDLE_SECONDS * 1000;
    struct http *h = arg;

    if (fd >= INTAKE_DESCRIPTORS || !reaper_expect(h->reaper, fd, address)) {
        close(fd);
        return;
    }
    /* the kernel ends the connection of a client that takes nothing for so long */
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience_ms, sizeof patience_ms);
    MHD_add_connection(h->daemon, fd, address, address_size); /* closes fd where it cannot */
}

/* A connection begins or ends; its descriptor is closed only after that. */
static void on_connection(void *arg, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http *h = arg;
    const int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;

    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        intake_close(fd);
        reaper_remove(h->reaper, *socket_context);
        return;
    }
    *socket_context = reaper_add(h->reaper, fd, exchange_head_seconds(h));
    if (!intake_open(fd, h->options.tls_cert) || !*socket_context)
        shutdown(fd, SHUT_RDWR); /* no memory: unread, or without a deadline, it must not stay */
}

/* ---- libmicrohttpd ---- */

static enum status tls_start(struct http *h, struct error *err)
{
    if (!h->options.tls_cert)
        return ST_OK;
    if (MHD_is_feature_supported(MHD_FEATURE_HTTPS_CERT_CALLBACK2) != MHD_YES)
        return error_set(err, ST_UNSUPPORTED,
                         "this libmicrohttpd was built without TLS, or is too old for it");
    return tls_open(h->options.tls_cert, h->options.tls_key, &h->tls, err);
}

static void on_log(void *arg, const char *fmt, va_list ap)
{
    char text[HTTP_TEXT];

    (void)arg;
    vsnprintf(text, sizeof text, fmt, ap);
    log_text(LOG_DEBUG, "network library", "%s", text);
}

static enum status daemon_start(struct http *h, struct error *err)
{
    /* ours is the lower limit: at its own the library locks a mutex and does not unlock it (0.9.75) */
    const unsigned most = NETWORK_THREADS * (unsigned)h->options.connections + SPARE_CONNECTIONS;
    const unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC |
                           MHD_USE_ERROR_LOG | MHD_USE_NO_LISTEN_SOCKET | (h->tls ? MHD_USE_TLS : 0);
    struct MHD_OptionItem tls[] = { { MHD_OPTION_HTTPS_CERT_CALLBACK2, 0,
                                      h->tls ? tls_callback(h->tls) : NULL },
                                    { MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)TLS_VERSIONS },
                                    { MHD_OPTION_END, 0, NULL } };

    h->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, exchange_step, h, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
        MHD_OPTION_THREAD_POOL_SIZE, (unsigned)NETWORK_THREADS, MHD_OPTION_CONNECTION_LIMIT, most,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)fmax(IDLE_SECONDS, h->options.keep_alive_s) + 1,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_URI_LOG_CALLBACK, exchange_begin, h, MHD_OPTION_NOTIFY_COMPLETED, exchange_end, h,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, h, MHD_OPTION_ARRAY, h->tls ? tls : &tls[2],
        MHD_OPTION_END);
    if (h->daemon)
        return ST_OK;
    return error_set(err, ST_IO, "cannot start the network threads");
}

/* ---- start ---- */

/* A stream is at work for as long as it lasts, so all of them together leave half of the room to others. */
static size_t most_streams(const struct http_options *o)
{
    const size_t half = reaper_room(o->connections) / 2;

    return o->max_streams < half ? o->max_streams : half;
}

/* Memory and locks; no thread yet. */
static struct http *http_new(const struct http_options *options, struct app *app)
{
    struct http *h = calloc(1, sizeof *h);
    struct files *files = files_new(options->files);

    if (!h || !files) {
        free(h);
        files_free(files);
        return NULL;
    }
    h->options = *options;
    h->app = app;
    h->listen_fd = -1;
    h->bodies.shared.limit = MAX_SHARED_BODIES;
    h->bodies.bytes.limit =
        options->max_upload > LEAST_BODIES / UPLOADS ? UPLOADS * options->max_upload : LEAST_BODIES;
    h->replies.limit = MAX_REPLIES;
    h->files = files;
    pthread_mutex_init(&h->lock, NULL);
    condition_init(&h->quiet);
    return h;
}

static enum status queues_start(struct http *h, struct error *err)
{
    const struct http_options *o = &h->options;
    const struct {
        size_t threads, room;
    } of[N_QUEUES] = {
        [QUEUE_PREDICT] = { o->workers, o->queue },
        [QUEUE_DECODE] = { o->decode_workers, o->queue },
        [QUEUE_LOAD] = { 1, o->queue }, /* one load at a time: each takes a model's memory and a core */
        [QUEUE_RESULTS] = { RESULT_WORKERS, o->queue },
        [QUEUE_FILES] = { FILE_WORKERS, FILE_QUEUE },
        [QUEUE_METRICS] = { 1, SIZE_MAX },
    };
    enum status st = ST_OK;

    for (size_t i = QUEUE_PREDICT; i < N_QUEUES && st == ST_OK; i++)
        st = work_queue_start(of[i].threads, of[i].room, work_do, &h->queues[i], err);
    return st;
}

enum status http_start(const struct http_options *options, struct app *app, struct http **ret_http,
                       struct error *err)
{
    struct http *h = http_new(options, app);
    const struct acceptor_calls calls = { has_room, take_connection, h };
    enum status st;

    if (!h)
        return error_nomem(err);
    st = listen_open(options->listen, &h->listen_fd, h->address, err);
    if (st == ST_OK)
        st = queues_start(h, err);
    if (st == ST_OK)
        st = sse_start(most_streams(options), options->ping_s, &h->replies, &h->streams, err);
    if (st == ST_OK)
        st = tls_start(h, err);
    if (st == ST_OK)
        st = reaper_start(options->connections, options->of_a_source, &h->reaper, err);
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

bool http_is_late(const struct http *h) { return atomic_load(&h->late); }

enum status http_reload(struct http *h, struct error *err)
{
    return h->tls ? tls_reload(h->tls, err) : ST_OK;
}

void http_counts(struct http *h, struct http_counts *ret)
{
    const struct reaper_counts peers = reaper_counts(h->reaper);

    *ret = (struct http_counts){ .connections = peers.connections,
                                 .most_connections = h->options.connections,
                                 .cut = peers.cut,
                                 .displaced = peers.displaced,
                                 .body_bytes = atomic_load(&h->bodies.bytes.held),
                                 .reply_bytes = atomic_load(&h->replies.held),
                                 .certificate_ends = h->tls ? tls_expires(h->tls) : 0,
                                 .predictions_waiting = work_queue_waiting(h->queues[QUEUE_PREDICT]) +
                                                        work_queue_waiting(h->queues[QUEUE_DECODE]) +
                                                        work_queue_waiting(h->queues[QUEUE_LOAD]) };
    pthread_mutex_lock(&h->lock);
    ret->requests = h->active;
    pthread_mutex_unlock(&h->lock);
}

/* ---- stop ---- */

/* Wait until no request is under way, until then. */
static bool wait_quiet(struct http *h, double deadline)
{
    bool quiet;

    pthread_mutex_lock(&h->lock);
    while (h->active > 0 && condition_wait(&h->quiet, &h->lock, deadline))
        ;
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

static void tell_late(struct http *h)
{
    pthread_mutex_lock(&h->lock);
    const size_t active = h->active;
    pthread_mutex_unlock(&h->lock);

    if (active > 0)
        log_event(LOG_WARN, "the time to work off requests is over",
                  json_pack("{s:I}", "requests", (json_int_t)active));
}

void http_halt(struct http *h) { atomic_store(&h->draining, true); }

void http_stop(struct http *h)
{
    if (!h)
        return;
    http_halt(h);
    sse_stop(h->streams);
    acceptor_stop(h->acceptor);
    if (h->listen_fd >= 0)
        close(h->listen_fd);
    if (h->acceptor)
        drain(h);
    atomic_store(&h->late, true);
    tell_late(h);
    /* declines what waits, so that nothing stays suspended, which MHD_stop_daemon() would abort on */
    for (int i = 0; i < N_QUEUES; i++)
        work_queue_stop(h->queues[i]);
    if (h->acceptor)
        wait_quiet(h, clock_seconds() + LAST_S);
    if (h->daemon)
        MHD_stop_daemon(h->daemon); /* until here its threads may still push, and are refused */
    for (int i = 0; i < N_QUEUES; i++)
        work_queue_free(h->queues[i]);
    sse_free(h->streams);
    files_free(h->files);
    reaper_stop(h->reaper);
    tls_close(h->tls);
    pthread_cond_destroy(&h->quiet);
    pthread_mutex_destroy(&h->lock);
    free(h);
}
