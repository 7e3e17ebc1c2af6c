/* model/core/hosts.c - see cxrd/hosts.h. */
#include "cxrd/hosts.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789-_."

enum { MAX_NAME = 253, MAX_LABEL = 63 }; /* RFC 1035 */

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

static bool has_byte(const char *text, size_t n, char c) { return memchr(text, c, n) != NULL; }

/* ---- one item ---- */

/* Faults that an item is searched for before it is taken apart: the sentence names the operator's mistake, not a parser's trouble. */
static const char *find_fault(const char *text, size_t n)
{
    if (n == 0)
        return "it is empty";
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)text[i] >= 0x80)
            return "it is no ASCII: an international name is written as its Punycode, xn--...";
        if (is_blank(text[i]))
            return "it has a blank in it";
        if ((unsigned char)text[i] < ' ' || text[i] == 127)
            return "it has a control character";
    }
    if (has_byte(text, n, '*'))
        return "there are no wildcards: every host is named";
    if (has_byte(text, n, '@'))
        return "it has a user";
    return NULL;
}

/* Take "http://" or "https://" off the front. */
static const char *read_scheme(const char **text, size_t *n, enum host_form form, struct host *ret)
{
    const char *mark = memmem(*text, *n, "://", 3);
    const size_t length = mark ? (size_t)(mark - *text) : 0;

    if (!mark)
        return form == FORM_ORIGIN ? "its scheme is missing" : NULL;
    if (form == FORM_HOST)
        return "it has a scheme";
    if (length == 4 && strncasecmp(*text, "http", 4) == 0)
        ret->scheme = SCHEME_HTTP;
    else if (length == 5 && strncasecmp(*text, "https", 5) == 0)
        ret->scheme = SCHEME_HTTPS;
    else
        return "its scheme is neither http nor https";
    *text += length + 3;
    *n -= length + 3;
    return NULL;
}

static const char *read_port(const char *text, size_t n, struct host *ret)
{
    unsigned port = 0;

    for (size_t i = 0; i < n; i++) {
        if (!isdigit((unsigned char)text[i]))
            return "its port is no number";
        port = port * 10 + (unsigned)(text[i] - '0');
        if (port > 65535)
            return "its port is not in 1..65535";
    }
    if (port == 0)
        return n ? "its port is not in 1..65535" : "its port is missing";
    ret->port = port;
    return NULL;
}

static const char *read_ipv6(const char *text, size_t n, struct host *ret)
{
    struct in6_addr address;
    char plain[INET6_ADDRSTRLEN];

    if (n >= sizeof plain)
        return "what is in its brackets is no IPv6 address";
    memcpy(plain, text, n);
    plain[n] = '\0';
    if (strchr(plain, '%'))
        return "its address has a zone";
    if (inet_pton(AF_INET6, plain, &address) != 1)
        return "what is in its brackets is no IPv6 address";
    inet_ntop(AF_INET6, &address, plain, sizeof plain);
    snprintf(ret->name, sizeof ret->name, "[%s]", plain);
    ret->literal = true;
    return NULL;
}

/* A name of labels with dots between them. The last one of a name begins with no digit, or a resolver takes it for an
 * address written in another way: 127.1, 0x7f000001. */
static const char *check_name(struct host *ret)
{
    const size_t n = strlen(ret->name);
    const char *last = strrchr(ret->name, '.');
    struct in_addr address;

    for (const char *at = ret->name; at; at = strchr(at, '.') ? strchr(at, '.') + 1 : NULL) {
        const size_t length = strcspn(at, ".");

        if (length == 0)
            return n == 0 ? "its host is missing" : "its name has an empty part: two dots, or one at an end";
        if (length > MAX_LABEL || at[0] == '-' || at[length - 1] == '-')
            return "it is not the name of a host";
    }
    last = last ? last + 1 : ret->name;
    if (!isdigit((unsigned char)*last))
        return NULL;
    ret->literal = inet_pton(AF_INET, ret->name, &address) == 1;
    return ret->literal ? NULL : "it is neither a name nor an address such as 192.0.2.1";
}

static char lower(unsigned char c) { return (char)tolower(c); }

static const char *read_name(const char *text, size_t n, struct host *ret)
{
    if (n > MAX_NAME)
        return "its name is too long";
    for (size_t i = 0; i < n; i++) {
        ret->name[i] = lower((unsigned char)text[i]);
        if (!strchr(NAME_CHARACTERS, ret->name[i]))
            return "it is not the name of a host";
    }
    ret->name[n] = '\0';
    return check_name(ret);
}

