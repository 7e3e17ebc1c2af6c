/* server/http/raw_head.c - see raw_head.h. */
#include "raw_head.h"

#include "http.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { MAX_METHOD = 31, SHOWN_METHOD = 15 };

const char *const HEADER_NAMES[N_HEADERS] = {
    [HEADER_ACCEPT] = "Accept",
    [HEADER_ACCEPT_ENCODING] = "Accept-Encoding",
    [HEADER_AUTHORIZATION] = "Authorization",
    [HEADER_CONTENT_ENCODING] = "Content-Encoding",
    [HEADER_CONTENT_TYPE] = "Content-Type",
    [HEADER_HOST] = "Host",
    [HEADER_IDEMPOTENCY_KEY] = "Idempotency-Key",
    [HEADER_IF_MODEL_EPOCH] = "If-Model-Epoch",
    [HEADER_IF_NONE_MATCH] = "If-None-Match",
    [HEADER_LAST_EVENT_ID] = "Last-Event-ID",
    [HEADER_ORIGIN] = "Origin",
    [HEADER_PREFLIGHT] = "Access-Control-Request-Method",
    [HEADER_REQUEST_ID] = "X-Request-Id",
    [HEADER_TRACEPARENT] = "traceparent",
};

/* Headers without which a request would mean something else: twice, or too long to be kept, they are refused. The
 * others are then as good as absent, like a key that nobody has. */
static const bool REFUSED_TWICE[N_HEADERS] = {
    [HEADER_AUTHORIZATION] = true,   [HEADER_CONTENT_ENCODING] = true, [HEADER_CONTENT_TYPE] = true,
    [HEADER_IDEMPOTENCY_KEY] = true, [HEADER_ORIGIN] = true,
};
static const bool REFUSED_LONG[N_HEADERS] = {
    [HEADER_CONTENT_ENCODING] = true,
    [HEADER_HOST] = true,
    [HEADER_IDEMPOTENCY_KEY] = true,
    [HEADER_ORIGIN] = true,
};

void fault_set(struct fault *f, int status, const char *fmt, ...)
{
    va_list ap;

    if (f->status)
        return;
    f->status = status;
    va_start(ap, fmt);
    vsnprintf(f->text, sizeof f->text, fmt, ap);
    va_end(ap);
}

/* The same, of what says where the request ends. */
static void framing_fault(struct raw_head *h, int status, const char *sentence)
{
    fault_set(&h->fault, status, "%s", sentence);
    h->unframed = true;
}

/* ---- where it ends ---- */

/* A byte that no head may hold where it stands, the line ends included; the one before it has been looked at. */
static void check_byte(const char *bytes, size_t i, struct fault *fault)
{
    const char before = i > 0 ? bytes[i - 1] : '\0';

    if ((before == '\r') != (bytes[i] == '\n'))
        fault_set(fault, 400, "the request's head has a line that does not end with CR LF");
    else if (bytes[i] != '\r' && bytes[i] != '\n' && !syntax_is_value((struct span){ bytes + i, 1 }))
        fault_set(fault, 400, "the request's head has a control character");
}

/* Which part of the head is what makes it too large. */
static void too_large(const char *bytes, struct fault *fault)
{
    const char *blank = memchr(bytes, ' ', MAX_HEAD);

    if (memchr(bytes, '\n', MAX_HEAD))
        fault_set(fault, 431, "the request's head is larger than %d bytes", MAX_HEAD);
    else if (blank && syntax_is_token((struct span){ bytes, (size_t)(blank - bytes) }))
        fault_set(fault, 414, "the request's target is too long, the limit is %d bytes", MAX_TARGET - 1);
    else
        fault_set(fault, 400, "the request line is too long");
}

size_t raw_head_end(const char *bytes, size_t n, size_t *from, struct fault *fault)
{
    for (; *from < n; ++*from) {
        const size_t i = *from;

        if (i == MAX_HEAD)
            too_large(bytes, fault);
        else
            check_byte(bytes, i, fault);
        if (fault->status)
            return 0;
        if (i >= 3 && bytes[i] == '\n' && bytes[i - 2] == '\n')
            return ++*from;
    }
    return 0;
}

/* ---- the request line ---- */

