/* server/commands/main.c - which command? */
#include "commands.h"

#include "cxrd/fetch.h"
#include "cxrd/labels.h"
#include "cxrd/version.h"
#include "cxrd/words.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>

static const struct command *const COMMANDS[] = { &COMMAND_SERVE,    &COMMAND_TRAIN,    &COMMAND_PREDICT,
                                                  &COMMAND_VALIDATE, &COMMAND_JOBS,     &COMMAND_MODELS,
                                                  &COMMAND_ACTIVATE, &COMMAND_ROLLBACK, &COMMAND_PHANTOM,
                                                  &COMMAND_HEALTH,   &COMMAND_KEY,      &COMMAND_AUDIT,
                                                  &COMMAND_INSPECT,  &COMMAND_IMPORT,   &COMMAND_EXPORT,
                                                  &COMMAND_COMPARE,  &COMMAND_FORGET,   &COMMAND_SIGN,
                                                  &COMMAND_VERIFY,   &COMMAND_STORE,    &COMMAND_COMPLETION };

static void print_version(void) { printf("cxrd %s (%s)\n%s\n", CXRD_VERSION, CXRD_BUILD, INTENDED_USE); }

static void print_help(FILE *to)
{
    fprintf(to, "cxrd - chest X-rays to findings, and the training that gets there\n\n");
    for (size_t i = 0; command_at(i); i++)
        fprintf(to, "  cxrd %-10s  %s\n", command_at(i)->name, command_at(i)->summary);
    fprintf(to,
            "  cxrd --version\n  cxrd --man          the manual page: cxrd --man | man -l -\n\n"
            "cxrd help COMMAND says more of one. %s\n",
            INTENDED_USE);
}

/* The memory of a model goes back to the system when its last reader lets it go. By itself glibc would learn from the first
 * such buffer to keep the next ones in the heaps of whichever threads made them, and resident memory would step up with
 * the number of threads. Buffers of a picture stay in the heap: their pages are needed again at once, and a fresh page
 * costs as much as decoding what comes to lie in it. */
static void memory_settle(void)
{
    mallopt(M_MMAP_THRESHOLD, 4 << 20);
    mallopt(M_TRIM_THRESHOLD, 16 << 20);
    mallopt(M_ARENA_MAX, 4);
}

static const char *name_at(const void *arg, size_t i)
{
    (void)arg;
    return command_at(i) ? command_at(i)->name : NULL;
}

/* There is no such command: which one is meant, else which there are. */
static void refuse_name(const char *name)
{
    const char *meant = word_meant(name_at, NULL, name, strlen(name));

    if (meant) {
        fprintf(stderr, "cxrd: there is no command '%.64s'; is '%s' meant?\nTry: cxrd --help\n", name, meant);
        return;
    }
    if (*name)
        fprintf(stderr, "cxrd: there is no command '%.64s'\n\n", name);
    print_help(stderr);
}

/* NULL: there is none of that name, which has been said. */
static const struct command *find(const char *name)
{
    for (size_t i = 0; command_at(i); i++)
        if (strcmp(name, command_at(i)->name) == 0)
            return command_at(i);
    refuse_name(name);
    return NULL;
}

/* `cxrd help`, and of one command. */
static int help(const char *name)
{
    const struct command *c = name ? find(name) : NULL;

    if (c)
        options_help(c);
    else if (!name)
        print_help(stdout);
    return c || !name ? EXIT_DONE : EXIT_USAGE;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    const struct command *c;

    memory_settle();
    if (strcmp(name, FETCH_UNPACKER) == 0)
        return fetch_unpacker();
    commands_know(COMMANDS, sizeof COMMANDS / sizeof COMMANDS[0]);
    if (strcmp(name, "--version") == 0) {
        print_version();
        return EXIT_DONE;
    }
    if (strcmp(name, "--man") == 0) {
        manual_print();
        return EXIT_DONE;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)
        return help(argc > 2 ? argv[2] : NULL);
    c = find(name);
    return c ? c->run(argc - 1, argv + 1) : EXIT_USAGE;
}
