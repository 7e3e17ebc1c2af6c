/* server/http/wire.c - see wire.h. */
#include "wire.h"

#include "chunk.h"
#include "raw_head.h"

#include <errno.h>
#include <string.h>

enum {
    PIECE = 16 << 10, /* bytes asked of the source at a time */
    MAX_EMPTY_LINES =
        8, /* before a head: while nothing else comes, nothing is handed on, and nobody else has a turn */
    MAX_TRAILER = 4096, /* bytes of a trailer */
    MAX_DISCARD =
        4 << 20, /* of what follows a refusal: unread, it would break the connection before that is heard */
};

void wire_init(struct wire *w)
{
    *w = (struct wire){ .in = BUF_INIT(MAX_HEAD + PIECE), .out = BUF_INIT(MAX_HEAD * (size_t)2) };
    w->in.secret = w->out.secret = true; /* keys and pictures pass */
}

void wire_release(struct wire *w)
{
    buf_release(&w->in);
    buf_release(&w->out);
}

static const char *unread(const struct wire *w) { return w->in.data + w->taken; }
static size_t n_unread(const struct wire *w) { return w->in.len - w->taken; }
static struct span unread_span(const struct wire *w) { return (struct span){ unread(w), n_unread(w) }; }

static bool in_data(const struct wire *w) { return w->state == WIRE_LENGTH || w->state == WIRE_CHUNK; }

/* `n` bytes of what came are understood. */
static void take(struct wire *w, size_t n)
{
    w->taken += n;
    if (w->taken == w->in.len) {
        buf_release(&w->in);
        w->taken = 0;
    }
}

/* ---- what came is understood: true, if anything was ---- */

/* Nothing that follows can be believed. */
static void refuse(struct wire *w)
{
    take(w, n_unread(w));
    w->state = WIRE_REFUSED;
    w->left = MAX_DISCARD;
}

static bool on_head(struct wire *w)
{
    struct fault fault = { 0 };
    struct raw_head head;
    size_t n;

    if (w->empty_lines < MAX_EMPTY_LINES && n_unread(w) >= 2 && memcmp(unread(w), "\r\n", 2) == 0) {
        take(w, 2); /* an empty line before a request: RFC 9112, section 2.2 */
        w->empty_lines++;
        w->scanned = 0;
        return true;
    }
    n = raw_head_end(unread(w), n_unread(w), &w->scanned, &fault);
    if (n == 0 && !fault.status)
        return false;
    raw_head_read(&head, unread(w), w->scanned, &fault);
    raw_head_write(&head, &w->out);
    w->scanned = w->empty_lines = 0;
    w->last = head.fault.status != 0;
    w->left = raw_head_length(&head);
    if (w->last && w->left == 0) {
        refuse(w);
        return true;
    }
    take(w, n);
    w->state = head.chunked ? WIRE_CHUNK_LINE : w->left > 0 ? WIRE_LENGTH : WIRE_HEAD;
    return true;
}

/* The body is broken: it ends here, with a trailer that says so. */
static void refuse_body(struct wire *w, int status, const char *sentence)
{
    buf_printf(&w->out, "0\r\n" HEADER_FAULT ":%d %s\r\n\r\n", status, sentence);
    refuse(w);
}

static bool on_chunk_line(struct wire *w)
{
    struct span line;
    const int there = chunk_line(unread_span(w), &line);
    uint64_t size = 0;

    if (there == 0)
        return false;
    if (there < 0 || !chunk_size(line, &size)) {
        refuse_body(w, 400, "the body has a chunk that does not begin with its size");
    } else if (size > INT64_MAX) {
        refuse_body(w, 413, "the body has a chunk that is larger than any limit");
    } else {
        take(w, line.n + 2);
        w->left = size;
        w->trailer_bytes = 0;
        w->state = size > 0 ? WIRE_CHUNK : WIRE_TRAILER;
        if (size > 0)
            buf_printf(&w->out, "%llx\r\n", (unsigned long long)size);
    }
    return true;
}

static bool on_chunk_end(struct wire *w)
{
    const size_t n = n_unread(w);

    if (n == 0 || (n == 1 && *unread(w) == '\r'))
        return false;
    buf_puts(&w->out, "\r\n");
    if (memcmp(unread(w), "\r\n", n < 2 ? n : 2) != 0) {
        refuse_body(w, 400, "the body has a chunk that is longer than its size");
    } else {
        take(w, 2);
        w->state = WIRE_CHUNK_LINE;
    }
    return true;
}

