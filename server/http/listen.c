/* server/http/listen.c - see listen.h. */
#include "listen.h"

#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 4096, HOST_SIZE = 64, PORT_SIZE = 8 };

/* "host:port" or "[host]:port" into its parts. */
static bool take_apart(const char *text, char host[HOST_SIZE], char port[PORT_SIZE])
{
    const char *colon = strrchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : 0;

    if (n >= 2 && text[0] == '[' && text[n - 1] == ']') {
        text++;
        n -= 2;
    } else if (colon && memchr(text, ':', n)) {
        return false; /* IPv6 without brackets */
    }
    if (!colon || n == 0 || n >= HOST_SIZE || strlen(colon + 1) == 0 || strlen(colon + 1) >= PORT_SIZE ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1) || strtoul(colon + 1, NULL, 10) > 65535)
        return false;
    memcpy(host, text, n);
    host[n] = '\0';
    snprintf(port, PORT_SIZE, "%s", colon + 1);
    return true;
}

static enum status resolve(const char *listen, struct addrinfo **ret, struct error *err)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    char host[HOST_SIZE], port[PORT_SIZE];
    int rc;

    if (!take_apart(listen, host, port))
        return error_set(err, ST_INVALID, "'%.80s' is not an address such as 127.0.0.1:8080 or [::1]:8080",
                         listen);
    rc = getaddrinfo(host, port, &hints, ret);
    if (rc != 0)
        return error_set(err, ST_INVALID, "cannot resolve '%.80s': %s", listen, gai_strerror(rc));
    return ST_OK;
}

bool http_is_loopback(const char *listen)
{
    struct addrinfo *list = NULL;
    bool loopback = resolve(listen, &list, NULL) == ST_OK;

    for (const struct addrinfo *a = list; a && loopback; a = a->ai_next) {
        const struct sockaddr_in *v4 = (const void *)a->ai_addr;
        const struct sockaddr_in6 *v6 = (const void *)a->ai_addr;

        loopback = a->ai_family == AF_INET ? ntohl(v4->sin_addr.s_addr) >> 24 == 127
                                           : a->ai_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
    }
    if (list)
        freeaddrinfo(list);
    return loopback;
}

static void address_text(int fd, char address[ADDRESS_SIZE])
{
    struct sockaddr_storage bound;
    socklen_t n = sizeof bound;
    char host[HOST_SIZE] = "?", port[PORT_SIZE] = "?";

    if (getsockname(fd, (struct sockaddr *)&bound, &n) == 0)
        getnameinfo((struct sockaddr *)&bound, n, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(address, ADDRESS_SIZE, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

enum status listen_open(const char *listen_text, int *ret_fd, char ret_address[ADDRESS_SIZE],
                        struct error *err)
{
    struct addrinfo *list = NULL;
    const int on = 1;
    enum status st = resolve(listen_text, &list, err);
    int fd;

    if (st != ST_OK)
        return st;
    fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, list->ai_addr, list->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        st = error_errno(err, ST_IO, "cannot listen on '%.80s'", listen_text);
        if (fd >= 0)
            close(fd);
    } else {
        address_text(fd, ret_address);
        *ret_fd = fd;
    }
    freeaddrinfo(list);
    return st;
}
