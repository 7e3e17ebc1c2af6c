/* tests/unit/test_wire.c - what libmicrohttpd sees of the bytes that come. */
#include "pieces.h"
#include "server/http/wire.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { SEEN = 1 << 17 };

/* All that is handed on of `n` bytes, as text; what does not fit is a failure. */
static const char *seen_of(const char *bytes, size_t n, size_t piece, size_t room)
{
    static char seen[SEEN];
    struct pieces source = { bytes, n, piece, false };
    const struct wire_source from = { pieces_read, &source, true };
    struct wire w;
    size_t length = 0;
    ssize_t got;

    wire_init(&w);
    do {
        cr_assert_lt(length + room, sizeof seen);
        got = wire_recv(&w, &from, seen + length, room);
        cr_assert(got >= 0 || errno == EAGAIN);
        length += got > 0 ? (size_t)got : 0;
    } while (got != 0);
    cr_assert(w.ended);
    wire_release(&w);
    seen[length] = '\0';
    return seen;
}

static void check_bytes(const char *bytes, size_t n, const char *wanted)
{
    const size_t pieces[] = { 1, 2, 3, 7, 64, 100000 }, rooms[] = { 1, 5, 4096 };

    for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++)
        for (size_t r = 0; r < sizeof rooms / sizeof rooms[0]; r++) {
            const char *seen = seen_of(bytes, n, pieces[p], rooms[r]);

            cr_assert_str_eq(seen, wanted, "pieces of %zu, room for %zu: '%s' is seen of '%s'", pieces[p],
                             rooms[r], seen, bytes);
        }
}

static void check(const char *bytes, const char *wanted) { check_bytes(bytes, strlen(bytes), wanted); }

#define REFUSED(method, target, fault)                                                                    \
    method " / HTTP/1.1\r\n" target "Host:-\r\nContent-Length:0\r\nConnection:close\r\nCxrd-Fault:" fault \
           "\r\n\r\n"
#define AT(target) "Cxrd-Target:" target "\r\n"

Test(wire, a_head_is_written_anew)
{
    check("GET /a?b HTTP/1.1\r\nhOsT:\t h:80 \r\nX-Other: y\r\nconnection: x, CLOSE\r\n\r\n",
          "GET / HTTP/1.1\r\nCxrd-Target:/a?b\r\nConnection:close\r\nHost:h:80\r\n\r\n");
    check("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
          "GET / HTTP/1.0\r\nCxrd-Target:/\r\nConnection:Keep-Alive\r\n\r\n");
    check("\r\n\r\nGET / HTTP/1.7\r\nHost: h\r\nCxrd-Fault: 400 x\r\nCxrd-Target: /x\r\n\r\n",
          "GET / HTTP/1.1\r\nCxrd-Target:/\r\nHost:h\r\n\r\n");
}

/* Unlimited, they would keep a network thread from everybody else for as long as they come fast enough. */
Test(wire, only_so_many_empty_lines_are_passed_over)
{
    const char *refused = REFUSED("-", "", "400 the request line is not METHOD TARGET HTTP/1.1");

#define LINES_8 "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n"
    check(LINES_8 "GET / HTTP/1.1\r\nHost: h\r\n\r\n" LINES_8 "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
          "GET / HTTP/1.1\r\nCxrd-Target:/\r\nHost:h\r\n\r\n"
          "GET / HTTP/1.1\r\nCxrd-Target:/\r\nHost:h\r\n\r\n");
    check(LINES_8 "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", refused);
    check(LINES_8 LINES_8 LINES_8, refused);
}

Test(wire, a_whole_uri_is_its_path_asked_of_its_host)
{
    check("GET http://a:1/b HTTP/1.1\r\nHost: h\r\n\r\n",
          "GET / HTTP/1.1\r\nCxrd-Target:/b\r\nHost:a:1\r\n\r\n");
    check("GET HTTPS://a?b HTTP/1.1\r\nHost: h\r\n\r\n",
          "GET / HTTP/1.1\r\nCxrd-Target:/?b\r\nHost:a\r\n\r\n");
    check("OPTIONS http://a HTTP/1.1\r\nHost: h\r\n\r\n",
          "OPTIONS / HTTP/1.1\r\nCxrd-Target:*\r\nHost:a\r\n\r\n");
    check("options http://a HTTP/1.1\r\nHost: h\r\n\r\n",
          "options / HTTP/1.1\r\nCxrd-Target:/\r\nHost:a\r\n\r\n");
}

Test(wire, a_body_by_length_ends_where_it_ends)
{
    check(
        "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 005\r\n\r\nab\r\ncGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
        "POST / HTTP/1.1\r\nCxrd-Target:/a\r\nContent-Length:5\r\nHost:h\r\n\r\nab\r\nc"
        "GET / HTTP/1.1\r\nCxrd-Target:/b\r\nHost:h\r\n\r\n");
}

#define CHUNKED      "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n"
#define SEEN_CHUNKED "POST / HTTP/1.1\r\nCxrd-Target:/a\r\nTransfer-Encoding:chunked\r\nHost:h\r\n\r\n"

Test(wire, chunks_lose_all_but_their_data)
{
    check(CHUNKED "003;a=\"b;c\\\"\" ; d\r\nabc\r\nA\r\n0123456789\r\n0;x\r\nT: u\r\n\r\nGET /b "
                  "HTTP/1.1\r\nHost: h\r\n\r\n",
          SEEN_CHUNKED
          "3\r\nabc\r\na\r\n0123456789\r\n0\r\n\r\nGET / HTTP/1.1\r\nCxrd-Target:/b\r\nHost:h\r\n\r\n");
}

