/* tests/support/postgresql_proxy.h - stands between libpq and a PostgreSQL server, counts the client's messages, and does something when
 * so many of them have passed. */
#ifndef TESTS_POSTGRESQL_PROXY_H
#define TESTS_POSTGRESQL_PROXY_H

#include <stdbool.h>
#include <sys/types.h>

enum proxy_act {
    PROXY_CUT,    /* both sides are cut: the rest never comes to the server */
    PROXY_LATE,   /* the client is cut, and the rest of what it had sent comes to the server later */
    PROXY_GONE,   /* the same, and whoever connects is cut at once, until proxy_back() */
    PROXY_SILENT, /* nothing goes on, either way, and no connection ends, until proxy_back() */
    PROXY_STOP,   /* the client's process is stopped, see proxy_process() */
    PROXY_KILL,   /* it is killed, and what it had not sent on yet never comes to the server */
};

/* Listens in `folder` as a server at port 5432 does, and connects to the one in `server_folder`. */
void proxy_begin(const char *server_folder, const char *folder);
void proxy_end(void);

/* Once, when `after` more messages have passed: 0: before the next one. */
void proxy_arm(enum proxy_act act, int after);
bool proxy_acted(void);
int proxy_disarm(void);        /* how many messages have passed since it was armed; -1: it was done */
void proxy_process(pid_t pid); /* whom to stop or kill */
void proxy_back(void);

#endif