/* Methods are told apart by case. */
static bool is_options(const struct raw_head *h)
{
    return h->method.n == 7 && memcmp(h->method.at, "OPTIONS", 7) == 0;
}

/* "http://host/path?query" into its authority, which stands for the Host, and its path. */
static bool take_absolute(struct raw_head *h, struct span target)
{
    const size_t scheme = target.n >= 8 && strncasecmp(target.at, "https://", 8) == 0  ? 8
                          : target.n >= 7 && strncasecmp(target.at, "http://", 7) == 0 ? 7
                                                                                       : 0;
    size_t end = scheme;

    while (end < target.n && target.at[end] != '/' && target.at[end] != '?')
        end++;
    h->values[HEADER_HOST] = (struct span){ target.at + scheme, end - scheme };
    h->path = (struct span){ target.at + end, target.n - end };
    if (scheme > 0 && h->path.n == 0 && is_options(h))
        h->path = (struct span){ "*", 1 }; /* RFC 9112, section 3.2.4 */
    h->slash = h->path.n == 0 || h->path.at[0] == '?';
    return scheme > 0 && syntax_is_host(h->values[HEADER_HOST]);
}

static bool take_target(struct raw_head *h, struct span target)
{
    if (syntax_is_word(h->method, "CONNECT"))
        return false;
    if (target.n == 1 && target.at[0] == '*') {
        h->path = target;
        return is_options(h);
    }
    if (target.n > 0 && target.at[0] == '/') {
        h->path = target;
        return true;
    }
    return take_absolute(h, target);
}

static bool holds_nul(struct span s)
{
    for (size_t i = 0; i + 2 < s.n; i++)
        if (memcmp(s.at + i, "%00", 3) == 0)
            return true;
    return false;
}

static void check_target(struct raw_head *h, struct span target)
{
    if (!take_target(h, target) || memchr(target.at, '#', target.n) || memchr(target.at, '\t', target.n))
        fault_set(&h->fault, 400, "the request's target is not a path");
    else if (holds_nul(target))
        fault_set(&h->fault, 400, "the request's target has a NUL");
    else if (h->path.n + h->slash >= MAX_TARGET)
        fault_set(&h->fault, 414, "the request's target is too long, the limit is %d bytes", MAX_TARGET - 1);
}

/* "HTTP/1.1"; a later minor version of 1 is spoken to as 1.1 (RFC 9110, section 2.5). */
static void check_version(struct raw_head *h, struct span version)
{
    const char *at = version.at;

    if (version.n != 8 || memcmp(at, "HTTP/", 5) != 0 || at[5] < '0' || at[5] > '9' || at[6] != '.' ||
        at[7] < '0' || at[7] > '9')
        framing_fault(h, 400, "the request line is not METHOD TARGET HTTP/1.1");
    else if (at[5] != '1')
        framing_fault(h, 505, "this server speaks HTTP/1.1 only");
    h->http_1_0 = version.n == 8 && at[7] == '0';
}

static void read_request_line(struct raw_head *h, struct span line)
{
    const char *first = memchr(line.at, ' ', line.n);
    const char *end = line.at + line.n,
               *second = first ? memchr(first + 1, ' ', (size_t)(end - first - 1)) : NULL;

    h->method = (struct span){ line.at, first ? (size_t)(first - line.at) : line.n };
    if (!second) {
        framing_fault(h, 400, "the request line is not METHOD TARGET HTTP/1.1");
        return;
    }
    if (!syntax_is_token(h->method))
        fault_set(&h->fault, 400, "the request's method is no token");
    check_version(h, (struct span){ second + 1, (size_t)(end - second - 1) });
    if (h->method.n > MAX_METHOD)
        fault_set(&h->fault, 501, "this server does not know the request's method");
    check_target(h, (struct span){ first + 1, (size_t)(second - first - 1) });
}

/* ---- the headers ---- */

static void take_length(struct raw_head *h, struct span value)
{
    h->lengths++;
    h->has_length = true;
    h->length = 0;
    if (value.n == 0)
        framing_fault(h, 400, "the request's Content-Length is no number");
    for (size_t i = 0; i < value.n; i++) {
        const char c = value.at[i];

        if (c < '0' || c > '9')
            framing_fault(h, 400, "the request's Content-Length is no number");
        h->length = h->length <= (UINT64_MAX >> 1) / 10 ? h->length * 10 + (uint64_t)(c - '0') : UINT64_MAX;
    }
}

