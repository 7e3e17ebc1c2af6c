/* server/http/listen.c - see listen.h. */
#include "listen.h"

#include "cxrd/hosts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 4096, HOST_SIZE = 256, PORT_SIZE = 8 };

/* "host:port" or "[host]:port" into its parts. A port of 0 is one, and so is a zone, fe80::1%eth0. */
static bool take_apart(const char *text, char host[HOST_SIZE], char port[PORT_SIZE])
{
    const char *colon = strrchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : 0;
    struct host unused;

    if (!colon || n == 0 || strlen(colon + 1) == 0 || strlen(colon + 1) >= PORT_SIZE ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1) || strtoul(colon + 1, NULL, 10) > 65535 ||
        (!memchr(text, '%', n) && host_read(text, n, FORM_HOST, &unused) != NULL))
        return false;
    if (text[0] == '[' && text[n - 1] == ']') {
        text++;
        n -= 2;
    } else if (memchr(text, ':', n)) {
        return false;
    }
    if (n == 0 || n >= HOST_SIZE)
        return false;
    memcpy(host, text, n);
    host[n] = '\0';
    snprintf(port, PORT_SIZE, "%s", colon + 1);
    return true;
}

enum status listen_check(const char *text, struct error *err)
{
    char host[HOST_SIZE], port[PORT_SIZE];

    if (take_apart(text, host, port))
        return ST_OK;
    return error_set(
        err, ST_INVALID,
        "must be HOST:PORT or [IPV6]:PORT, such as 127.0.0.1:8080, [::1]:8080 or, for every address "
        "of this machine, [::]:8080, not '%.64s'",
        text);
}

static bool is_loopback(const struct sockaddr_storage *address)
{
    const struct sockaddr_in *v4 = (const void *)address;
    const struct sockaddr_in6 *v6 = (const void *)address;

    return address->ss_family == AF_INET
               ? ntohl(v4->sin_addr.s_addr) >> 24 == 127
               : address->ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

enum status listen_resolve(const char *text, struct listen_address *ret, struct error *err)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    char host[HOST_SIZE], port[PORT_SIZE];
    struct addrinfo *list = NULL;
    int rc;

    if (!take_apart(text, host, port))
        return error_set(err, ST_INVALID, "'%.80s' is neither HOST:PORT nor [IPV6]:PORT", text);
    rc = getaddrinfo(host, port, &hints, &list);
    if (rc != 0)
        return error_set(err, ST_INVALID, "cannot resolve '%.80s': %s", text, gai_strerror(rc));
    *ret = (struct listen_address){ .size = list->ai_addrlen };
    snprintf(ret->text, sizeof ret->text, "%s", text);
    memcpy(&ret->address, list->ai_addr, list->ai_addrlen);
    ret->loopback = is_loopback(&ret->address);
    freeaddrinfo(list);
    return ST_OK;
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

enum status listen_open(const struct listen_address *at, int *ret_fd, char ret_address[ADDRESS_SIZE],
                        struct error *err)
{
    const struct sockaddr *address = (const void *)&at->address;
    const int fd = socket(at->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int on = 1, off = 0;
    enum status st;

    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd >= 0 && at->address.ss_family == AF_INET6) /* whatever net.ipv6.bindv6only says */
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (fd < 0 || bind(fd, address, at->size) != 0 || listen(fd, BACKLOG) != 0) {
        st = error_errno(err, ST_IO, "cannot listen on '%.80s'", at->text);
        if (fd >= 0)
            close(fd);
        return st;
    }
    address_text(fd, ret_address);
    *ret_fd = fd;
    return ST_OK;
}
