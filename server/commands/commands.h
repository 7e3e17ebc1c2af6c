/* server/commands/commands.h - what `cxrd` can be asked to do; one file a command. */
#ifndef SERVER_COMMANDS_COMMANDS_H
#define SERVER_COMMANDS_COMMANDS_H

#include "../options.h"
#include "cxrd/precision.h"

#include <stddef.h>
#include <stdio.h>

extern const struct command COMMAND_SERVE, COMMAND_TRAIN, COMMAND_PREDICT, COMMAND_PHANTOM, COMMAND_HEALTH,
    COMMAND_KEY, COMMAND_AUDIT, COMMAND_INSPECT, COMMAND_IMPORT, COMMAND_EXPORT, COMMAND_COMPARE,
    COMMAND_JOBS, COMMAND_MODELS, COMMAND_ACTIVATE, COMMAND_ROLLBACK, COMMAND_FORGET, COMMAND_SIGN,
    COMMAND_VERIFY, COMMAND_STORE, COMMAND_COMPLETION, COMMAND_VALIDATE;

/* All of them, in the order in which --help has them. main() tells them first of all, so that a command which tells of the others
 * does not need the file that has them all.
 *   commands  borrowed for good */
void commands_know(const struct command *const *commands, size_t n);
const struct command *command_at(size_t i); /* NULL: there are no more */

/* Exit statuses of a command. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* Parse a command's options; true: go on. False: *ret_exit is what to end with, the message has been printed. */
bool command_begin(const struct command *c, int argc, char **argv, void *into, size_t *ret_n_arguments,
                   int *ret_exit);

/* Say on standard error why a command cannot be called so, and where its options are listed; returns EXIT_USAGE. */
int command_misuse(const struct command *c, const char *says);

/* A file that is there is not written over by accident. Errors: ST_INVALID. */
MUST_USE enum status command_out_check(const char *path, bool overwrite, struct error *err);

/* The manual page, roff, from the same tables as --help. */
void manual_print(void);
void manual_print_program(const struct command *c); /* of one that is a program by itself */

/* Of options that name a precision. */
option_check check_precision;

/* Of options that name an enum input_policy. */
option_check check_input_policy;

/* The precision of that name, which the check has seen; NULL: float32. */
enum precision precision_named(const char *name);

/* `n` bytes as their maker wrote them, such as the name of a file; on a terminal without what would steer it. */
void print_text(FILE *to, const char *text, size_t n);

/* "cxrd predict: film.png: …" on standard error: what it is about, the sentence, and what of the two it does not say yet of a path.
 *   about  NULL: the command as a whole */
void command_tell(const struct command *c, const char *about, const struct error *err);

/* The same of the command; returns EXIT_FAILED. */
int command_fail(const struct command *c, const struct error *err);

#endif
