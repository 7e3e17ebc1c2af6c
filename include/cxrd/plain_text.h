/* include/cxrd/plain_text.h - a text that a person may have edited, with whatever editor: a byte order mark before it, any
 * line ending, no final newline. Lists, tables, configurations, keys, secrets and JSON bodies are all read through this. */
#ifndef CXRD_PLAIN_TEXT_H
#define CXRD_PLAIN_TEXT_H

#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>

/* The part of it that is left to read. */
struct plain_text {
    const char *at; /* borrowed */
    size_t n;
};

/* The text behind its byte order mark, if it has one. Never fails: what is no UTF-8 is what it is, for the reader to refuse;
 * see plain_text_check(). */
struct plain_text plain_text_of(const void *bytes, size_t n);

/* Say of bytes that cannot be such a text what they are: UTF-16, UTF-32, gzip, a zip archive or spreadsheet.
 * `what` begins the sentence, such as "the table 'x.csv'". Errors: ST_FORMAT. */
MUST_USE enum status plain_text_check(const void *bytes, size_t n, const char *what, struct error *err);

/* The next line without its ending, LF, CR LF or CR; false at the end. Blanks stay. */
bool plain_text_line(struct plain_text *text, const char **ret_line, size_t *ret_n);

#endif
