/* server/commands/health.c - cxrd health: exit 0 when a server is alive, or with --ready when it has a model. Made for a
 * container's HEALTHCHECK. */
#include "../client.h"
#include "commands.h"

#include <stdio.h>

struct health_options {
    bool ready;
};

static const struct option OPTIONS[] = {
    { "ready", OPTION_FLAG, offsetof(struct health_options, ready), NULL,
      "ask whether a model is loaded as well" },
};

static int health(int argc, char **argv)
{
    struct health_options o = { 0 };
    struct error err = { 0 };
    json_t *reply = NULL;
    char url[1024];
    size_t n_arguments;
    int exit_status;

    if (!command_begin(&COMMAND_HEALTH, argc, argv, &o, &n_arguments, &exit_status))
        return exit_status;
    client_url(n_arguments ? argv[1] : "http://127.0.0.1:8080", o.ready ? "/readyz" : "/livez", url,
               sizeof url);
    if (client_json("GET", url, NULL, NULL, 0, &reply, &err) != ST_OK)
        return command_fail(&COMMAND_HEALTH, &err);
    puts(o.ready ? "ready" : "alive");
    json_decref(reply);
    return EXIT_DONE;
}

const struct command COMMAND_HEALTH = {
    "health", "[--ready] [URL]", "is a server alive?", OPTIONS, sizeof OPTIONS / sizeof OPTIONS[0], health, 1
};
