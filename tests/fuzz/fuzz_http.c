/* tests/fuzz/fuzz_http.c - bytes on a connection, through libmicrohttpd and server/http to handlers. The input's first byte
 * says in pieces of how many bytes the rest arrives, but not in more than about MAX_PIECES; 0 is all at once.
 *
 * The route table here has the same paths and limits as the server's, but its handlers keep nothing: they read what a
 * request carries, as the server's do, and answer. */
#include "fuzz.h"

#include "api/input.h"
#include "cxrd/log.h"
#include "cxrd/train_config.h"
#include "http/auth.h"
#include "http/http.h"
#include "http/listen.h"
#include "http/multipart.h"
#include "http_daemon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_PIECES = 12, MAX_TURNS = 4096, SMALL_UPLOAD = 4096 };

/* ---- handlers ---- */

static enum status predict(struct app *app, const struct http_request *req, struct http_response *res,
                           struct error *err)
{
    const struct part *file = NULL;
    enum status st = ST_OK;

    (void)app;
    FUZZ_CHECK(req->body_len <= SMALL_UPLOAD);
    http_header_add(res, "Cache-Control", "no-store");
    if (req->form)
        st = multipart_file(req->form, &file, err);
    return st == ST_OK ? http_json(res, json_pack("{s:I}", "bytes", (json_int_t)req->body_len)) : st;
}

static enum status job(struct app *app, const struct http_request *req, struct http_response *res,
                       struct error *err)
{
    struct train_config c;
    json_t *body = NULL;
    enum status st = body_json(req, res, &body, err);

    (void)app;
    if (st == ST_OK) {
        res->errors = json_array();
        st = train_config_parse(body, &c, res->errors);
        if (st != ST_OK)
            error_set(err, st, "the job is not right");
        else
            st = http_json(res, train_config_json(&c));
    }
    json_decref(body);
    return st;
}

static enum status page(struct app *app, const struct http_request *req, struct http_response *res,
                        struct error *err)
{
    char state[PARAMETER_TEXT];
    struct page p = { 0 };
    const enum status st = page_parse(req, &p, err);

    (void)app;
    if (st != ST_OK)
        return st;
    return http_json(res, json_pack("{s:o,s:b}", "next", cursor_json(p.before), "state",
                                    http_parameter(req, "state", state)));
}

static enum status echo(struct app *app, const struct http_request *req, struct http_response *res,
                        struct error *err)
{
    (void)app;
    if (strcmp(req->id, "0123456789abcdef") == 0)
        return error_set(err, ST_NOTFOUND, "there is no job '%s'", req->id);
    return http_json(res, json_pack("{s:s}", "id", req->id));
}

static const struct route ROUTES[] = {
    { "POST", "/predict", ROLE_PREDICT, QUEUE_PREDICT, (size_t)MAX_BODY_UPLOAD, predict,
      .query = "explain model", .forms = true },
    { "POST", "/jobs/train", ROLE_ADMIN, QUEUE_FILES, 1024, job },
    { "GET", "/jobs", ROLE_PREDICT, QUEUE_FILES, 0, page },
    { "GET", "/jobs/{id}", ROLE_PREDICT, QUEUE_FILES, 0, echo },
    { "POST", "/jobs/{id}/cancel", ROLE_ADMIN, QUEUE_FILES, 1024, echo },
    { "GET", "/livez", ROLE_PUBLIC, QUEUE_INLINE, 0, echo },
};

/* ---- one connection ---- */

static enum status on_before(struct app *nobody, const struct http_done *done, struct error *err)
{
    (void)nobody, (void)done, (void)err;
    return ST_OK;
}

static void on_after(struct app *nobody, const struct http_done *done) { (void)nobody, (void)done; }

static void start_once(void)
{
    static struct http *server;
    static struct app *nobody; /* handlers here do not look at it */
    struct listen_address address;
    const struct auth_options open_to_all = { 0 };
    struct http_options options = { .listen = &address,
                                    .decode_workers = 1,
                                    .routes = { ROUTES, sizeof ROUTES / sizeof ROUTES[0] },
                                    .workers = 1,
                                    .queue = 1,
                                    .max_upload = SMALL_UPLOAD,
                                    .request_s = 30,
                                    .keep_alive_s = 15,
                                    .connections = 256,
                                    .files = 2,
                                    .max_streams = 1,
                                    .ping_s = 15,
                                    .drain_s = 1,
                                    .hooks = { on_before, on_before, on_after },
                                    .base_path = "" };
    struct error err = { 0 };

    if (server)
        return;
    log_set_level(LOG_OFF);
    FUZZ_CHECK(listen_resolve("127.0.0.1:0", &address, &err) == ST_OK);
    FUZZ_CHECK(auth_open(&open_to_all, &options.auth, &err) == ST_OK);
    FUZZ_CHECK(http_start(&options, nobody, &server, &err) == ST_OK);
}

/* Take what the server says; false when it has closed. Its first bytes are HTTP's. */
static bool replies_take(int fd, char begin[8], size_t *n)
{
    static char bytes[16384];

    for (;;) {
        const ssize_t got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);

        if (got <= 0)
            return got < 0 && (errno == EAGAIN || errno == EINTR);
        for (ssize_t i = 0; i < got && *n < 7; i++)
            begin[(*n)++] = bytes[i];
        if (*n == 7)
            FUZZ_CHECK(memcmp(begin, "HTTP/1.", 7) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t least = size / MAX_PIECES + 1;
    const size_t piece = size == 0 || data[0] == 0 ? size : data[0] > least ? data[0] : least;
    char begin[8];
    size_t n = 0;
    bool open = true;
    int ends[2];

    start_once();
    if (size < 2)
        return 0;
    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    FUZZ_CHECK(daemon_adopt(ends[0]));
    for (size_t at = 1; at < size && open; at += piece) {
        const size_t left = size - at;

        send(ends[1], data + at, left < piece ? left : piece, MSG_DONTWAIT | MSG_NOSIGNAL);
        daemon_turn();
        open = replies_take(ends[1], begin, &n);
    }
    shutdown(ends[1], SHUT_WR);
    for (int turn = 0; turn < MAX_TURNS && daemon_connections() > 0; turn++) {
        daemon_turn();
        if (open)
            open = replies_take(ends[1], begin, &n);
    }
    FUZZ_CHECK(daemon_connections() == 0); /* nothing hangs once the client has said all it will say */
    close(ends[1]);
    return 0;
}
