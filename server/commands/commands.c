/* server/commands/commands.c - how every command begins, and how it fails. */
#include "commands.h"

#include <stdio.h>

bool command_begin(const struct command *c, int argc, char **argv, void *into, size_t *ret_n_arguments,
                   int *ret_exit)
{
    struct error err = { 0 };
    bool help;

    if (options_parse(c, argc, argv, into, ret_n_arguments, &help, &err) != ST_OK) {
        fprintf(stderr, "cxrd %s: %s\nTry: cxrd %s --help\n", c->name, err.text, c->name);
        *ret_exit = EXIT_USAGE;
        return false;
    }
    *ret_exit = EXIT_DONE;
    return !help;
}

int command_fail(const struct command *c, const struct error *err)
{
    const bool more = err->inner[0];

    fprintf(stderr, "cxrd %s: %s%s%s%s\n", c->name, err->text[0] ? err->text : status_text(err->code),
            more ? " (" : "", err->inner, more ? ")" : "");
    return EXIT_FAILED;
}
