/* tests/support/postgresql_proxy.c - see postgresql_proxy.h. */
#include "postgresql_proxy.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { LATE_MS = 100, MOST = 1 << 20 };

static pthread_t thread;
static int listener = -1;
static struct sockaddr_un server_at;
static atomic_bool over, refuses, silent, armed, acted;
static atomic_int passed, n_connections;
static atomic_int at_message; /* before it acts */
static _Atomic(enum proxy_act) what;
static _Atomic pid_t process;

static void address_of(const char *folder, struct sockaddr_un *ret)
{
    *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
    cr_assert_lt(snprintf(ret->sun_path, sizeof ret->sun_path, "%s/.s.PGSQL.5432", folder),
                 (int)sizeof ret->sun_path);
}

static bool send_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        const ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        bytes += sent;
        n -= (size_t)sent;
    }
    return true;
}

/* Bytes of the first message, 0 while it is not whole. The first one of a connection has no letter. */
static size_t message_size(const char *bytes, size_t n, bool first)
{
    const size_t letter = first ? 0 : 1;
    const unsigned char *at = (const unsigned char *)bytes + letter;
    size_t size;

    if (n < letter + 4)
        return 0;
    size = letter + ((size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3]);
    return size <= n ? size : 0;
}

struct pair {
    int client, server;
    char *bytes; /* of the client, not sent on yet */
    size_t n;
    bool begun;
};

static bool read_client(struct pair *p)
{
    const ssize_t got = recv(p->client, p->bytes + p->n, MOST - p->n, MSG_DONTWAIT);

    if (got > 0)
        p->n += (size_t)got;
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

static void drop(struct pair *p, size_t n)
{
    memmove(p->bytes, p->bytes + n, p->n - n);
    p->n -= n;
}

/* The server sees an end, and is waited for until it has done what came before it. */
static void server_end(struct pair *p)
{
    char waste[4096];

    shutdown(p->server, SHUT_WR);
    while (recv(p->server, waste, sizeof waste, 0) > 0)
        ;
}

/* true: the connection is over */
static bool act(struct pair *p)
{
    atomic_store(&armed, false);
    if (atomic_load(&what) == PROXY_STOP)
        kill(atomic_load(&process), SIGSTOP);
    if (atomic_load(&what) == PROXY_KILL)
        kill(atomic_load(&process), SIGKILL);
    atomic_store(&refuses, atomic_load(&what) == PROXY_GONE);
    atomic_store(&silent, atomic_load(&what) == PROXY_SILENT);
    if (atomic_load(&what) != PROXY_KILL)
        atomic_store(&acted, true);
    if (atomic_load(&what) == PROXY_STOP || atomic_load(&what) == PROXY_SILENT)
        return false;
    if (atomic_load(&what) == PROXY_LATE)
        read_client(p);
    shutdown(p->client, SHUT_RDWR);
    if (atomic_load(&what) == PROXY_LATE) {
        nanosleep(&(struct timespec){ .tv_nsec = LATE_MS * 1000000L }, NULL);
        send_all(p->server, p->bytes, p->n);
    }
    server_end(p);
    atomic_store(&acted, true); /* of a kill: the server has done all that came before it */
    return true;
}

/* false: the connection is over */
static bool pass_on(struct pair *p)
{
    size_t size;

    while ((size = message_size(p->bytes, p->n, !p->begun)) > 0) {
        if (p->begun && atomic_load(&armed) && atomic_fetch_add(&passed, 1) == atomic_load(&at_message) &&
            act(p))
            return false;
        if (atomic_load(&silent))
            return true;
        p->begun = true;
        if (!send_all(p->server, p->bytes, size))
            return false;
        drop(p, size);
    }
    return true;
}

static void serve(struct pair *p)
{
    char answer[4096];

    while (!atomic_load(&over) && !atomic_load(&refuses)) {
        struct pollfd fds[] = { { .fd = p->client, .events = POLLIN },
                                { .fd = p->server, .events = POLLIN } };
        ssize_t got;

        if (poll(fds, 2, 20) <= 0)
            continue;
        if (atomic_load(&silent)) {
            nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
            continue;
        }
        if (fds[0].revents && (!read_client(p) || !pass_on(p)))
            return;
        if (!fds[1].revents)
            continue;
        got = recv(p->server, answer, sizeof answer, 0);
        if (got <= 0 || !send_all(p->client, answer, (size_t)got))
            return;
    }
}

static void *connection_main(void *arg)
{
    struct pair p = { .client = (int)(intptr_t)arg,
                      .server = socket(AF_UNIX, SOCK_STREAM, 0),
                      .bytes = malloc(MOST) };

    if (connect(p.server, (struct sockaddr *)&server_at, sizeof server_at) == 0)
        serve(&p);
    close(p.client);
    close(p.server);
    free(p.bytes);
    atomic_fetch_sub(&n_connections, 1);
    return NULL;
}

static void take(int client)
{
    pthread_t own;

    atomic_fetch_add(&n_connections, 1);
    cr_assert_eq(pthread_create(&own, NULL, connection_main, (void *)(intptr_t)client), 0);
    pthread_detach(own);
}

static void *serve_all(void *arg)
{
    (void)arg;
    while (!atomic_load(&over)) {
        struct pollfd at = { .fd = listener, .events = POLLIN };
        int client;

        if (poll(&at, 1, 20) <= 0)
            continue;
        client = accept(listener, NULL, NULL);
        if (atomic_load(&refuses))
            close(client);
        else
            take(client);
    }
    return NULL;
}

void proxy_begin(const char *server_folder, const char *folder)
{
    struct sockaddr_un at;

    address_of(server_folder, &server_at);
    address_of(folder, &at);
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    cr_assert_eq(listen(listener, 8), 0);
    atomic_store(&over, false);
    cr_assert_eq(pthread_create(&thread, NULL, serve_all, NULL), 0);
}

void proxy_end(void)
{
    atomic_store(&over, true);
    pthread_join(thread, NULL);
    while (atomic_load(&n_connections) > 0)
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    close(listener);
}

void proxy_arm(enum proxy_act act, int after)
{
    atomic_store(&what, act);
    atomic_store(&passed, 0);
    atomic_store(&at_message, after);
    atomic_store(&acted, false);
    atomic_store(&armed, true);
}

bool proxy_acted(void) { return atomic_load(&acted); }

int proxy_disarm(void)
{
    atomic_store(&armed, false);
    return proxy_acted() ? -1 : atomic_load(&passed);
}

void proxy_process(pid_t pid) { atomic_store(&process, pid); }

void proxy_back(void)
{
    atomic_store(&refuses, false);
    atomic_store(&silent, false);
}
