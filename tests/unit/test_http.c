/* tests/unit/test_http.c - server/http alone: it is linked with nothing of cxrd's API, and serves another program's
 * routes to that program. */
#include "http/auth.h"
#include "http/http.h"
#include "http/listen.h"

#include "cxrd/log.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Another program than cxrd. */
struct app {
    atomic_int greeted, begun, replied, over, without_route, held, large;
    atomic_bool go;
};

static enum status greet(struct app *app, const struct http_request *req, struct http_response *res,
                         struct error *err)
{
    if (strcmp(req->id, "0123456789abcdef") == 0)
        return error_set(err, ST_NOTFOUND, "nobody has that name");
    atomic_fetch_add(&app->greeted, 1);
    return http_json(res, json_pack("{s:s}", "hello", req->id));
}

/* Keeps the thread that calls it, until the test says otherwise. */
static enum status hold(struct app *app, const struct http_request *req, struct http_response *res,
                        struct error *err)
{
    const struct timespec nap = { .tv_nsec = 1000000 };

    atomic_fetch_add(&app->held, 1);
    while (!atomic_load(&app->go))
        nanosleep(&nap, NULL);
    return greet(app, req, res, err);
}

enum { MOST_BODY = 2 << 20 };

static const struct route GREETINGS[] = {
    { "GET", "/hello/{id}", ROLE_PUBLIC, QUEUE_FILES, 0, greet },
    { "GET", "/now/{id}", ROLE_PUBLIC, QUEUE_INLINE, 0, greet },
    { "GET", "/probe/{id}", ROLE_PUBLIC, QUEUE_PROBE, 0, greet },
    { "GET", "/hold/{id}", ROLE_PUBLIC, QUEUE_INLINE, 0, hold },
    { "POST", "/ask/{id}", ROLE_PUBLIC, QUEUE_PREDICT, MOST_BODY, greet },
    { "POST", "/keep/{id}", ROLE_PUBLIC, QUEUE_FILES, MOST_BODY, greet },
};

static enum status on_intent(struct app *app, const struct http_done *done, struct error *err)
{
    (void)done, (void)err;
    atomic_fetch_add(&app->begun, 1);
    return ST_OK;
}

static enum status on_before(struct app *app, const struct http_done *done, struct error *err)
{
    (void)done, (void)err;
    atomic_fetch_add(&app->replied, 1);
    return ST_OK;
}

static void on_after(struct app *app, const struct http_done *done)
{
    atomic_fetch_add(done->route ? &app->over : &app->without_route, 1);
}

static void on_large(struct app *app) { atomic_fetch_add(&app->large, 1); }

static struct http *start(struct app *app, struct auth **ret_auth)
{
    const struct auth_options open_to_all = { .loopback = true };
    struct listen_address address;
    struct http_options options = { .listen = &address,
                                    .decode_workers = 1,
                                    .routes = { GREETINGS, sizeof GREETINGS / sizeof GREETINGS[0] },
                                    .workers = 1,
                                    .queue = 4,
                                    .request_s = 30,
                                    .keep_alive_s = 15,
                                    .connections = 16, /* 12 of them at work */
                                    .of_a_source = 4,  /* and 2 that wait */
                                    .files = 2,
                                    .max_streams = 1,
                                    .ping_s = 15,
                                    .drain_s = 1,
                                    .hooks = { on_intent, on_before, on_after, on_large },
                                    .base_path = "" };
    struct error err = { 0 };
    struct http *server = NULL;

    log_set_level(LOG_OFF);
    cr_assert_eq(listen_resolve("127.0.0.1:0", &address, &err), ST_OK, "%s", err.text);
    cr_assert_eq(auth_open(&open_to_all, ret_auth, &err), ST_OK, "%s", err.text);
    options.auth = *ret_auth;
    cr_assert_eq(http_start(&options, app, &server, &err), ST_OK, "%s", err.text);
    return server;
}