/* chunked alone is what we read. Behind another coding it is well-formed, and not for us (RFC 9112, section 6.1). */
static void take_encoding(struct raw_head *h, struct span value)
{
    struct span rest = value, coding;
    bool known = true, last = false, odd = false;

    h->encodings++;
    h->chunked = true;
    while (syntax_next(&rest, &coding)) {
        odd |= last || !syntax_is_token(coding);
        last = syntax_is_word(coding, "chunked");
        known &= last;
    }
    if (h->encodings > 1 || odd || !last)
        framing_fault(h, 400, "the request has a Transfer-Encoding other than chunked");
    else if (!known)
        framing_fault(h, 501, "the request has a Transfer-Encoding other than chunked");
}

static void take_connection(struct raw_head *h, struct span value)
{
    struct span rest = value, option;

    while (syntax_next(&rest, &option)) {
        h->close |= syntax_is_word(option, "close");
        h->keep_alive |= syntax_is_word(option, "keep-alive");
    }
}

static void take_known(struct raw_head *h, struct span name, struct span value)
{
    for (int i = 0; i < N_HEADERS; i++) {
        if (!syntax_is_word(name, HEADER_NAMES[i]))
            continue;
        if (++h->seen[i] > 1 && REFUSED_TWICE[i])
            fault_set(&h->fault, 400, "the request has more than one %s", HEADER_NAMES[i]);
        if (value.n >= HTTP_TEXT && REFUSED_LONG[i])
            fault_set(&h->fault, 400, "the request's %s is longer than %d bytes: it is too long",
                      HEADER_NAMES[i], HTTP_TEXT - 1);
        if (value.n == 0 && i == HEADER_IDEMPOTENCY_KEY)
            fault_set(&h->fault, 400, "the request has an %s without a value", HEADER_NAMES[i]);
        if (i == HEADER_HOST && !syntax_is_host(value))
            fault_set(&h->fault, 400, "the request's Host is not HOST or HOST:PORT");
        if (i != HEADER_HOST || !h->values[i].at) /* that of the target goes first */
            h->values[i] = h->seen[i] == 1 && value.n < HTTP_TEXT ? value : (struct span){ NULL, 0 };
    }
}

static void take_header(struct raw_head *h, struct span name, struct span value)
{
    if (syntax_is_word(name, "Content-Length"))
        take_length(h, value);
    else if (syntax_is_word(name, "Transfer-Encoding"))
        take_encoding(h, value);
    else if (syntax_is_word(name, "Connection"))
        take_connection(h, value);
    else if (syntax_is_word(name, "Expect"))
        h->expects |= syntax_is_word(value, "100-continue");
    else
        take_known(h, name, value);
}

static void read_header(struct raw_head *h, struct span line)
{
    const char *colon = memchr(line.at, ':', line.n);
    const size_t n = colon ? (size_t)(colon - line.at) : line.n;
    const struct span name = { line.at, n };

    if (line.at[0] == ' ' || line.at[0] == '\t') {
        framing_fault(h, 400, "the request has a header that goes on in a second line");
    } else if (!colon) {
        framing_fault(h, 400, "the request has a header without a colon");
    } else if (!syntax_is_token(name)) {
        framing_fault(h, 400, "the request has a header with a broken name");
    } else {
        take_header(h, name, syntax_trim((struct span){ colon + 1, line.n - n - 1 }));
    }
}

/* Faults that no line shows by itself. */
static void check_whole(struct raw_head *h)
{
    if (h->lengths > 1)
        framing_fault(h, 400, "the request has more than one Content-Length");
    if (h->lengths > 0 && h->encodings > 0)
        framing_fault(h, 400, "the request has both a Content-Length and a Transfer-Encoding");
    if (h->encodings > 0 && h->http_1_0)
        framing_fault(h, 400, "an HTTP/1.0 request cannot have a Transfer-Encoding");
    if (h->length > INT64_MAX)
        framing_fault(h, 413, "the body is larger than any limit");
    if (h->seen[HEADER_HOST] > 1 || (h->seen[HEADER_HOST] == 0 && !h->http_1_0))
        fault_set(&h->fault, 400, "the request must have exactly one Host");
}

