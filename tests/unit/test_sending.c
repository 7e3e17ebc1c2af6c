/* tests/unit/test_sending.c - what one request does with what a name leads to. The names are resolved here: the program's
 * own getaddrinfo() stands before the C library's, for libcurl too. */
#include "cxrd/outgoing.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <curl/curl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 4 };

static const char *answers[MOST][MOST]; /* the addresses that a name has, each time that it is asked for */
static atomic_int asked;                /* by a thread of libcurl */
static sem_t *hold;                     /* NULL: answer at once */

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
    struct addrinfo **next = ret;
    const int turn = asked++;

    (void)node, (void)hints;
    *ret = NULL;
    if (hold)
        sem_wait(hold);
    for (int i = 0; turn < MOST && i < MOST && answers[turn][i]; i++) {
        struct {
            struct addrinfo info;
            struct sockaddr_in address;
        } *one = calloc(1, sizeof *one);

        one->address.sin_family = AF_INET;
        one->address.sin_port = htons((uint16_t)(service ? strtol(service, NULL, 10) : 0));
        inet_pton(AF_INET, answers[turn][i], &one->address.sin_addr);
        one->info = (struct addrinfo){ .ai_family = AF_INET,
                                       .ai_socktype = SOCK_STREAM,
                                       .ai_protocol = IPPROTO_TCP,
                                       .ai_addrlen = sizeof one->address,
                                       .ai_addr = (struct sockaddr *)&one->address };
        *next = &one->info;
        next = &one->info.ai_next;
    }
    return *ret ? 0 : EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *list)
{
    while (list) {
        struct addrinfo *next = list->ai_next;

        free(list);
        list = next;
    }
}

/* A port of 127.0.0.1 at which nobody is spoken to; how many have knocked is known. */
struct door {
    int fd;
    char place[64]; /* of a name that leads here */
};

static struct door door_make(void)
{
    struct door d = { .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) };
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof at;

    cr_assert_eq(bind(d.fd, (struct sockaddr *)&at, size), 0);
    cr_assert_eq(listen(d.fd, 8), 0);
    cr_assert_eq(getsockname(d.fd, (struct sockaddr *)&at, &size), 0);
    snprintf(d.place, sizeof d.place, "name.example:%d", ntohs(at.sin_port));
    return d;
}

static int door_knocks(const struct door *d)
{
    int n = 0;

    for (int fd; (fd = accept(d->fd, NULL, NULL)) >= 0; n++)
        close(fd);
    return n;
}

static struct outgoing *allowing(const struct door *d)
{
    const struct outgoing_options options = { .hosts = { [OUTGOING_DATA] = d->place },
                                              .private_hosts = d->place };
    struct outgoing *o = NULL;
    struct error err = { 0 };

    cr_assert_eq(outgoing_open(&options, &o, &err), ST_OK, "%s", err.text);
    return o;
}

static bool at_once(void *arg)
{
    (void)arg;
    return asked > 0;
}

static enum status send_to(const struct outgoing *o, const struct door *d, long seconds,
                           bool (*stopped)(void *arg), struct error *err)
{
    char url[96];
    const struct outgoing_request request = {
        .use = OUTGOING_DATA, .url = url, .seconds = seconds, .stopped = stopped
    };
    long status;

    snprintf(url, sizeof url, "https://%s/", d->place);
    return outgoing_send(o, &request, &status, err);
}

Test(names, are_asked_for_each_time_and_judged_by_what_they_lead_to_then)
{
    const struct door d = door_make();
    struct outgoing *o = allowing(&d);
    struct error err = { 0 };

    answers[0][0] = "127.0.0.1"; /* which is allowed here; then the name changes its mind */
    answers[1][0] = "169.254.169.254";
    answers[2][0] = "0.0.0.0"; /* which leads here too */
    cr_assert_eq(send_to(o, &d, 1, NULL, &err), ST_IO, "%s", err.text);
    cr_assert_eq(door_knocks(&d), 1);
    cr_assert_eq(send_to(o, &d, 1, NULL, &err), ST_UNUSABLE, "%s", err.text);
    cr_assert_eq(send_to(o, &d, 1, NULL, &err), ST_UNUSABLE, "%s", err.text);
    cr_assert_eq(asked, 3);
    cr_assert_eq(door_knocks(&d), 0);
    outgoing_close(o);
    close(d.fd);
}

/* A network that has, beside the address that can be asked, one that must not be: an asking that fails is one like any other. */
Test(names, that_lead_to_a_good_address_too_may_be_asked_again)
{
    const struct door d = door_make();
    struct outgoing *o = allowing(&d);
    struct error err = { 0 };

    answers[0][0] = "169.254.0.1";
    answers[0][1] = "127.0.0.1";
    cr_assert_eq(send_to(o, &d, 1, NULL, &err), ST_IO, "%s", err.text);
    cr_assert_eq(door_knocks(&d), 1);
    outgoing_close(o);
    close(d.fd);
}

