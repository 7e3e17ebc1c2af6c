/* server/commands/audit.c - cxrd audit: has anybody changed the audit log? */
#include "../audit.h"
#include "commands.h"

#include <stdint.h>
#include <stdio.h>

static void on_torn(const char *where)
{
    printf("%s: torn, as a crash or a full disk leaves it; not part of the chain\n", where);
}

static int audit(int argc, char **argv)
{
    struct error err = { 0 };
    struct audit_found found = { .on_torn = on_torn };
    size_t n_paths;
    int exit_status;

    if (!command_begin(&COMMAND_AUDIT, argc, argv, NULL, &n_paths, &exit_status))
        return exit_status;
    if (n_paths == 0) {
        fprintf(stderr, "cxrd audit: give the log's files, oldest first\n");
        return EXIT_USAGE;
    }
    if (audit_check((const char *const *)argv + 1, n_paths, &found, &err) != ST_OK)
        return command_fail(&COMMAND_AUDIT, &err);
    printf("%zu events, each follows the one before\n", found.lines - found.torn);
    return EXIT_DONE;
}

const struct command COMMAND_AUDIT = {
    "audit", "FILE…", "check that an audit log is whole; files oldest first", NULL, audit, SIZE_MAX,
};