Test(wire, a_broken_chunk_ends_the_body_and_the_connection)
{
    const char *sizes[] = { "g\r\n",  "\r\n",   "-1\r\n",   "+1\r\n", "0x1\r\n", "1 \r\n",
                            " 1\r\n", "1;\r\n", "1;a=\r\n", "1\n",    "1\r2",    "1;\001\r\n" };
    char bytes[256], wanted[512];

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        snprintf(bytes, sizeof bytes, "%s%sabcGET / HTTP/1.1\r\nHost: h\r\n\r\n", CHUNKED, sizes[i]);
        snprintf(wanted, sizeof wanted, "%s%s", SEEN_CHUNKED,
                 "0\r\nCxrd-Fault:400 the body has a chunk that does not begin with its size\r\n\r\n");
        check(bytes, wanted);
    }
    check(CHUNKED "1\r\nabc\r\n", SEEN_CHUNKED
          "1\r\na\r\n0\r\nCxrd-Fault:400 the body has a chunk that is longer than its size\r\n\r\n");
    check(CHUNKED "1\r\na\r\n0\r\n A: b\r\n\r\n",
          SEEN_CHUNKED "1\r\na\r\n0\r\nCxrd-Fault:400 the body has a broken trailer\r\n\r\n");
    check(CHUNKED "ffffffffffffffff\r\n",
          SEEN_CHUNKED "0\r\nCxrd-Fault:413 the body has a chunk that is larger than any limit\r\n\r\n");
}

Test(wire, a_head_with_a_fault_is_replaced_and_nothing_follows)
{
    check("GET /a HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n 17\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
          REFUSED("GET", AT("/a"), "400 the request's Content-Length is no number"));
    check("GET /a HTTP/1.1\r\n X: y\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
          REFUSED("GET", AT("/a"), "400 the request has a header that goes on in a second line"));
    check("GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",
          REFUSED("GET", AT("/a"), "400 the request line is not METHOD TARGET HTTP/1.1"));
    check("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
          REFUSED("PRI", AT("*"), "505 this server speaks HTTP/1.1 only"));
    check("GET /a HTTP/1.1\nHost: h\n\n",
          REFUSED("GET", AT("/a"), "400 the request's head has a line that does not end with CR LF"));
    check_bytes("GET /a\0b HTTP/1.1\r\n", 19,
                REFUSED("GET", "", "400 the request's head has a control character"));
    check("\x16\x03\x01", REFUSED("-", "", "400 the request's head has a control character"));
    check("P\xc3\xb6ST /a HTTP/1.1\r\nHost: h\r\n\r\n",
          REFUSED("P??ST", AT("/a"), "400 the request's method is no token"));
}

Test(wire, what_a_refusal_needs_is_kept)
{
    check(
        "GET /a HTTP/1.1\r\nOrigin: http://o\r\nX-Request-Id: r\r\nHost: h\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.1\r\nCxrd-Target:/a\r\nHost:-\r\nContent-Length:0\r\nConnection:close\r\n"
        "Cxrd-Fault:400 the request must have exactly one Host\r\nOrigin:http://o\r\nX-Request-Id:r\r\n\r\n");
}

/* A client that is still sending its body would not hear the refusal; but only where the length is beyond doubt. */
Test(wire, the_body_of_a_refused_head_is_handed_on_to_be_dropped_and_nothing_behind_it)
{
    check("POST /a HTTP/1.1\r\nHost: [\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
          "POST / HTTP/1.1\r\nCxrd-Target:/a\r\nHost:-\r\nContent-Length:3\r\nConnection:close\r\n"
          "Cxrd-Fault:400 the request's Host is not HOST or HOST:PORT\r\n\r\nabc");
}

Test(wire, a_head_has_a_largest_size)
{
    static char bytes[40000];
    const char *begin = "GET /a HTTP/1.1\r\nHost: h\r\nX: ";
    const size_t n = strlen(begin);

    memcpy(bytes, begin, n);
    memset(bytes + n, 'x', 16384 - n - 4);
    strncpy(bytes + 16380, "\r\n\r\n", 5);
    cr_assert_str_eq(seen_of(bytes, 16384, 100000, 4096),
                     "GET / HTTP/1.1\r\nCxrd-Target:/a\r\nHost:h\r\n\r\n");
    memset(bytes + n, 'x', sizeof bytes - n);
    cr_assert_str_eq(seen_of(bytes, sizeof bytes, 100000, 4096),
                     REFUSED("GET", AT("/a"), "431 the request's head is larger than 16384 bytes"));
    memset(bytes + 5, 'x', sizeof bytes - 5);
    cr_assert_str_eq(seen_of(bytes, sizeof bytes, 100000, 4096),
                     REFUSED("GET", "", "414 the request's target is too long, the limit is 4095 bytes"));
}

Test(wire, fewer_bytes_than_asked_for_are_the_last_for_now)
{
    const char *bytes = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc";
    struct pieces source = { bytes, strlen(bytes), 10, true };
    const struct wire_source from = { pieces_read, &source, true };
    char seen[256];
    struct wire w;

    wire_init(&w);
    cr_assert_eq(wire_recv(&w, &from, seen, sizeof seen), -1);
    cr_assert_eq(errno, EAGAIN);
    source.piece = 1000;
    cr_assert_gt(wire_recv(&w, &from, seen, sizeof seen), 0);
    cr_assert(w.ended, "it has asked until there was no more");
    cr_assert_eq(wire_recv(&w, &from, seen, sizeof seen), 0);
    wire_release(&w);
}