/* The test ends when the request does, not when the answer comes: that never does. */
Test(names, that_nobody_resolves_hold_nobody_up, .timeout = 60)
{
    const struct door d = door_make();
    struct outgoing *o = allowing(&d);
    struct error err = { 0 };
    sem_t never;

    sem_init(&never, 0, 0);
    hold = &never;
    cr_assert_eq(send_to(o, &d, 0, at_once, &err), ST_CANCELLED, "%s", err.text);
    cr_assert_eq(send_to(o, &d, 1, NULL, &err), ST_IO, "%s", err.text);
    cr_assert_eq(door_knocks(&d), 0);
    outgoing_close(o);
    close(d.fd);
}

/* ---- a host that is slow ---- */

struct slow_host {
    struct door door;
    size_t piece; /* bytes, every 50 ms */
    size_t pieces;
};

static void *slow_host_main(void *arg)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n";
    const struct slow_host *h = arg;
    const struct timespec nap = { 0, 50 * 1000000L };
    struct pollfd knock = { .fd = h->door.fd, .events = POLLIN };
    char text[1024];
    int fd;

    poll(&knock, 1, -1);
    fd = accept(h->door.fd, NULL, NULL);
    read(fd, text, sizeof text);
    dprintf(fd, head, h->pieces * h->piece);
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < h->pieces && send(fd, text, h->piece, MSG_NOSIGNAL) == (ssize_t)h->piece; i++)
        nanosleep(&nap, NULL);
    close(fd);
    return NULL;
}

static bool count(void *arg, const void *bytes, size_t n)
{
    (void)bytes;
    *(size_t *)arg += n;
    return true;
}

/* How many bytes came. */
static size_t fetch_from(size_t piece, size_t pieces, enum status expected)
{
    struct slow_host host = { .door = door_make(), .piece = piece, .pieces = pieces };
    char place[64], url[96];
    const struct outgoing_options options = { .hosts = { [OUTGOING_DATA] = place } };
    size_t came = 0;
    const struct outgoing_request request = {
        .use = OUTGOING_DATA, .url = url, .slow_seconds = 1, .data = count, .arg = &came
    };
    struct outgoing *o = NULL;
    struct error err = { 0 };
    pthread_t thread;
    long status;

    snprintf(place, sizeof place, "http://127.0.0.1:%s", strchr(host.door.place, ':') + 1);
    snprintf(url, sizeof url, "%s/", place);
    cr_assert_eq(outgoing_open(&options, &o, &err), ST_OK, "%s", err.text);
    cr_assert_eq(pthread_create(&thread, NULL, slow_host_main, &host), 0);
    cr_assert_eq(outgoing_send(o, &request, &status, &err), expected, "%s", err.text);
    pthread_join(thread, NULL);
    outgoing_close(o);
    close(host.door.fd);
    return came;
}

Test(hosts, that_bring_next_to_nothing_are_let_go)
{
    const size_t came = fetch_from(1, 2000, ST_IO);

    cr_assert(came > 0 && came < 2000, "%zu", came);
}

Test(hosts, that_take_their_time_are_waited_for) { cr_assert_eq(fetch_from(1000, 60, ST_OK), 60000); }

/* ---- without memory ---- */

static atomic_long allocations; /* of libcurl's, by its threads too */
static long refuse_at;          /* 0: none is refused */

static bool refused(void) { return ++allocations == refuse_at; }
static void *try_malloc(size_t n) { return refused() ? NULL : malloc(n); }
static void *try_realloc(void *p, size_t n) { return refused() ? NULL : realloc(p, n); }
static void *try_calloc(size_t n, size_t size) { return refused() ? NULL : calloc(n, size); }
static char *try_strdup(const char *text) { return refused() ? NULL : strdup(text); }

/* A limit that cannot be set is not left out: the environment's proxy is not asked, whichever allocation fails. */
Test(limits, are_all_set_or_nobody_is_asked)
{
    const struct door nobody = door_make(), proxy = door_make();
    char address[96];
    struct outgoing *o;
    struct error err = { 0 };
    enum status st;

    snprintf(address, sizeof address, "http://127.0.0.1:%s", strchr(proxy.place, ':') + 1);
    setenv("https_proxy", address, 1);
    close(nobody.fd);
    cr_assert_eq(
        curl_global_init_mem(CURL_GLOBAL_DEFAULT, try_malloc, free, try_realloc, try_strdup, try_calloc),
        CURLE_OK);
    o = allowing(&nobody);
    answers[0][0] = "127.0.0.1";
    do {
        asked = 0;
        allocations = 0;
        refuse_at++;
        st = send_to(o, &nobody, 1, NULL, &err);
        cr_assert_neq(st, ST_OK);
    } while (allocations >= refuse_at);
    cr_assert_eq(st, ST_IO, "%s", err.text);
    cr_assert_gt(refuse_at, 20, "only %ld", refuse_at);
    cr_assert_eq(door_knocks(&proxy), 0);
    outgoing_close(o);
    close(proxy.fd);
}