static int connected(const struct http *server)
{
    const char *port = strrchr(http_address(server), ':');
    const struct sockaddr_in to = { .sin_family = AF_INET,
                                    .sin_port = htons((uint16_t)strtoul(port + 1, NULL, 10)),
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const int fd = socket(AF_INET, SOCK_STREAM, 0);

    cr_assert_eq(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static void ask(int fd, const char *path, const char *header)
{
    char head[256];

    snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n", path, header);
    cr_assert_eq(send(fd, head, strlen(head), MSG_NOSIGNAL), (ssize_t)strlen(head));
}

/* The status of the reply that begins here, 0: the connection ends without; once some of it has come. */
static int status_of(int fd)
{
    char reply[4096];
    const ssize_t n = recv(fd, reply, sizeof reply - 1, 0);

    if (n < 13)
        return 0;
    reply[n] = '\0';
    return (int)strtol(reply + 9, NULL, 10);
}

/* The status of a GET on a connection of its own, and what the whole reply is. */
static int get(const struct http *server, const char *path, char *ret, size_t size)
{
    const int fd = connected(server);
    size_t n = 0;
    ssize_t got;

    ask(fd, path, "Connection: close\r\n");
    while ((got = recv(fd, ret + n, size - 1 - n, 0)) > 0)
        n += (size_t)got;
    close(fd);
    ret[n] = '\0';
    return n > 12 ? (int)strtol(ret + 9, NULL, 10) : 0;
}

Test(http, another_programs_routes_are_served_to_it)
{
    struct app app = { 0 };
    struct auth *auth = NULL;
    struct http *server = start(&app, &auth);
    struct http_counts counts;
    char reply[4096];

    cr_assert_eq(get(server, "/hello/fedcba9876543210", reply, sizeof reply), 200, "%s", reply);
    cr_assert(strstr(reply, "{\"hello\":\"fedcba9876543210\"}"), "%s", reply);
    cr_assert_eq(get(server, "/now/fedcba9876543210", reply, sizeof reply), 200, "%s", reply);
    cr_assert_eq(get(server, "/hello/0123456789abcdef", reply, sizeof reply), 404, "%s", reply);
    cr_assert(strstr(reply, "nobody has that name"), "%s", reply);
    cr_assert_eq(get(server, "/predict", reply, sizeof reply), 404, "%s", reply);
    http_counts(server, &counts);
    cr_assert_eq(counts.most_connections, 16);
    http_stop(server);
    auth_close(auth);
    cr_assert_eq(app.greeted, 2);
    cr_assert_eq(app.begun, 3, "the hook is asked before each handler");
    cr_assert_eq(app.replied, 4, "and before each reply");
    cr_assert_eq(app.over, 3);
    cr_assert_eq(app.without_route, 1);
}

/* ---- a picture is announced ---- */

/* The status of a POST of `n` bytes. */
static int posted(const struct http *server, const char *path, size_t n)
{
    const int fd = connected(server);
    char head[256], *body = calloc(1, n);
    int status;

    cr_assert_not_null(body);
    snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %zu\r\n\r\n", path,
             n);
    cr_assert_eq(send(fd, head, strlen(head), MSG_NOSIGNAL), (ssize_t)strlen(head));
    for (size_t sent = 0; sent < n;) {
        const ssize_t k = send(fd, body + sent, n - sent, MSG_NOSIGNAL);

        if (k <= 0)
            break; /* it was refused */
        sent += (size_t)k;
    }
    status = status_of(fd);
    close(fd);
    free(body);
    return status;
}

Test(http, a_large_body_of_a_prediction_is_told_of_once_before_its_handler)
{
    struct app app = { 0 };
    struct auth *auth = NULL;
    struct http *server = start(&app, &auth);

    cr_assert_eq(posted(server, "/ask/fedcba9876543210", 1000), 200);
    cr_assert_eq(posted(server, "/keep/fedcba9876543210", MOST_BODY), 200);
    cr_assert_eq(posted(server, "/nowhere", MOST_BODY), 404);
    cr_assert_eq(posted(server, "/ask/fedcba9876543210", MOST_BODY + 1), 413);
    cr_assert_eq(app.large, 0);
    cr_assert_eq(posted(server, "/ask/fedcba9876543210", MOST_BODY), 200);
    cr_assert_eq(app.large, 1);
    cr_assert_eq(posted(server, "/ask/fedcba9876543210", MOST_BODY), 200);
    cr_assert_eq(app.large, 2);
    http_stop(server);
    auth_close(auth);
}

/* ---- places are short, and the network threads are late ---- */

enum { CROWD = 10, DESCRIPTORS = 1024 };

/* Which of the two network threads has the other end: the library chooses by the descriptor. */
static int thread_of(int client)
{
    struct sockaddr_in own, peer;
    socklen_t size = sizeof own;

    cr_assert_eq(getsockname(client, (struct sockaddr *)&own, &size), 0);
    for (int fd = 0;; fd = (fd + 1) % DESCRIPTORS) { /* until it is accepted */
        size = sizeof peer;
        if (getpeername(fd, (struct sockaddr *)&peer, &size) == 0 && peer.sin_family == AF_INET &&
            peer.sin_port == own.sin_port)
            return fd % 2;
    }
}

/* The others that it takes stay, and wait. */
static int connected_to(const struct http *server, int thread)
{
    for (;;) {
        const int fd = connected(server);

        if (thread_of(fd) == thread)
            return fd;
        cr_assert_geq(dup(fd), 0); /* an even number of descriptors would change nothing */
    }
}

/* To both threads, more or less by turns. */
static void connect_crowd(const struct http *server)
{
    for (int i = 0; i < CROWD; i++) {
        connected(server);
        cr_assert_geq(dup(STDERR_FILENO), 0);
    }
}

static void wait_until(const atomic_int *number, int least)
{
    const struct timespec nap = { .tv_nsec = 1000000 };

    while (atomic_load(number) < least) /* Criterion's limit ends it where it never comes */
        nanosleep(&nap, NULL);
}

Test(http, one_that_gives_way_is_answered_what_it_has_asked, .timeout = 120)
{
    struct app app = { 0 };
    struct auth *auth = NULL;
    struct http *server = start(&app, &auth);
    int asked, silent;

    for (int thread = 0; thread < 2; thread++)
        ask(connected_to(server, thread), "/hold/fedcba9876543210", "");
    wait_until(&app.held, 2); /* now nobody looks at what comes */
    asked = connected(server);
    silent = connected(server);
    ask(asked, "/probe/fedcba9876543210", "");
    connect_crowd(server);
    atomic_store(&app.go, true);
    cr_assert_eq(status_of(asked), 200);
    cr_assert_eq(status_of(asked), 0, "it has its reply, and goes");
    cr_assert_eq(status_of(silent), 0);
    http_stop(server);
    auth_close(auth);
}

Test(http, the_last_that_came_is_the_last_to_go_however_late_a_thread_is, .timeout = 120)
{
    struct app app = { 0 };
    struct auth *auth = NULL;
    struct http *server = start(&app, &auth);
    int last[2];

    ask(connected_to(server, 0), "/hold/fedcba9876543210", "");
    wait_until(&app.held, 1);
    connect_crowd(server);
    for (int thread = 0; thread < 2; thread++)
        last[thread] = connected_to(server, thread);
    ask(last[1], "/probe/fedcba9876543210", "");
    cr_assert_eq(status_of(last[1]), 200);
    atomic_store(&app.go, true); /* the other meets its part of the crowd */
    ask(last[0], "/probe/fedcba9876543210", "");
    cr_assert_eq(status_of(last[0]), 200);
    ask(last[1], "/probe/fedcba9876543210", "");
    cr_assert_eq(status_of(last[1]), 200);
    http_stop(server);
    auth_close(auth);
}
