/* server/secret_line.h - a secret that an option names a file for, since a command line and an environment can be read by others. */
#ifndef SERVER_SECRET_LINE_H
#define SERVER_SECRET_LINE_H

#include "cxrd/status.h"

/* The first line of a file of at most 4 KiB, without blanks at its end; "" where the file is empty. Nothing else of the file stays in
 * memory.
 *   ret_line  owned: give it to secret_free(); untouched on failure
 * Errors: file_read()'s; ST_FORMAT (a zero byte in the line), ST_NOMEM. */
MUST_USE enum status secret_line_read(const char *path, char **ret_line, struct error *err);

#endif
