/* server/commands/store.c - cxrd store: all jobs and models, from a state folder into a database that servers share, or back. */
#include "cxrd/store.h"
#include "commands.h"
#include "cxrd/log.h"
#include "cxrd/state_copy.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct store_options {
    const char *from, *to;
};

#define AT(member) offsetof(struct store_options, member)

static const struct option OPTIONS[] = { { "from", OPTION_TEXT, AT(from), "DIR|URL",
                                           "what is copied: the --state of a server with a store of its own, "
                                           "or the --store of several, postgresql://USER@HOST/NAME, "
                                           "with its password in PGPASSWORD; no server may use it" },
                                         { "to", OPTION_TEXT, AT(to), "DIR|URL",
                                           "where to: the same, and nothing may be there yet" },
                                         { NULL } };

static void print_copied(const struct store_options *o, const struct state_copied *copied)
{
    const bool from_folder = !store_place_is_shared(o->from);

    for (size_t i = 0; i < COPIED_KINDS; i++)
        printf("%-16s %10zu\n", copied->kinds[i].name, copied->kinds[i].n);
    printf("%-16s %10zu\n%-16s %s\n", "bytes of files", copied->file_bytes, "digest", copied->digest);
    fprintf(stderr,
            "The copy is whole. patients.key is not part of it: put %s into the --state of each server "
            "there, before the first start.\n",
            from_folder ? "that of the state folder" : "that of a server there was");
}

static int store(int argc, char **argv)
{
    struct store_options o = { NULL };
    struct state_copied copied;
    struct error err = { 0 };
    size_t n_arguments;
    int exit_status;

    if (!command_begin(&COMMAND_STORE, argc, argv, &o, &n_arguments, &exit_status))
        return exit_status;
    if (n_arguments != 1 || strcmp(argv[1], "copy") != 0)
        return command_misuse(&COMMAND_STORE, "say copy: that is what it can do");
    if (!o.from || !o.to)
        return command_misuse(&COMMAND_STORE, "--from and --to say what is copied, and where to");
    umask(0077);
    log_set_level(LOG_WARN);
    if (state_copy(o.from, o.to, &copied, &err) != ST_OK)
        return command_fail(&COMMAND_STORE, &err);
    print_copied(&o, &copied);
    return EXIT_DONE;
}

const struct command COMMAND_STORE = {
    "store",
    "copy",
    "copy all jobs and models, with their files, from one store to another that is empty",
    OPTIONS,
    store,
    1,
    .example = "cxrd store copy --from state --to postgresql://cxrd@db.example/cxrd",
    .exits =
        "1 also where the target is not empty, or one of the two is in use; the target is as it was then",
};
