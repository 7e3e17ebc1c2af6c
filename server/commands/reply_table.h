/* server/commands/reply_table.h - the answers of /predict as a CSV file (RFC 4180), a row a picture. */
#ifndef SERVER_COMMANDS_REPLY_TABLE_H
#define SERVER_COMMANDS_REPLY_TABLE_H

#include "cxrd/labels.h"
#include "cxrd/status.h"

#include <jansson.h>

struct reply_table;

/* Begin a table with the line that names its columns: file, the labels, warnings, model, error.
 *   path       "-": standard output
 *   overwrite  a file that is there already
 * Errors: ST_INVALID (it is there), ST_IO, ST_NOMEM. */
MUST_USE enum status reply_table_open(const char *path, bool overwrite, const struct labels *labels,
                                      struct reply_table **ret, struct error *err);

/* Append the row of a picture, which reaches the file at once, so that what stops the program loses no row before it. Until the table is
 * whole that is "<path>.part", so that one that is not is not taken for one that is; standard output, and what is no regular
 * file, have it in place.
 *   reply    NULL: none, and `refused` says why
 * Errors: ST_CONFLICT (the model that answered has other labels than the table), ST_IO, ST_NOMEM. */
MUST_USE enum status reply_table_put(struct reply_table *t, const char *picture, const json_t *reply,
                                     const char *refused, struct error *err);

/* End it.
 *   t      NULL is fine
 *   whole  it has all rows, and gets its name
 * Errors: ST_IO; ST_INVALID: there is a file of that name by now. */
MUST_USE enum status reply_table_close(struct reply_table *t, bool whole, struct error *err);

/* Where the rows of one that is not whole are; NULL: nowhere. */
const char *reply_table_part(const struct reply_table *t);

#endif
