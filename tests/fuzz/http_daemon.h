/* tests/fuzz/http_daemon.h - the server's HTTP edge without a network and without threads: the program is linked with
 * --wrap, so that daemon.c, which does not know, gets a libmicrohttpd that the fuzzer turns by hand, and queues that do an
 * item when it is pushed. One input is then one sequence of steps, the same each time. */
#ifndef TESTS_FUZZ_HTTP_DAEMON_H
#define TESTS_FUZZ_HTTP_DAEMON_H

#include <stdbool.h>

/* Give the edge a connection, whose descriptor is its own from here on. Once http_start() has run. */
bool daemon_adopt(int fd);

/* Do what there is to do now. */
void daemon_turn(void);

unsigned daemon_connections(void);

#endif
