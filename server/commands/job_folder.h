/* server/commands/job_folder.h - what jobs in the foreground have in common: their configuration, and the folder that --out names. */
#ifndef SERVER_COMMANDS_JOB_FOLDER_H
#define SERVER_COMMANDS_JOB_FOLDER_H

#include "cxrd/status.h"

#include <jansson.h>
#include <stddef.h>

/* A file of the folder, whole or not at all; its "job.json". Errors: ST_IO, ST_LIMIT, ST_NOMEM. */
MUST_USE enum status job_file_save(const char *folder, const char *name, const void *bytes, size_t n,
                                   struct error *err);
MUST_USE enum status job_record_save(const char *folder, const json_t *record, struct error *err);

/* A JSON object from a file, a new reference. Errors: file_read()'s, ST_FORMAT. */
MUST_USE enum status job_config_file(const char *path, json_t **ret, struct error *err);

/* key=value into it: a value that is JSON is taken as such, everything else is a string. Errors: ST_INVALID, ST_NOMEM. */
MUST_USE enum status job_config_set(json_t *config, const char *item, struct error *err);

#endif
