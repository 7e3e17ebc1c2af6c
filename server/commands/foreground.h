/* server/commands/foreground.h - ends a job in the foreground at Ctrl-C or SIGTERM; the same folder can go on with it later. */
#ifndef SERVER_COMMANDS_FOREGROUND_H
#define SERVER_COMMANDS_FOREGROUND_H

#include "commands.h"
#include "cxrd/status.h"

#include <jansson.h>
#include <stdbool.h>

/* From now on these signals only ask the job to end. Once in a process. */
void foreground_begin(void);
bool foreground_ended(void); /* one has come; any thread */

/* The `warnings` of a job's record that have not been said, on standard error.
 *   told  those that have, a reference of the caller's; it is replaced by the record's */
void foreground_warn(const json_t *record, json_t **told);

/* The exit status of a job that ended so, said on standard error.
 *   goes_on  what goes on with one that was stopped, such as "--resume goes on with it" */
int foreground_exit(const struct command *c, enum status st, const struct error *err, const char *goes_on);

#endif
