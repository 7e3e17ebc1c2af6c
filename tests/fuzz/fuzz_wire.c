/* tests/fuzz/fuzz_wire.c - bytes on a connection, and what libmicrohttpd would see of them. As in
 * fuzz_http.c the first byte says in pieces of how many bytes the rest arrives, 0 is all at once; and for how many there is
 * room at a time.
 *
 * Whatever comes, what is handed on is of our own writing, ends where it says, and does not depend on the pieces. */
#include "fuzz.h"

#include "http/raw_head.h"
#include "http/wire.h"
#include "tests/support/pieces.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST = 1 << 16 };

/* ---- what comes ---- */

static size_t hand_on(const uint8_t *data, size_t size, size_t piece, size_t room, bool drain, char *ret)
{
    struct pieces source = { (const char *)data, size, piece, false };
    const struct wire_source from = { pieces_read, &source, drain };
    struct wire w;
    size_t length = 0;
    ssize_t got;

    wire_init(&w);
    do {
        const size_t left = LARGEST - length;

        FUZZ_CHECK(left > 0);
        got = wire_recv(&w, &from, ret + length, room < left ? room : left);
        FUZZ_CHECK(got >= 0 || errno == EAGAIN);
        length += got > 0 ? (size_t)got : 0;
    } while (got != 0);
    FUZZ_CHECK(w.ended);
    wire_release(&w);
    return length;
}

/* ---- what is handed on ---- */

struct text {
    const char *at, *end;
};

/* The next line without its end; false: the text ends before it does. */
static bool line(struct text *t, struct span *ret)
{
    const char *feed = memchr(t->at, '\n', (size_t)(t->end - t->at));

    if (!feed)
        return false;
    FUZZ_CHECK(feed > t->at && feed[-1] == '\r');
    *ret = (struct span){ t->at, (size_t)(feed - t->at) - 1 };
    FUZZ_CHECK(syntax_is_value(*ret));
    t->at = feed + 1;
    return true;
}

static bool skip(struct text *t, uint64_t n)
{
    const bool there = n <= (uint64_t)(t->end - t->at);

    t->at = there ? t->at + n : t->end;
    return there;
}

static bool is_header(struct span s, const char *name, const char **ret_value)
{
    const size_t n = strlen(name);

    *ret_value = s.at + n + 1;
    return s.n > n && memcmp(s.at, name, n) == 0 && s.at[n] == ':';
}

struct seen {
    bool chunked, fault;
    uint64_t length;
};

static void check_header(struct span s, struct seen *seen)
{
    const char *names[] = { HEADER_TARGET, "Connection", "Expect", "Host" }, *value;
    bool known = false;

    if (is_header(s, "Content-Length", &value)) {
        FUZZ_CHECK(!seen->chunked);
        seen->length = strtoull(value, NULL, 10);
        return;
    }
    if (is_header(s, "Transfer-Encoding", &value)) {
        FUZZ_CHECK(s.n == 25 && memcmp(value, "chunked", 7) == 0 && seen->length == 0);
        seen->chunked = true;
        return;
    }
    if (is_header(s, HEADER_FAULT, &value)) {
        FUZZ_CHECK(!seen->fault && strtol(value, NULL, 10) >= 400);
        seen->fault = true;
        return;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        known |= is_header(s, names[i], &value);
    for (int i = 0; i < N_HEADERS; i++)
        known |= is_header(s, HEADER_NAMES[i], &value);
    FUZZ_CHECK(known);
}

static bool headers(struct text *t, struct seen *seen)
{
    struct span s;

    while (line(t, &s)) {
        if (s.n == 0)
            return true;
        check_header(s, seen);
    }
    return false;
}

static bool chunks(struct text *t, struct seen *seen)
{
    struct span s;
    uint64_t size;

    do {
        if (!line(t, &s))
            return false;
        FUZZ_CHECK(s.n > 0 && s.n <= 15 && strspn(s.at, "0123456789abcdef") == s.n);
        size = strtoull(s.at, NULL, 16);
        if (size > 0 && !skip(t, size))
            return false;
        if (size > 0 && !line(t, &s))
            return false;
        FUZZ_CHECK(size == 0 || s.n == 0);
    } while (size > 0);
    return headers(t, seen);
}

/* Requests of our own writing, one behind the other; the last may be cut off by the end, or is a refusal. */
static void check_text(const char *bytes, size_t n)
{
    struct text t = { bytes, bytes + n };
    struct span s;

    while (t.at < t.end) {
        struct seen seen = { 0 };
        const char *blank;

        if (!line(&t, &s))
            return;
        blank = memchr(s.at, ' ', s.n);
        FUZZ_CHECK(blank && blank > s.at && s.n - (size_t)(blank - s.at) == strlen(" / HTTP/1.1"));
        FUZZ_CHECK(memcmp(blank, " / HTTP/1.", 10) == 0);
        FUZZ_CHECK(headers(&t, &seen)); /* a head is written whole */
        if (seen.chunked ? !chunks(&t, &seen) : !skip(&t, seen.length))
            return;
        FUZZ_CHECK(!seen.fault || t.at == t.end);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char whole[LARGEST + 1], parts[LARGEST + 1];
    size_t n, m, piece;

    if (size < 1 || size > LARGEST / 4)
        return 0;
    n = hand_on(data + 1, size - 1, size, LARGEST, true, whole);
    whole[n] = '\0';
    check_text(whole, n);
    piece = data[0] ? data[0] : size;
    m = hand_on(data + 1, size - 1, piece, 1 + piece * 37 % 256, piece % 2, parts);
    FUZZ_CHECK(n == m && memcmp(whole, parts, n) == 0);
    return 0;
}
