/* server/commands/train_ranks.c - cxrd-train: cxrd train by several processes, which mpirun starts, on one machine or on several.
 *
 * Rank 0 does what `cxrd train` does, and the others train beside it: they need the data set, and write nothing but their caches. */
#include "commands.h"
#include "cxrd/cores.h"
#include "cxrd/cpu.h"
#include "cxrd/labels.h"
#include "cxrd/trainer.h"
#include "cxrd/version.h"
#include "cxrd/weights.h"
#include "foreground.h"
#include "ranks_mpi.h"
#include "train.h"

#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct option OPTIONS[] = {
    TRAIN_OPTIONS,
    { "rank-wait", OPTION_COUNT, TRAIN_AT(rank_wait), "SECONDS",
      "how long a rank may be silent before the training ends and names it; 20 median steps if they are "
      "longer "
      "(30)",
      1, 86400 },
    { NULL },
};

static int main_of_ranks(int argc, char **argv);

static const struct command COMMAND = {
    "cxrd-train",
    "--datasets DIR --out DIR [OPTIONS]",
    "cxrd train by several processes, on one machine or on several, to the same weights",
    OPTIONS,
    main_of_ranks,
    .example = "mpirun -n 4 cxrd-train --datasets datasets --dataset nih --out run1 --set epochs=10",
    .exits = "130 stopped by Ctrl-C, 143 by SIGTERM: --resume goes on with it, by any number of ranks",
    .is_program = true,
};

/* ---- before anything is computed ---- */

/* Ranks on the same machine that may use the same cores share them. */
static enum status cores_share(struct ranks *ranks, size_t *threads, struct error *err)
{
    struct place {
        char host[64];
        cpu_set_t cores;
    } *places = calloc(ranks_n(ranks), sizeof *places), *mine;
    size_t beside = 0;
    enum status st;

    if (!places)
        return error_nomem(err);
    mine = &places[ranks_me(ranks)];
    gethostname(mine->host, sizeof mine->host - 1);
    sched_getaffinity(0, sizeof mine->cores, &mine->cores);
    st = ranks_gather(ranks, places, sizeof *places, NULL, ranks_n(ranks), err);
    for (size_t q = 0; q < ranks_n(ranks); q++)
        beside += memcmp(&places[q], mine, sizeof *mine) == 0;
    if (*threads == 0)
        *threads = cores_available() > beside && beside ? cores_available() / beside
                   : beside                             ? 1
                                                        : cores_available();
    free(places);
    return st;
}

/* The least instruction set of all of them. */
static enum status simd_settle(struct ranks *ranks, struct error *err)
{
    char(*names)[16] = calloc(ranks_n(ranks), sizeof *names);
    enum status st;

    if (!names)
        return error_nomem(err);
    snprintf(names[ranks_me(ranks)], sizeof *names, "%s", cpu_simd());
    st = ranks_gather(ranks, names, sizeof *names, NULL, ranks_n(ranks), err);
    for (size_t q = 0; q < ranks_n(ranks) && st == ST_OK; q++) {
        names[q][sizeof *names - 1] = '\0';
        cpu_simd_limit(names[q]);
    }
    free(names);
    return st == ST_OK ? ranks_agree(ranks, "the instruction set", cpu_simd(), err) : st;
}

/* Whatever of the programs and machines could make other weights. */
static enum status settle(struct ranks *ranks, struct error *err)
{
    char mathematics[32];
    enum status st = ranks_agree(ranks, "the build", CXRD_VERSION " " CXRD_BUILD, err);

    snprintf(mathematics, sizeof mathematics, "%016" PRIx64, cpu_mathematics());
    if (st == ST_OK)
        st = simd_settle(ranks, err);
    if (st == ST_OK)
        st = ranks_agree(ranks, "the BLAS library (OPENBLAS_CORETYPE)", cpu_blas(), err);
    return st == ST_OK ? ranks_agree(ranks, "the C library's arithmetic", mathematics, err) : st;
}

/* ---- the other ranks ---- */

static bool on_cancelled(void *arg)
{
    (void)arg;
    return foreground_ended();
}

static enum status train_as_rank(const struct train_options *o, struct ranks *ranks,
                                 struct train_config *config, const struct model *init, struct error *err)
{
    const struct train_observer observer = { .cancelled = on_cancelled };
    char cache[PATH_MAX];
    const struct train_request request = { .config = config,
                                           .datasets = o->datasets,
                                           .cache_folder = cache,
                                           .cache_bytes = o->cache_bytes,
                                           .init = init,
                                           .threads = o->threads,
                                           .ranks = ranks,
                                           .checkpoint = "",
                                           .scores_path = "" };
    struct train_result result;
    const char *field;
    enum status st = train_config_adopt(config, init, &field, err);

    if (st != ST_OK)
        return st;
    snprintf(cache, sizeof cache, "%s%s/rank-%zu", o->cache ? o->cache : o->out, o->cache ? "" : "/cache",
             ranks_me(ranks));
    st = train_run(&request, &observer, &result, err);
    train_result_release(&result);
    return st;
}

/* Rank 0 says how it ended, unless it is the one that is gone. */
static int train_beside(const struct train_options *o, struct ranks *ranks)
{
    struct train_config config;
    struct file_bytes file = FILE_BYTES_INIT;
    struct model *init = NULL;
    struct error err = { 0 };
    enum status st = train_broadcast(ranks, &config, &file, &err);

    if (st == ST_OK && file.data)
        st = weights_read(file.data, file.size, &init, &err);
    file_bytes_release(&file);
    if (st == ST_OK)
        st = train_as_rank(o, ranks, &config, init, &err);
    st = ranks_end(ranks, st, &err);
    model_unref(init);
    if (st != ST_OK && ranks_misses(ranks, 0))
        return command_fail(&COMMAND, &err);
    return EXIT_DONE;
}

static int main_of_ranks(int argc, char **argv)
{
    struct train_options o;
    struct ranks *ranks;
    struct error err = { 0 };
    int exit_status;
    enum status st;

    if (!train_options_read(&COMMAND, argc, argv, &o, &exit_status))
        return exit_status;
    foreground_begin();
    st = ranks_mpi_open(foreground_ended, (double)o.rank_wait, &ranks, &err);
    if (st == ST_OK && ranks)
        st = settle(ranks, &err);
    if (st == ST_OK)
        st = cores_share(ranks, &o.threads, &err);
    if (st != ST_OK)
        exit_status =
            ranks_me(ranks) == 0 ? foreground_exit(&COMMAND, st, &err, "it had not begun") : EXIT_DONE;
    else if (ranks_me(ranks) == 0)
        exit_status = train_here(&COMMAND, &o, ranks);
    else
        exit_status = train_beside(&o, ranks);
    ranks_mpi_close(ranks, exit_status);
    return exit_status;
}

int main(int argc, char **argv)
{
    const char *first = argc > 1 ? argv[1] : "";

    if (strcmp(first, "--man") == 0)
        manual_print_program(&COMMAND);
    else if (strcmp(first, "--version") == 0)
        printf("cxrd-train %s (%s)\n%s\n", CXRD_VERSION, CXRD_BUILD, INTENDED_USE);
    else
        return COMMAND.run(argc, argv);
    return EXIT_DONE;
}
