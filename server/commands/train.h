/* server/commands/train.h - training in the foreground: what `cxrd train` and cxrd-train, which is the same by several ranks, share. */
#ifndef SERVER_COMMANDS_TRAIN_H
#define SERVER_COMMANDS_TRAIN_H

#include "../options.h"
#include "cxrd/file.h"
#include "cxrd/ranks.h"
#include "cxrd/train_config.h"

#include <stddef.h>
#include <stdint.h>

struct train_options {
    const char *datasets, *dataset, *out, *report, *config, *init, *cache;
    size_t threads, cache_bytes; /* threads: 0: not said */
    bool resume, overwrite;
    struct option_list set;
    size_t rank_wait; /* of cxrd-train alone */
};

#define TRAIN_AT(member) offsetof(struct train_options, member)

/* The options of both, as part of a table. */
#define TRAIN_OPTIONS                                                                                       \
    { "datasets", OPTION_TEXT, TRAIN_AT(datasets), "DIR", "folder with a folder for each data set" },       \
        { "dataset", OPTION_TEXT, TRAIN_AT(dataset), "NAME",                                                \
          "which one; may be left out where there is one" },                                                \
        { "out",                                                                                            \
          OPTION_TEXT,                                                                                      \
          TRAIN_AT(out),                                                                                    \
          "DIR",                                                                                            \
          "where weights, job.json, scores, report and, until it ends, a checkpoint go; made if missing",   \
          .letter = 'o' },                                                                                  \
        { "resume", OPTION_FLAG, TRAIN_AT(resume), NULL,                                                    \
          "go on with the training in --out that was stopped or killed, with its job and its threads" },    \
        { "overwrite", OPTION_FLAG, TRAIN_AT(overwrite), NULL,                                              \
          "begin anew in --out, over the training that is there, ended or not" },                           \
        { "report", OPTION_TEXT, TRAIN_AT(report), "FILE",                                                  \
          "where the report, an HTML page, goes (OUT/report.html); OUT/report_mail.html is a copy to send " \
          "on" },                                                                                           \
        { "config", OPTION_TEXT, TRAIN_AT(config), "FILE", "a job as JSON, as POST /jobs/train takes it" }, \
        { "set", OPTION_LIST, TRAIN_AT(set), "KEY=VALUE",                                                   \
          "one field of the job, over what --config says; may be repeated" },                               \
        { "init", OPTION_TEXT, TRAIN_AT(init), "FILE", "weights to start from, with their geometry" },      \
        { "cache", OPTION_TEXT, TRAIN_AT(cache), "DIR", "where decoded pictures are kept (OUT/cache)" },    \
        { "cache-bytes",                                                                                    \
          OPTION_BYTES,                                                                                     \
          TRAIN_AT(cache_bytes),                                                                            \
          "BYTES",                                                                                          \
          "disk space for them; 0: none (16G)",                                                             \
          0,                                                                                                \
          SIZE_MAX },                                                                                       \
    {                                                                                                       \
        "threads", OPTION_COUNT, TRAIN_AT(threads), "N", "threads to train with (all cores)", 1, 256        \
    }

/* Read and check them; false: *ret_exit is what to end with, and it has been said why. */
bool train_options_read(const struct command *c, int argc, char **argv, struct train_options *o,
                        int *ret_exit);

/* Train, by what the options say, and leave the results in --out. Of several ranks this is rank 0. Returns the exit status. */
int train_here(const struct command *c, const struct train_options *o, struct ranks *ranks);

/* The job and the weights that it begins with, from rank 0 to the others. */
MUST_USE enum status train_broadcast(struct ranks *ranks, struct train_config *config,
                                     struct file_bytes *init, struct error *err);

#endif
