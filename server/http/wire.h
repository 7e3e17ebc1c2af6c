/* server/http/wire.h - the bytes of one connection, between the socket and libmicrohttpd: every request of it is read
 * here first, strictly by RFC 9112, and reaches the library only in the form in which we write it.
 *
 *   head -> body by Content-Length -> head …
 *   head -> chunks -> trailer -> head …
 *
 * A faulty byte is never handed on. A head with a fault is replaced by one that carries HEADER_FAULT, a broken chunk by
 * the last chunk with a trailer of that name, and whatever comes behind it is dropped. Trailers of clients are read and
 * dropped. Of a body by Content-Length or in a chunk, what is still to come goes straight to where the library wants it.
 *
 * One thread at a time. */
#ifndef SERVER_HTTP_WIRE_H
#define SERVER_HTTP_WIRE_H

#include "cxrd/buf.h"

#include <stdint.h>
#include <sys/types.h>

enum wire_state {
    WIRE_HEAD,
    WIRE_LENGTH,
    WIRE_CHUNK_LINE,
    WIRE_CHUNK,
    WIRE_CHUNK_END,
    WIRE_TRAILER,
    WIRE_REFUSED
};

struct wire {
    enum wire_state state;
    struct buf in, out;  /* what came and is not understood yet; what we wrote and is not handed on yet */
    size_t taken, given; /* bytes of them that are done with */
    size_t empty_lines;  /* before the head that is to come */
    size_t scanned;      /* bytes of a head that were looked at */
    uint64_t left;       /* bytes that still belong to the body or to the chunk, or may still be dropped */
    size_t trailer_bytes;
    bool last;  /* behind this body nothing is believed */
    bool ended; /* nothing comes any more */
};

void wire_init(struct wire *w);
void wire_release(struct wire *w); /* overwrites what it holds */

/* Where the bytes come from: as recv(), -1 with errno EAGAIN where there are none at the moment. */
struct wire_source {
    ssize_t (*read)(void *arg, void *ret, size_t n);
    void *arg;
    /* Ask until there are no more. Of a plain socket libmicrohttpd takes fewer bytes than it asked for as a sign that it
     * need not ask before the kernel tells of new ones. Of TLS it does not, and there nothing may be read ahead: an end
     * without a farewell makes the session one in which no reply can be sent. */
    bool drain;
};

/* As recv(): up to n bytes for the library. Where the source has ended after them, w->ended says so, and the next call
 * returns 0. */
ssize_t wire_recv(struct wire *w, const struct wire_source *from, void *ret, size_t n);

#endif
