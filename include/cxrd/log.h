/* include/cxrd/log.h - the program's log: one JSON object a line on standard error.
 *
 * Never write patient data: no file name, no pixel, no text from a form or from a picture. Any thread may log; a
 * line is one write(2), so lines do not mix. */
#ifndef CXRD_LOG_H
#define CXRD_LOG_H

#include "cxrd/status.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };

/* Lines below `level` are dropped. Initially LOG_INFO. Call before threads start. */
void log_set_level(enum log_level level);
bool log_level_parse(const char *name,
                     enum log_level *ret_level); /* "debug", "info", "warn", "error", "off" */

/* From here on no caller waits for the log's reader: a thread writes the lines, in their order. Up to 1024 lines or 512 KiB
 * wait for a slow reader; later ones are lost, and in their place a line "log lines lost" says how many, once the reader
 * reads again. A process that crashes writes what waits first, for a second at most. Without it, or after
 * log_stop(), each thread writes its own lines. Errors: ST_IO (no more threads). */
MUST_USE enum status log_start(struct error *err);

/* Write what waits, for a second at most. False: the reader does not read, and lines still go nowhere. Twice is fine. */
bool log_stop(void);

uint64_t log_lost(void); /* lines that nobody will read, so far; any thread */

/* A line on standard output, in turn with the log's; `fmt` ends it. */
void log_announce(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* {"time":…,"level":…,"message":…} and the members of `fields`, which is taken over (NULL is fine). Strings
 * longer than 256 bytes are cut. `message` is a constant text of ours. */
void log_event(enum log_level level, const char *message, json_t *fields);

/* The same with the members "detail", the error's sentence, and "inner" where it has more for the operator. */
void log_error(enum log_level level, const char *message, const struct error *err);

/* The same with one member "detail", formatted. */
void log_text(enum log_level level, const char *message, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