void raw_head_read(struct raw_head *h, const char *bytes, size_t n, const struct fault *fault)
{
    const char *at = bytes, *end = bytes + n, *feed;
    bool first = true;

    *h = (struct raw_head){ .fault = *fault, .unframed = fault->status != 0 };
    for (; (feed = memchr(at, '\n', (size_t)(end - at))); at = feed + 1, first = false) {
        const struct span line = { at, (size_t)(feed - at) - (feed > at && feed[-1] == '\r') };

        if (first)
            read_request_line(h, line);
        else if (line.n > 0)
            read_header(h, line);
    }
    if (first)
        read_request_line(h,
                          (struct span){ at, (size_t)(end - at) }); /* cut off, but its method may be there */
    check_whole(h);
}

uint64_t raw_head_length(const struct raw_head *h)
{
    if (h->fault.status && (h->unframed || h->expects || h->length > MAX_DROPPED))
        return 0;
    return h->length;
}

/* ---- as libmicrohttpd is to see it ---- */

static void put_span(struct buf *out, struct span s) { buf_put(out, s.at, s.n); }

static void put_line(struct buf *out, const char *begin, struct span value)
{
    buf_puts(out, begin);
    put_span(out, value);
    buf_puts(out, "\r\n");
}

static void put_header(const struct raw_head *h, enum header i, struct buf *out)
{
    if (h->values[i].n == 0)
        return;
    buf_puts(out, HEADER_NAMES[i]);
    put_line(out, ":", h->values[i]);
}

/* As much of a broken method as a log can show. */
static void put_odd_method(struct buf *out, struct span method)
{
    for (size_t i = 0; i < method.n && i < SHOWN_METHOD; i++) {
        const bool shown = method.at[i] > ' ' && method.at[i] < 127;

        buf_put(out, shown ? &method.at[i] : "?", 1);
    }
    if (method.n == 0)
        buf_puts(out, "-");
}

static void put_framing(const struct raw_head *h, struct buf *out)
{
    if (h->chunked)
        buf_puts(out, "Transfer-Encoding:chunked\r\n");
    if (h->has_length)
        buf_printf(out, "Content-Length:%llu\r\n", (unsigned long long)h->length);
    if (h->expects)
        buf_puts(out, "Expect:100-continue\r\n");
    if (h->close)
        buf_puts(out, "Connection:close\r\n");
    else if (h->keep_alive)
        buf_puts(out, "Connection:Keep-Alive\r\n");
}

static void put_values(const struct raw_head *h, struct buf *out)
{
    for (int i = 0; i < N_HEADERS; i++)
        put_header(h, (enum header)i, out);
}

/* A head of ours in place of one that is refused: what the refusal itself needs of it, and why. */
static void put_fault(const struct raw_head *h, struct buf *out)
{
    static const enum header KEPT[] = { HEADER_ORIGIN, HEADER_REQUEST_ID, HEADER_TRACEPARENT };

    buf_printf(out, "Host:-\r\nContent-Length:%llu\r\nConnection:close\r\n" HEADER_FAULT ":%d %s\r\n",
               (unsigned long long)raw_head_length(h), h->fault.status, h->fault.text);
    for (size_t i = 0; i < sizeof KEPT / sizeof KEPT[0]; i++)
        put_header(h, KEPT[i], out);
}

void raw_head_write(const struct raw_head *h, struct buf *out)
{
    const bool whole = h->fault.status == 0;

    if (syntax_is_token(h->method) && h->method.n <= MAX_METHOD)
        put_span(out, h->method);
    else
        put_odd_method(out, h->method);
    buf_puts(out, whole && h->http_1_0 ? " / HTTP/1.0\r\n" : " / HTTP/1.1\r\n");
    if (h->path.n + h->slash > 0 && h->path.n + h->slash < MAX_TARGET)
        put_line(out, h->slash ? HEADER_TARGET ":/" : HEADER_TARGET ":", h->path);
    if (whole) {
        put_framing(h, out);
        put_values(h, out);
    } else {
        put_fault(h, out);
    }
    buf_puts(out, "\r\n");
}
