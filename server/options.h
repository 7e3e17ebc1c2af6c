/* server/options.h - the flags of a command as a table: parsing, environment, --help and the manual all read it.
 *
 * A flag is "--name value", "--name=value" or, for OPTION_FLAG, "--name"; some have a letter, "-n value". Each has an
 * environment variable, CXRD_<NAME> with _ for -, which the flag overrides; an empty one counts as not set, which is how
 * compose files and units leave one out. Of a flag that is given twice the last one holds, but for OPTION_LIST. */
#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H

#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>

/* The fault of an option's text, as a sentence that goes on behind the option's name: "must be …, not '…'". */
typedef enum status option_check(const char *text, struct error *err);

enum option_kind {
    OPTION_TEXT,  /* const char * */
    OPTION_COUNT, /* size_t, in min..max */
    OPTION_BYTES, /* size_t, with K, M or G behind it if you like */
    OPTION_FLAG,  /* bool; --name, or with a value: 1, on, true, yes, 0, off, false, no */
    OPTION_LIST,  /* struct option_list, may be given again */
};

struct option_list {
    const char *items[32];
    size_t n;
};

struct option {
    const char *name; /* without -- */
    enum option_kind kind;
    size_t place;      /* offset in the command's struct */
    const char *value; /* its name in --help; NULL for a flag */
    const char *help;
    size_t min, max;     /* of COUNT and BYTES */
    option_check *check; /* of TEXT; NULL: any text will do that is not empty */
    char letter;         /* 'o': "-o" is short for "--<name>"; 0: none */
};

struct command {
    const char *name, *arguments, *summary;
    const struct option *options; /* the last one has no name; NULL: none */
    int (*run)(int argc, char **argv);
    size_t max_arguments; /* beside the flags */
    const char *example;  /* a line for a shell */
    const char *exits;    /* what its exit status says beyond EXITS; NULL: nothing */
    bool is_program;      /* by itself, and no word behind "cxrd" */
};

/* The words before a command's name: "cxrd ", or nothing. */
const char *command_prefix(const struct command *c);

/* Read the environment, then argv[1…]. Texts are borrowed from both. Arguments that are no flags are left in
 * argv[1…*ret_n_arguments]. With --help the help is printed and *ret_help is true.
 * Errors: ST_INVALID; the sentence names the flag, or the environment variable that it came from. */
MUST_USE enum status options_parse(const struct command *command, int argc, char **argv, void *into,
                                   size_t *ret_n_arguments, bool *ret_help, struct error *err);

void options_help(const struct command *command);

/* The exit status of every command. */
#define EXITS "0 done; 1 failed, with a sentence on standard error; 2 not asked as it should be"

/* "max-upload" -> "CXRD_MAX_UPLOAD". */
void option_environment(const char *name, char ret[64]);

#endif
