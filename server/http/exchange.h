/* server/http/exchange.h - the network, and one request in it: what the files share that bring a request through.
 *
 *   daemon.c      start and stop, connections
 *   exchange.c    a request from its first byte to its last: which of the library's calls means what
 *   request_head.c       its head: whether it may come in
 *   work.c        its handler
 *   send.c        its reply, or a refusal, on the way
 *   account.c     what is told of it; only reads
 *
 * The parts that they are made of know nothing of an exchange: intake.h (what has come, which the library sees only as wire.c hands
 * it on), head.h, body.h, reply.h.
 *
 * Two of the library's threads wait in epoll and do nothing but move bytes. A request that needs work is suspended,
 * handed to a queue, and resumed when its handler has filled the response; then libmicrohttpd calls exchange_step()
 * again and the response is queued there, the only place where it may be. */
#ifndef SERVER_HTTP_EXCHANGE_H
#define SERVER_HTTP_EXCHANGE_H

#include "auth.h"
#include "body.h"
#include "budget.h"
#include "files.h"
#include "http.h"
#include "listen.h"
#include "mhd.h"
#include "reaper.h"
#include "reply.h"
#include "sse.h"
#include "tls.h"
#include "work_queue.h"

#include "cxrd/file.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    IDLE_SECONDS = 15, /* longest wait for a byte of a request, or until a client takes one of a reply */
};

struct http {
    struct http_options options;
    struct app *app;
    struct MHD_Daemon *daemon;
    struct work_queue *queues[N_QUEUES]; /* QUEUE_INLINE has none */
    struct acceptor *acceptor;
    struct reaper *reaper;
    struct sse *streams;
    struct files *files;   /* that are being sent */
    struct budget replies; /* bytes of them that are held */
    struct tls *tls;       /* NULL: none */
    int listen_fd;
    char address[ADDRESS_SIZE];
    atomic_bool draining;
    atomic_bool late;          /* its time for that is over: what still waits is declined */
    struct body_budget bodies; /* of requests */

    pthread_mutex_t lock; /* guards `active` */
    pthread_cond_t quiet; /* active became 0 */
    size_t active;        /* requests begun and not completed */
};

enum stage { STAGE_HEAD, STAGE_BODY, STAGE_WORKING, STAGE_ANSWERED };

/* One request, from its first byte to its last. The network thread owns it, but while it is STAGE_WORKING a worker
 * does: the queue's lock and libmicrohttpd's hand it over. */
struct exchange {
    struct work_item item; /* first: a queue carries exchanges */
    struct http *http;
    struct MHD_Connection *connection;
    int fd;            /* its descriptor */
    struct peer *peer; /* the connection's deadline */
    enum stage stage;
    double begun;
    bool close;   /* the connection, after the reply */
    bool handled; /* its handler was called */
    bool moved;   /* it was handed to the queue that it waits in */

    /* its head, settled by request_head.c */
    const struct route *route;
    char *target;           /* raw; req.path and req.query point into it; NULL of a head that is refused */
    char origin[HTTP_TEXT]; /* of a page that may read the reply, "" otherwise */
    char method[16];        /* longer ones are cut: they match no route */
    struct pass pass;       /* what let it in; the stream's once there is one */
    bool unread; /* a body may be on its way, which has to be taken off it before a refusal is heard */
    struct http_request req; /* what the handler sees */

    struct body body;
    struct reply reply;
};

/* The functions below run in the network thread that owns the exchange, and must not wait, unless they say otherwise. An
 * MHD_Result is for the library: MHD_NO ends the connection. */

/* ---- exchange.c: calls of libmicrohttpd's, with its signatures ----
 *   con_cls  the exchange, which begin makes (NULL: no memory) and end frees */
void *exchange_begin(void *http, const char *target, struct MHD_Connection *connection);
enum MHD_Result exchange_step(void *http, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data, size_t *data_size,
                              void **con_cls);
void exchange_end(void *http, struct MHD_Connection *connection, void **con_cls,
                  enum MHD_RequestTerminationCode why);

double exchange_head_seconds(const struct http *h); /* how long a head may take; any thread */

/* ---- request_head.c ---- */

#define CODED_BODY "a Content-Encoding is not accepted: send the body as it is"

/* The head is complete: find the route and ask auth.h. A request that may not come in is refused, at once or when the body
 * has passed. */
enum MHD_Result request_head(struct exchange *x, const char *method);

/* ---- work.c ---- */

/* The body is complete: call the handler of an inline route, hand any other to its queue. */
enum MHD_Result work_begin(struct exchange *x);

/* A queue's item, in a worker's thread, which may wait: calls the handler and gives the exchange back. */
void work_do(struct work_item *item);

/* ---- send.c ---- */

/* Queue what x->reply holds, which is taken over. */
enum MHD_Result send_reply(struct exchange *x);

/* The same, or let the body pass first and do it then: a client that sends without listening would get a broken
 * connection instead of a reply. */
enum MHD_Result send_when_heard(struct exchange *x);

/* Refuse as a handler does, before it was asked: with the response's status, or the one that `st` stands for. */
enum MHD_Result send_problem(struct exchange *x, enum status st, const struct error *why);

/* Refuse with a status of HTTP's own, before a handler was asked. */
enum MHD_Result send_refusal(struct exchange *x, int status, const char *fmt, ...) PRINTF_LIKE(3, 4);

extern const struct sse_calls STREAM_CALLS; /* of a stream whose connection is an exchange, see sse_open() */

/* ---- account.c; whoever owns the exchange ---- */

/* Put on record what is about to be done, and what is about to be replied, see http_hooks; a failure has been logged. */
MUST_USE enum status account_intent(const struct exchange *x);
enum status account_reply(const struct exchange *x);

void account_end(const struct exchange *x); /* its line of the log, and the last hook */

#endif
