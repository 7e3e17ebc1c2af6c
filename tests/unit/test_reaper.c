/* tests/unit/test_reaper.c - deadlines: silence is cut, and one that has asked is not, however late it is read. */
#include "http/reaper.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct reaper *REAPER;

static void begin(void)
{
    struct error err = { 0 };

    cr_assert_eq(reaper_start(8, 0, &REAPER, &err), ST_OK, "%s", err.text);
}

static void end(void) { reaper_stop(REAPER); }

TestSuite(reaper, .init = begin, .fini = end, .timeout = 120);

struct connection {
    int client, server;
    struct peer *peer;
};

/* One that has sent this already when the reaper meets it. */
static struct connection connection(const char *sent)
{
    struct connection c;
    int ends[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    c = (struct connection){ .client = ends[0], .server = ends[1] };
    cr_assert_eq(send(c.client, sent, strlen(sent), 0), (ssize_t)strlen(sent));
    cr_assert(reaper_expect(REAPER, c.server, NULL));
    c.peer = reaper_add(REAPER, c.server, 0);
    cr_assert_not_null(c.peer);
    return c;
}

static void wait_until_cut(const struct connection *c)
{
    char byte;

    cr_assert_eq(recv(c->client, &byte, 1, 0), 0);
}

static void check_is_open(const struct connection *c)
{
    char byte = 'x';

    cr_assert_eq(send(c->server, &byte, 1, MSG_NOSIGNAL), 1);
    cr_assert_eq(recv(c->client, &byte, 1, 0), 1);
}

static void leave(struct connection *c)
{
    reaper_remove(REAPER, c->peer);
    close(c->client);
    close(c->server);
}

/* Twice: in the look in which the first is cut another may not have had its turn. */
static void wait_for_two_looks(void)
{
    for (int i = 0; i < 2; i++) {
        struct connection silent = connection("");

        wait_until_cut(&silent);
        leave(&silent);
    }
}

Test(reaper, does_not_cut_one_whose_head_has_come_and_was_not_read)
{
    struct connection asked = connection("GET ");
    char some[8];

    wait_for_two_looks();
    check_is_open(&asked);
    cr_assert_eq(recv(asked.server, some, sizeof some, 0), 4); /* and now it is the client who is late */
    wait_until_cut(&asked);
    leave(&asked);
}

Test(reaper, cuts_one_that_sends_more_in_place_of_reading_its_reply)
{
    struct connection c = connection("GET ");

    reaper_begin(REAPER, c.peer, 0);
    wait_until_cut(&c);
    leave(&c);
}