static bool on_trailer(struct wire *w)
{
    struct span line;
    const int there = chunk_line(unread_span(w), &line);
    const char *colon;

    if (there == 0)
        return false;
    colon = memchr(line.at, ':', line.n);
    w->trailer_bytes += line.n + 2;
    if (there > 0 && line.n == 0) {
        take(w, 2);
        buf_puts(&w->out, "0\r\n\r\n");
        w->state = WIRE_HEAD;
    } else if (there < 0 || !colon || !syntax_is_token((struct span){ line.at, (size_t)(colon - line.at) })) {
        refuse_body(w, 400, "the body has a broken trailer");
    } else if (w->trailer_bytes > MAX_TRAILER) {
        refuse_body(w, 431, "the body has a trailer that is too large");
    } else {
        take(w, line.n + 2);
    }
    return true;
}

static bool understand(struct wire *w)
{
    if (in_data(w) && w->left == 0) {
        w->state = w->state == WIRE_LENGTH ? WIRE_HEAD : WIRE_CHUNK_END;
        if (w->last)
            refuse(w);
        return true;
    }
    if (n_unread(w) == 0)
        return false;
    switch (w->state) {
    case WIRE_HEAD: return on_head(w);
    case WIRE_CHUNK_LINE: return on_chunk_line(w);
    case WIRE_CHUNK_END: return on_chunk_end(w);
    case WIRE_TRAILER: return on_trailer(w);
    case WIRE_REFUSED: take(w, n_unread(w)); return false;
    case WIRE_LENGTH:
    case WIRE_CHUNK: break; /* give() hands them on */
    }
    return false;
}

/* ---- what is handed on ---- */

static size_t smallest(size_t a, size_t b) { return a < b ? a : b; }

/* Hand on what is there: first what we wrote, then of a body what came along with its head. */
static size_t give(struct wire *w, char *ret, size_t n)
{
    size_t m = smallest(n, w->out.len - w->given);

    if (m > 0) {
        memcpy(ret, w->out.data + w->given, m);
        w->given += m;
        if (w->given == w->out.len) {
            buf_release(&w->out);
            w->given = 0;
        }
    } else if (in_data(w)) {
        m = smallest(n, n_unread(w));
        m = w->left < m ? (size_t)w->left : m;
        if (m > 0)
            memcpy(ret, unread(w), m);
        w->left -= m;
        take(w, m);
    }
    return m;
}

/* ---- what comes ---- */

/* The bytes that are not understood yet move to the front, then a piece more is asked for. */
static ssize_t fetch_piece(struct wire *w, const struct wire_source *from)
{
    char piece[PIECE];
    const size_t old = n_unread(w);
    const ssize_t n = from->read(from->arg, piece, sizeof piece);

    if (n <= 0)
        return n;
    if (w->taken > 0) {
        memmove(w->in.data, unread(w), old);
        w->in.len = old;
        w->taken = 0;
    }
    if (w->state != WIRE_REFUSED)
        buf_put(&w->in, piece, (size_t)n);
    else
        w->left -= smallest((size_t)n, (size_t)w->left);
    explicit_bzero(piece, (size_t)n);
    return n;
}

/* Ask the source: as recv(); *ret_direct of the bytes went to `ret`. */
static ssize_t fetch(struct wire *w, const struct wire_source *from, char *ret, size_t n, size_t *ret_direct)
{
    ssize_t got;

    *ret_direct = 0;
    if (!in_data(w))
        return w->state == WIRE_REFUSED && w->left == 0 ? 0 : fetch_piece(w, from);
    got = from->read(from->arg, ret, w->left < n ? (size_t)w->left : n);
    if (got > 0) {
        *ret_direct = (size_t)got;
        w->left -= (uint64_t)got;
    }
    return got;
}

ssize_t wire_recv(struct wire *w, const struct wire_source *from, void *ret, size_t n)
{
    char *at = ret;
    size_t done = 0, direct;
    ssize_t got = 1;

    while (done < n && got > 0) {
        const size_t given = give(w, at + done, n - done);

        done += given;
        if (given > 0 || understand(w))
            continue;
        if (done > 0 && !from->drain)
            break;
        got = w->ended ? 0 : fetch(w, from, at + done, n - done, &direct);
        if (got > 0)
            done += direct;
        if (buf_status(&w->in) != ST_OK || buf_status(&w->out) != ST_OK)
            got = 0; /* no memory: the connection ends */
        w->ended |= got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
    }
    return done > 0 ? (ssize_t)done : got;
}
