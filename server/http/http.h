/* server/http/http.h - what a handler sees of HTTP: a request that is complete, a response to fill. No sockets.
 *
 * The life of a request: head -> checks and route -> body, up to the route's limit -> a worker of the route's queue
 * calls the handler -> reply. Handlers run in worker threads and may block; QUEUE_INLINE handlers run in the network
 * threads and must not. How the network is built, and what is here because of the library: docs/internals/http.md. */
#ifndef SERVER_HTTP_HTTP_H
#define SERVER_HTTP_HTTP_H

#include "cxrd/buf.h"
#include "cxrd/id.h"
#include "cxrd/shared.h"
#include "cxrd/status.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct multipart;
struct app; /* the program's own: handed to handlers and hooks as it is, and never looked into here */

enum {
    MAX_TARGET = 4096, /* bytes of a path with its query */
    QUERY_TEXT =
        2048, /* of a value in it: 64 findings of usual names, each with a threshold beside it in another one */
    PARAMETER_TEXT = 8192, /* of a value in it or in a form: a history of all findings that there may be */
    HTTP_TEXT = 256,
    KEY_NAME_SIZE = 65,
    ADDRESS_TEXT = 48,
    MAX_SHARED_BODIES = 8, /* large ones at a time that are in memory of a descriptor, see body.h */
    PATH_ID_SIZE = 65,     /* an ID_SIZE, or a UID of DICOM */
};

struct http_request {
    const char *method;       /* "GET" */
    const char *path, *query; /* raw: as they were sent, the query without '?', "" where there is none */
    const char
        *asked; /* the path with the prefix that this server has for others (--base-path), as they know it */
    char id[PATH_ID_SIZE]; /* the path's {id} or {uid}, "" where it has none */
    const void *body;      /* borrowed, complete, within the route's limit; NULL when empty */
    size_t body_len;
    const struct multipart
        *form; /* the body taken apart, where it is a form and the route takes one; NULL otherwise */
    const struct shared *shared;  /* sealed memory that the body is in, from its first byte on; NULL: none */
    size_t announced;             /* the Content-Length; 0: none */
    char content_type[HTTP_TEXT]; /* header values, "" where there is none */
    char content_encoding[HTTP_TEXT];
    char accept[HTTP_TEXT], accept_encoding[HTTP_TEXT], if_none_match[HTTP_TEXT];
    char if_model_epoch[HTTP_TEXT];
    char idempotency_key[HTTP_TEXT];
    char last_event_id[HTTP_TEXT];
    char request_id[HTTP_TEXT]; /* taken from X-Request-Id or made */
    char event_id
        [ID_SIZE];     /* made here, whatever a client sends: what lines about this request are paired by */
    char trace_id[33]; /* of traceparent (W3C Trace Context), "" where there is none */
    char source[ADDRESS_TEXT]; /* the address it came from: a proxy's, where there is one */
    struct http *http;         /* for http_counts() and http_is_late() */
    char who[KEY_NAME_SIZE];   /* the name of the key that let it in, "" where none is asked for */
    double received;           /* clock_seconds() when the body was complete */
    bool draining;             /* the server is about to stop */
};

/* The value of a parameter into `ret`: of the query, percent-decoded, else of the form. False: it is in neither. Handlers see no query
 * and no form with a fault. */
bool http_parameter(const struct http_request *req, const char *name, char ret[PARAMETER_TEXT]);

enum { MAX_HEADERS = 8 };

/* Where the events of a reply that goes on come from, see sse.h. */
struct http_stream {
    /* Append what is new, as server-sent events; *ret_ended: nothing will follow. A failure ends the stream. Called by
     * one thread for all streams, so it must not wait for what may take long. NULL: there is no stream. */
    enum status (*more)(void *arg, struct buf *out, bool *ret_ended);
    void (*close)(void *arg); /* once, at the end */
    void *arg;
};

/* Bytes that are sent from where they are, however many are sent them. */
struct http_lent {
    const void *bytes; /* NULL: none */
    size_t size;
    void (*give_back)(
        void *arg); /* once, when they are no longer needed; any thread; NULL: they stay for ever */
    void *arg;
};

