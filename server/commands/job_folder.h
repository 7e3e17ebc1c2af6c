/* server/commands/job_folder.h - what jobs in the foreground have in common: their configuration, and the folder that --out names. */
#ifndef SERVER_COMMANDS_JOB_FOLDER_H
#define SERVER_COMMANDS_JOB_FOLDER_H

#include "../options.h"
#include "cxrd/model.h"
#include "cxrd/report.h"

#include <jansson.h>
#include <stddef.h>

/* A file of the folder, whole or not at all; its "job.json". Errors: ST_IO, ST_LIMIT, ST_NOMEM. */
MUST_USE enum status job_file_save(const char *folder, const char *name, const void *bytes, size_t n,
                                   struct error *err);
MUST_USE enum status job_record_save(const char *folder, const json_t *record, struct error *err);

/* Its reports, in both forms.
 *   whole  where the whole one goes; NULL: into the folder, as the other
 * Errors: report_save()'s. */
MUST_USE enum status job_folder_report(const char *folder, const char *whole, const json_t *record,
                                       const struct model *m, const json_t *plots, struct error *err);

/* A JSON object from a file, a new reference. Errors: file_read()'s, ST_FORMAT. */
MUST_USE enum status job_object_read(const char *path, json_t **ret, struct error *err);

/* The configuration as it is asked for, a new reference.
 *   file     a JSON object, which --config names; NULL: `base` is where it begins
 *   base     NULL: an empty object
 *   dataset  over both; NULL: not said
 *   set      key=value over all of it: a value that is JSON is taken as such, everything else is a string
 * Errors: file_read()'s, ST_FORMAT, ST_INVALID, ST_NOMEM. */
MUST_USE enum status job_config_make(const char *file, const json_t *base, const char *dataset,
                                     const struct option_list *set, json_t **ret, struct error *err);

/* The first of a configuration's errors as the sentence. Errors: ST_INVALID (there is one). */
MUST_USE enum status job_config_fault(const json_t *errors, struct error *err);

#endif