/* HOST, HOST:PORT, [IPV6] or [IPV6]:PORT. */
static const char *read_place(const char *text, size_t n, struct host *ret)
{
    const char *end = text + n, *colon;

    if (n > 0 && text[0] == '[') {
        const char *close = memchr(text, ']', n);
        const char *fault =
            close ? read_ipv6(text + 1, (size_t)(close - text) - 1, ret) : "its bracket is not closed";

        if (fault || close + 1 == end)
            return fault;
        return close[1] == ':' ? read_port(close + 2, (size_t)(end - close) - 2, ret)
                               : "behind its bracket is no port";
    }
    colon = memchr(text, ':', n);
    if (colon && has_byte(colon + 1, (size_t)(end - colon) - 1, ':'))
        return "an IPv6 address stands in brackets, as in [::1]:8080";
    if (colon) {
        const char *fault = read_port(colon + 1, (size_t)(end - colon) - 1, ret);

        if (fault)
            return fault;
    }
    return read_name(text, colon ? (size_t)(colon - text) : n, ret);
}

const char *host_read(const char *text, size_t n, enum host_form form, struct host *ret)
{
    struct host h = { 0 };
    const char *fault = find_fault(text, n);

    if (!fault)
        fault = read_scheme(&text, &n, form, &h);
    if (!fault && n > 0 && text[n - 1] == '/' && !has_byte(text, n - 1, '/'))
        fault = "it ends in a slash";
    if (!fault && (has_byte(text, n, '/') || has_byte(text, n, '?') || has_byte(text, n, '#')))
        fault = "it has a path";
    if (!fault)
        fault = read_place(text, n, &h);
    if (!fault && form == FORM_OUTGOING && h.scheme == SCHEME_NONE)
        h.scheme = SCHEME_HTTPS;
    if (!fault && form == FORM_OUTGOING && h.scheme == SCHEME_HTTP && !host_is_loopback(&h))
        fault = "only a loopback address may be asked without TLS";
    if (fault)
        return fault;
    if (h.scheme && !h.port)
        h.port = h.scheme == SCHEME_HTTP ? 80 : 443;
    *ret = h;
    return NULL;
}

bool host_is_loopback(const struct host *h)
{
    return strcmp(h->name, "localhost") == 0 || strcmp(h->name, "[::1]") == 0 ||
           (h->literal && strncmp(h->name, "127.", 4) == 0);
}

/* ---- lists ---- */

static enum status add(struct host_list *list, const struct host *h, struct error *err)
{
    struct host *more = realloc(list->hosts, (list->n + 1) * sizeof *more);

    if (!more)
        return error_nomem(err);
    list->hosts = more;
    list->hosts[list->n++] = *h;
    return ST_OK;
}

static enum status refuse(const char *item, size_t n, enum host_form form, const char *fault,
                          struct error *err)
{
    static const char *const FORMS[] = {
        [FORM_HOST] = "HOST or HOST:PORT",
        [FORM_ORIGIN] = "http(s)://HOST or http(s)://HOST:PORT",
        [FORM_OUTGOING] = "HOST or HOST:PORT",
    };

    return error_set(err, ST_INVALID, "must be %s, with commas between several, not '%.*s': %s", FORMS[form],
                     n > 80 ? 80 : (int)n, item, fault);
}

enum status host_list_read(const char *list, enum host_form form, struct host_list *ret, struct error *err)
{
    struct host_list made = { 0 };
    enum status st = ST_OK;

    for (const char *at = list; at && st == ST_OK;) {
        const char *comma = strchr(at, ','), *item = at, *end = comma ? comma : at + strlen(at), *fault;
        struct host h;

        while (item < end && is_blank(*item))
            item++;
        while (end > item && is_blank(end[-1]))
            end--;
        fault = host_read(item, (size_t)(end - item), form, &h);
        st = fault ? refuse(item, (size_t)(end - item), form, fault, err) : add(&made, &h, err);
        at = comma ? comma + 1 : NULL;
    }
    if (st != ST_OK) {
        host_list_release(&made);
        return st;
    }
    *ret = made;
    return ST_OK;
}

void host_list_release(struct host_list *list)
{
    free(list->hosts);
    *list = (struct host_list){ 0 };
}

/* A Host header without a port means its scheme's own, and behind a proxy nobody here knows which scheme that is. */
static bool is_same_port(const struct host *listed, const struct host *named)
{
    return listed->port == 0 || listed->port == named->port ||
           (named->port == 0 && (listed->port == 80 || listed->port == 443));
}

bool host_list_has(const struct host_list *list, const struct host *named)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct host *h = &list->hosts[i];

        if (h->scheme == named->scheme && is_same_port(h, named) && strcmp(h->name, named->name) == 0)
            return true;
    }
    return false;
}
