/* server/commands/phantom.c - cxrd phantom: a data set of synthetic chests. */
#include "cxrd/phantom.h"

#include "commands.h"
#include "cxrd/cores.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct options {
    const char *out, *rates;
    size_t images, size, seed, threads;
};

#define AT(member) offsetof(struct options, member)

static const struct option OPTIONS[] = {
    { "out", OPTION_TEXT, AT(out), "DIR", "where the data set goes; made if missing", .letter = 'o' },
    { "images", OPTION_COUNT, AT(images), "N", "how many pictures (1000)", 1, PHANTOM_MAX_IMAGES },
    { "size", OPTION_COUNT, AT(size), "PIXELS", "of a side (1024)", PHANTOM_MIN_SIZE, PHANTOM_MAX_SIZE },
    { "seed", OPTION_COUNT, AT(seed), "S", "the same seed makes the same data set (1)", 0, SIZE_MAX },
    { "rates", OPTION_TEXT, AT(rates), "even|nih",
      "how often findings occur: none rare, or as in the real table" },
    { "threads", OPTION_COUNT, AT(threads), "N", "threads to draw with (all cores)", 1, 256 },
    { NULL },
};

static void on_progress(void *arg, size_t done, size_t total)
{
    const bool *terminal = arg;

    if (*terminal)
        fprintf(stderr, "\r%zu of %zu pictures%s", done, total, done == total ? "\n" : "");
}

static int phantom(int argc, char **argv)
{
    struct options o = {
        .rates = "even", .images = 1000, .size = 1024, .seed = 1, .threads = cores_available()
    };
    bool terminal = isatty(STDERR_FILENO);
    struct phantom_options make;
    struct pool *pool = NULL;
    struct error err = { 0 };
    size_t n_arguments;
    enum status st;
    int exit_status;

    if (!command_begin(&COMMAND_PHANTOM, argc, argv, &o, &n_arguments, &exit_status))
        return exit_status;
    if (!o.out || (strcmp(o.rates, "nih") != 0 && strcmp(o.rates, "even") != 0))
        return command_misuse(&COMMAND_PHANTOM, "--out is needed; --rates is even or nih");
    make = (struct phantom_options){ o.out, o.images, o.size, o.seed, strcmp(o.rates, "nih") == 0 };
    st = pool_new(o.threads, POOL_NORMAL, &pool, &err);
    if (st == ST_OK)
        st = phantom_make(&make, pool, on_progress, &terminal, &err);
    pool_free(pool);
    return st == ST_OK ? EXIT_DONE : command_fail(&COMMAND_PHANTOM, &err);
}

const struct command COMMAND_PHANTOM = {
    "phantom",
    "--out DIR [OPTIONS]",
    "make a data set of synthetic chests",
    OPTIONS,
    phantom,
    .example = "cxrd phantom --out datasets/phantom --images 200 --size 256",
};
