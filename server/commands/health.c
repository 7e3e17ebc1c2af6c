/* server/commands/health.c - cxrd health: exit 0 when a server is alive, or with --ready when it has a model. Made for a
 * container's HEALTHCHECK: without a URL it looks where the environment has `cxrd serve` listen.
 *
 * Such a server is our own, and whether it lives is all that is asked. So its certificate is not checked: it is for the
 * name that others know the server by, and one that has expired, or was renewed and not yet read again, is no reason to
 * have the server restarted and its training interrupted. Nothing is told that a stranger on this port could use. */
#include "../client.h"
#include "../http/listen.h"
#include "commands.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

struct health_options {
    bool ready;
    const char *ca, *listen, *tls_cert, *base_path;
};

#define AT(member) offsetof(struct health_options, member)

static const struct option OPTIONS[] = {
    { "ready", OPTION_FLAG, AT(ready), NULL, "ask whether a model is loaded as well" },
    { "ca", OPTION_TEXT, AT(ca), "FILE",
      "certificates of authorities that the server at URL is believed by, PEM (the system's)" },
    { "listen", OPTION_TEXT, AT(listen), "HOST:PORT",
      "without a URL: where cxrd serve listens, as it is told (127.0.0.1:8080)", .check = listen_check },
    { "tls-cert", OPTION_TEXT, AT(tls_cert), "FILE",
      "without a URL: that it speaks HTTPS; the certificate is not looked at" },
    { "base-path", OPTION_TEXT, AT(base_path), "/PATH", "without a URL: what its paths begin with (none)" },
    { NULL },
};

/* Where to reach a server that listens there: an address of all interfaces is called by loopback's. */
static enum status own_url(const struct health_options *o, char *ret, size_t size, struct error *err)
{
    const char *port = strrchr(o->listen, ':');
    int n = (int)(port - o->listen);
    const char *host = o->listen;
    char plain[64] = "";
    struct in6_addr six;
    struct in_addr four;

    if (strspn(port + 1, "0") == strlen(port + 1))
        return error_set(err, ST_INVALID, "with port 0 nobody knows where it listens: give the URL");
    snprintf(plain, sizeof plain, "%.*s", host[0] == '[' ? n - 2 : n, host[0] == '[' ? host + 1 : host);
    if (inet_pton(AF_INET6, plain, &six) == 1 && IN6_IS_ADDR_UNSPECIFIED(&six)) {
        host = "[::1]";
        n = 5;
    } else if (inet_pton(AF_INET, plain, &four) == 1 && four.s_addr == INADDR_ANY) {
        host = "127.0.0.1";
        n = 9;
    }
    snprintf(ret, size, "%s://%.*s%s%s", o->tls_cert ? "https" : "http", n, host, port, o->base_path);
    return ST_OK;
}

static int health(int argc, char **argv)
{
    struct health_options o = { .listen = "127.0.0.1:8080", .base_path = "" };
    struct client_server server = { .is_ours = true };
    struct error err = { 0 };
    json_t *reply = NULL;
    char url[512];
    size_t n_arguments;
    enum status st = ST_OK;
    int exit_status;

    if (!command_begin(&COMMAND_HEALTH, argc, argv, &o, &n_arguments, &exit_status))
        return exit_status;
    if (n_arguments)
        server = (struct client_server){ .url = argv[1], .ca = o.ca };
    else
        st = own_url(&o, url, sizeof url, &err);
    if (st == ST_OK && !n_arguments)
        server.url = url;
    if (st == ST_OK)
        st = client_json(&server, "GET", o.ready ? "/readyz" : "/livez", NULL, NULL, 0, &reply, &err);
    if (st != ST_OK)
        return command_fail(&COMMAND_HEALTH, &err);
    puts(o.ready ? "ready" : "alive");
    json_decref(reply);
    return EXIT_DONE;
}

const struct command COMMAND_HEALTH = {
    "health",
    "[--ready] [URL]",
    "is a server alive?",
    OPTIONS,
    health,
    1,
    .example = "cxrd health --ready http://127.0.0.1:8080",
    .exits = "1 also where it is not alive, or not ready",
};
