/* server/http/recv.c - the recv() and the gnutls_record_recv() that libmicrohttpd finds, in place of the libraries' own.
 *
 * That library's parser takes as valid what RFC 9112 calls invalid, and hides from us what it did (docs/internals/http.md
 * has the list). So it is given other bytes than those that came: see wire.h. The file is part of the program, not of a
 * library, for the reason that epoll_wait.c gives. Other callers, such as libcurl, get what they would get without it. */
#include "intake.h"

#include <dlfcn.h>
#include <errno.h>
#include <sys/socket.h>

/* ---- plain ---- */

static ssize_t read_socket(void *arg, void *ret, size_t n)
{
    return recvfrom(*(const int *)arg, ret, n, 0, NULL, NULL);
}

ssize_t recv(int fd, void *ret, size_t n, int flags)
{
    const struct wire_source from = { read_socket, &fd, true };
    ssize_t got;

    if (flags == 0 && intake_recv(fd, false, &from, ret, n, &got))
        return got;
    return recvfrom(fd, ret, n, flags, NULL, NULL);
}

/* ---- TLS ---- */

struct gnutls_session_int;
enum { TLS_INTERRUPTED = -52, TLS_AGAIN = -28 }; /* GNUTLS_E_INTERRUPTED, GNUTLS_E_AGAIN */

ssize_t gnutls_record_recv(struct gnutls_session_int *session, void *ret, size_t n);

struct deciphered {
    struct gnutls_session_int *session;
    ssize_t (*recv)(struct gnutls_session_int *session, void *ret, size_t n);
    ssize_t failed; /* the last code that was below 0; that of "not now" where there was none */
};

static ssize_t read_deciphered(void *arg, void *ret, size_t n)
{
    struct deciphered *d = arg;
    const ssize_t got = d->recv(d->session, ret, n);

    if (got >= 0)
        return got;
    d->failed = got;
    errno = got == TLS_AGAIN ? EAGAIN : got == TLS_INTERRUPTED ? EINTR : EIO;
    return -1;
}

/* A function of the library behind us. */
#define FIND(name, pointer) (*(void **)(&(pointer)) = dlsym(RTLD_NEXT, (name)))

ssize_t gnutls_record_recv(struct gnutls_session_int *session, void *ret, size_t n)
{
    int (*descriptor)(struct gnutls_session_int * session);
    struct deciphered d = { .session = session, .failed = TLS_AGAIN };
    const struct wire_source from = { read_deciphered, &d, false };
    ssize_t got;

    FIND("gnutls_record_recv", d.recv);
    FIND("gnutls_transport_get_int", descriptor);
    if (!intake_recv(descriptor(session), true, &from, ret, n, &got))
        return d.recv(session, ret, n);
    return got < 0 ? d.failed : got;
}
