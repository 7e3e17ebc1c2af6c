/* model/core/log.c - JSON lines on standard error, see cxrd/log.h. */
#include "cxrd/log.h"

#include "cxrd/clock.h"
#include "cxrd/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_FIELD 256

static const char *const LEVEL_NAMES[] = { "debug", "info", "warn", "error", "off" };
static enum log_level threshold = LOG_INFO; /* written before threads start, then read only */

void log_set_level(enum log_level level) { threshold = level; }

bool log_level_parse(const char *name, enum log_level *ret_level)
{
    for (size_t i = 0; i < sizeof LEVEL_NAMES / sizeof LEVEL_NAMES[0]; i++)
        if (strcmp(name, LEVEL_NAMES[i]) == 0) {
            *ret_level = (enum log_level)i;
            return true;
        }
    return false;
}

/* Cut at a character boundary, so that the line stays valid UTF-8. */
static json_t *shortened(const char *text, size_t n)
{
    while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
        n--;
    return json_stringn(text, n);
}

static void cap_fields(json_t *fields)
{
    const char *key;
    json_t *value;

    json_object_foreach (fields, key, value)
        if (json_is_string(value) && json_string_length(value) > MAX_FIELD)
            json_object_set_new(fields, key, shortened(json_string_value(value), MAX_FIELD));
}

static void write_line(json_t *line)
{
    /* ASCII only: a stranger's U+2028 or escape sequence cannot break a terminal or a line reader */
    char *text = json_text(line, JSON_COMPACT | JSON_ENSURE_ASCII);
    size_t n = text ? strlen(text) : 0;

    if (!text)
        return;     /* no memory: rather no line than half of one */
    text[n] = '\n'; /* over the NUL: the line leaves in one write */
    for (size_t done = 0; done <= n;) {
        const ssize_t w = write(STDERR_FILENO, text + done, n + 1 - done);

        if (w <= 0)
            break;
        done += (size_t)w;
    }
    free(text);
}

void log_event(enum log_level level, const char *message, json_t *fields)
{
    char now[CLOCK_TEXT_SIZE];
    json_t *line;

    if (level < threshold) {
        json_decref(fields);
        return;
    }
    line =
        json_pack("{s:s,s:s,s:s}", "time", clock_utc(now), "level", LEVEL_NAMES[level], "message", message);
    if (line && fields) {
        cap_fields(fields);
        json_object_update_missing(line, fields);
    }
    if (line)
        write_line(line);
    json_decref(line);
    json_decref(fields);
}

void log_text(enum log_level level, const char *message, const char *fmt, ...)
{
    char detail[2 * MAX_FIELD];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    log_event(level, message, json_pack("{s:s}", "detail", detail));
}
