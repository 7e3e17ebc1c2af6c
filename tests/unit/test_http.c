/* tests/unit/test_http.c - server/http alone: it is linked with nothing of cxrd's API, and serves another program's
 * routes to that program. */
#include "http/door.h"
#include "http/http.h"
#include "http/listen.h"

#include "cxrd/log.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Another program than cxrd. */
struct app {
    atomic_int greeted, begun, replied, over, without_route;
};

static enum status greet(struct app *app, const struct http_request *req, struct http_response *res,
                         struct error *err)
{
    if (strcmp(req->id, "0123456789abcdef") == 0)
        return error_set(err, ST_NOTFOUND, "nobody has that name");
    atomic_fetch_add(&app->greeted, 1);
    return http_json(res, json_pack("{s:s}", "hello", req->id));
}

static const struct route GREETINGS[] = {
    { "GET", "/hello/{id}", ROLE_PUBLIC, LANE_FILES, 0, greet },
    { "GET", "/now/{id}", ROLE_PUBLIC, LANE_INLINE, 0, greet },
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
    const bool known = done->route == &GREETINGS[0] || done->route == &GREETINGS[1];

    atomic_fetch_add(known ? &app->over : &app->without_route, 1);
}

static struct http *start(struct app *app, struct door **ret_door)
{
    const struct door_options open_to_all = { .loopback = true };
    struct listen_address address;
    struct http_options options = { .listen = &address,
                                    .routes = { GREETINGS, sizeof GREETINGS / sizeof GREETINGS[0] },
                                    .workers = 1,
                                    .queue = 4,
                                    .request_s = 30,
                                    .keep_alive_s = 15,
                                    .connections = 16,
                                    .files = 2,
                                    .max_streams = 1,
                                    .ping_s = 15,
                                    .drain_s = 1,
                                    .hooks = { on_intent, on_before, on_after },
                                    .base_path = "" };
    struct error err = { 0 };
    struct http *server = NULL;

    log_set_level(LOG_OFF);
    cr_assert_eq(listen_resolve("127.0.0.1:0", &address, &err), ST_OK, "%s", err.text);
    cr_assert_eq(door_open(&open_to_all, ret_door, &err), ST_OK, "%s", err.text);
    options.door = *ret_door;
    cr_assert_eq(http_start(&options, app, &server, &err), ST_OK, "%s", err.text);
    return server;
}

/* The status of a GET on a connection of its own, and what the whole reply is. */
static int get(const struct http *server, const char *path, char *ret, size_t size)
{
    const char *port = strrchr(http_address(server), ':');
    const struct sockaddr_in to = { .sin_family = AF_INET,
                                    .sin_port = htons((uint16_t)strtoul(port + 1, NULL, 10)),
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    size_t n = 0;
    ssize_t got;
    char head[256];

    cr_assert_eq(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", path);
    cr_assert_eq(send(fd, head, strlen(head), 0), (ssize_t)strlen(head));
    while ((got = recv(fd, ret + n, size - 1 - n, 0)) > 0)
        n += (size_t)got;
    close(fd);
    ret[n] = '\0';
    return n > 12 ? (int)strtol(ret + 9, NULL, 10) : 0;
}

Test(http, another_programs_routes_are_served_to_it)
{
    struct app app = { 0 };
    struct door *door = NULL;
    struct http *server = start(&app, &door);
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
    door_close(door);
    cr_assert_eq(app.greeted, 2);
    cr_assert_eq(app.begun, 3, "the hook is asked before each handler");
    cr_assert_eq(app.replied, 4, "and before each reply");
    cr_assert_eq(app.over, 3);
    cr_assert_eq(app.without_route, 1);
}
