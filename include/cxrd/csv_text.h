/* include/cxrd/csv_text.h - a stranger's text as a field of a CSV file. */
#ifndef CXRD_CSV_TEXT_H
#define CXRD_CSV_TEXT_H

#include "cxrd/buf.h"

/* Quoted where RFC 4180 asks for it. Spreadsheets run what begins with one of = + - @, a tab or an end of a line as a formula:
 * there a ' stands before it, which makes it text (OWASP, CSV Injection). */
void csv_text(const char *text, struct buf *out);

#endif
