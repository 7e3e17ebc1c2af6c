/* include/cxrd/log.h - the program's log: one JSON object a line on standard error.
 *
 * Never write patient data: no file name, no pixel, no text from a form or from a picture. Any thread may log; a
 * line is one write(2), so lines do not mix. */
#ifndef CXRD_LOG_H
#define CXRD_LOG_H

#include "cxrd/status.h"

#include <jansson.h>
#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };

/* Lines below `level` are dropped. Initially LOG_INFO. Call before threads start. */
void log_set_level(enum log_level level);
bool log_level_parse(const char *name,
                     enum log_level *ret_level); /* "debug", "info", "warn", "error", "off" */

/* {"time":…,"level":…,"message":…} and the members of `fields`, which is taken over (NULL is fine). Strings
 * longer than 256 bytes are cut. `message` is a constant text of ours. */
void log_event(enum log_level level, const char *message, json_t *fields);

/* The same with one member "detail", formatted. */
void log_text(enum log_level level, const char *message, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
