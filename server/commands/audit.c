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
    if (n_paths == 0)
        return command_misuse(&COMMAND_AUDIT, "give the log's files, oldest first");
    if (audit_check((const char *const *)argv + 1, n_paths, &found, &err) != ST_OK)
        return command_fail(&COMMAND_AUDIT, &err);
    printf("%zu events, each follows the one before%s\n", found.lines - found.torn,
           found.end_known && !found.unsynced_missing ? ", and none is missing at the end" : "");
    if (found.begins_inside)
        printf("the first follows an event that is in none of these files\n");
    if (found.unsynced_missing)
        printf(
            "lines are missing at the end: they had not been synced, so a power cut may have taken them\n");
    if (!found.end_known)
        printf("whether lines are missing at the end cannot be told: there is no event, or no '.NAME.chain' "
               "beside "
               "the last file\n");
    return EXIT_DONE;
}

const struct command COMMAND_AUDIT = {
    "audit",
    "FILE…",
    "check that an audit log is whole; files oldest first",
    NULL,
    audit,
    SIZE_MAX,
    .example = "cxrd audit audit.log",
    .exits = "1 also where a line is missing or was changed",
};
