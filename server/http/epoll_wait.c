/* server/http/epoll_wait.c - the epoll_wait() that libmicrohttpd finds, in place of the C library's.
 *
 * libmicrohttpd 0.9.75, Debian 12's, takes events in batches of 128, and after a full one asks for more before it looks
 * at what it has - with the same timeout. Where exactly 128 clients (256, 384 …) have something to say at once, it so
 * sleeps on their requests until another event comes, or for all of its 15 seconds, and then closes them as idle. An
 * array that is never full is never asked for again, and costs nothing: what did not fit is told by the next call.
 *
 * The file is part of the program, not of a library: a definition here goes before a shared library's, which only
 * libmicrohttpd's calls notice. Without it a test of limits fails. */
#include <stddef.h>
#include <sys/epoll.h>

int epoll_wait(int fd, struct epoll_event *events, int most, int timeout_ms)
{
    return epoll_pwait(fd, events, most > 1 ? most - 1 : most, timeout_ms, NULL);
}