struct http_response {
    int status; /* 0: 200 when the handler returns ST_OK, else what the status code stands for */
    const char *content_type; /* NULL: application/json */
    struct buf body;          /* owned; handed to the network layer */
    int fd;                   /* instead of a body: send this file, then close it; -1: none */
    size_t fd_size;
    struct http_lent lent;     /* instead of a body: bytes that others send as well */
    struct http_stream stream; /* instead of a body: events that go on; taken over */
    struct {
        const char *name;
        char value[HTTP_TEXT];
    } headers[MAX_HEADERS];
    size_t n_headers;
    json_t
        *notes; /* of the handler, for the log line and the audit; nothing of a patient; owned; NULL: none */
    json_t *errors; /* of a problem: [{field, detail}], owned; NULL: none */
};

void http_header_add(struct http_response *res, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Write a JSON value, which is taken over, as the body. Numbers carry 9 significant digits. ST_NOMEM: also when memory was
 * lacking while the handler built it, see cxrd/json.h; a finding less must not look like an answer. */
MUST_USE enum status http_json(struct http_response *res, json_t *value);

/* A handler either fills the response and returns ST_OK, or returns another status and says why in *err: the network
 * layer then makes an application/problem+json of it. */
typedef enum status handler_fn(struct app *app, const struct http_request *req, struct http_response *res,
                               struct error *err);

/* QUEUE_PROBE is answered in the network threads as QUEUE_INLINE is, and whatever goes on; such a reply is small.
 * QUEUE_METRICS is apart, so that whoever may see no more than that keeps nobody from anything else; QUEUE_RESULTS is, since its
 * handlers wait for an archive to take what they have predicted, and no other prediction is to wait with them. QUEUE_DECODE is for
 * predictions that wait for another process first, QUEUE_LOAD for those whose model is loaded first; they are no route's, see struct
 * route. */
enum queue {
    QUEUE_INLINE,
    QUEUE_PROBE,
    QUEUE_PREDICT,
    QUEUE_DECODE,
    QUEUE_LOAD,
    QUEUE_RESULTS,
    QUEUE_FILES,
    QUEUE_METRICS,
    N_QUEUES
};

/* Whether a route computes predictions. */
bool queue_predicts(enum queue queue);
enum role { ROLE_PUBLIC, ROLE_PREDICT, ROLE_ADMIN };

struct route {
    const char *method,
        *path; /* {id} stands for one segment that looks like an id, {uid} for digits and dots, {file} for a file */
    enum role role;
    enum queue queue;
    size_t max_body; /* bytes; 0: a body is refused; MAX_BODY_UPLOAD: as configured */
    handler_fn *handler;
    /* Refuses what the handler would refuse for the head alone, with its words. Asked for a client that waits to hear whether to
     * send the body (Expect: 100-continue), in a network thread: it must not wait for anything. NULL: nothing. */
    handler_fn *at_head;
    /* In which queue the handler of a request that is complete is called, since it waits there: QUEUE_DECODE, QUEUE_LOAD or the route's own.
     * Called in a worker's thread of the route's queue. NULL: the route's own, always. */
    enum queue (*waits_in)(struct app *app, const struct http_request *req);
    const char *query; /* the names of the parameters that it takes, a blank between two; NULL: none */
    bool forms;        /* a body that is multipart/form-data has fields of these names, too */
    bool
        any_query; /* for people: others put marks on a link that they pass on (?utm_source=mail), which are ignored */
    const char *thing; /* of which {id} is one, for the sentence that there is none: "job"; NULL: no {id} */
};
enum { MAX_BODY_UPLOAD = -1 };

/* All routes. Borrowed, and never changed while the server runs. */
struct route_table {
    const struct route *routes; /* [n] */
    size_t n;
};

/* Look a method and a raw path up in a route table: the route, or NULL and the status that the table implies,
 * 404 or 405, with the methods that exist for the path in `allow`. HEAD is GET. */
const struct route *route_find(const struct route_table *table, const char *method, const char *path,
                               char id[PATH_ID_SIZE], int *ret_status, char allow[HTTP_TEXT]);

/* The `thing` of the route that a path is like, but for another word where its {id} should stand; NULL: no route is like it. */
const char *route_thing(const struct route_table *table, const char *path);

/* The path of the route that is near a path of none, for a sentence: a third of it may be wrong, whatever stands for its {id}. NULL: each
 * is too far away. */
const char *route_meant(const struct route_table *table, const char *path);

/* The fault of a query as it was sent, one sentence; NULL: it has none. */
const char *query_fault(const char *query);

/* Whether a query has a parameter that a route does not take, or one without a value; a sentence then names it, and the one that is meant
 * where one is near.
 *   taken  struct route's query */
bool query_unknown(const char *taken, const char *query, char ret[HTTP_TEXT]);

/* Take the body of a request apart, which is a form. Fields of other names than a route takes are let be.
 *   taken  as above
 * Errors: ST_FORMAT (multipart_parse()'s and ST_LIMIT's; a field twice, too long, or no text). */
MUST_USE enum status form_take(const char *taken, const struct http_request *req, struct multipart *ret,
                               struct error *err);

/* ---- the server ---- */

struct http;
struct auth;
struct listen_address;

/* A request whose reply is known. */
struct http_done {
    const struct http_request *req;
    const struct route *route; /* NULL: none */
    int status;                /* 0: the connection ended without a reply */
    double seconds;
    size_t body_bytes;   /* received */
    const json_t *notes; /* the handler's, or NULL */
    bool handled;        /* a handler was called, so what it refuses is no stranger's request */
};

struct http_hooks {
    /* Before a handler is called, in its thread; done->status is 0. Another status than ST_OK, and a 503 is sent instead
     * of calling it: what must be recorded is not done without the record. Of GET nothing may be awaited here. */
    enum status (*intent)(struct app *app, const struct http_done *done, struct error *err);
    /* Before a reply is sent. Another status than ST_OK, and a 503 is sent instead, so only what changed nothing may fail
     * for want of a record. In the handler's thread, or for a refusal in a network thread, which must not wait. */
    enum status (*before)(struct app *app, const struct http_done *done, struct error *err);
    /* After the last byte, in a network thread. */
    void (*after)(struct app *app, const struct http_done *done);
    /* A request for a prediction has a large body, of which the first part has come; in a network thread, which must not wait. NULL:
     * nobody is told. */
    void (*large)(struct app *app);
};

struct http_options {
    const struct listen_address *listen; /* borrowed while http_start() runs */
    struct route_table routes;
    size_t workers;        /* of QUEUE_PREDICT */
    size_t decode_workers; /* of QUEUE_DECODE, 1 at least */
    size_t queue;          /* requests that may wait in one */
    size_t max_upload;     /* bytes */
    double request_s;      /* how long a request may take to come, and to wait */
    double keep_alive_s;   /* how long a connection may wait for the next one */
    size_t connections;    /* at a time, 8 at least */
    size_t of_a_source;    /* of them from one address; 0: seven eighths */
    size_t files;          /* that are sent at a time */
    size_t max_streams;    /* readers of events at a time; at most half of what can be at work */
    double ping_s;         /* seconds of silence after which they get a comment */
    double drain_s;        /* how long http_stop() works off what waits; then only what runs is waited for */
    struct auth *auth;     /* who may; borrowed */
    struct http_hooks hooks;
    const char *base_path;          /* "/cxrd": all paths begin with it; "" none */
    const char *tls_cert, *tls_key; /* paths of PEM files; NULL: no TLS */
};

/* Start to listen. Errors: ST_IO (cannot listen there, or the TLS files), ST_NOMEM. */
MUST_USE enum status http_start(const struct http_options *options, struct app *app, struct http **ret_http,
                                struct error *err);
struct http_counts {
    size_t connections, most_connections; /* open now; that may be */
    size_t cut, displaced; /* since the start: at their deadline; for newcomers, while they waited */
    size_t requests;       /* begun and not answered */
    size_t body_bytes;     /* of them in memory */
    size_t reply_bytes;    /* and of replies */
    size_t predictions_waiting;
    int64_t certificate_ends; /* seconds since 1970; 0: no TLS */
};
void http_counts(struct http *h, struct http_counts *ret);

/* Whether the server stops, and its time to work off requests (drain_s) is over: a handler that has more than one thing to do does
 * no other then. Any thread. */
bool http_is_late(const struct http *h);

const char *http_address(const struct http *h); /* "127.0.0.1:41234", as bound */

/* Read the TLS files again: new connections get what is in them, the others go on. On failure nothing changes. Any thread.
 * Errors: ST_NOTFOUND, ST_IO, ST_LIMIT, ST_INVALID, ST_NOMEM. */
MUST_USE enum status http_reload(struct http *h, struct error *err);

/* From now on a new request is refused (503), but for those of health; what is in flight goes on. Any thread. */
void http_halt(struct http *h);

/* Take no new connection, answer what is in flight, stop. A request that still waits for a worker after options.drain_s
 * is declined (503), and what has not left a second after the last handler is cut off. NULL is fine. */
void http_stop(struct http *h);

#endif
