/* include/cxrd/clock.h - two clocks: one for durations, which never steps, and one to print. */
#ifndef CXRD_CLOCK_H
#define CXRD_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Seconds since some fixed moment, CLOCK_MONOTONIC. The only clock that deadlines and durations may use. */
double clock_seconds(void);

#define CLOCK_TEXT_SIZE 25
/* "2026-01-31T23:59:59.123Z" (RFC 3339, UTC) into `text`; returns `text`. */
char *clock_utc(char text[CLOCK_TEXT_SIZE]);
char *clock_utc_in(int64_t days, char text[CLOCK_TEXT_SIZE]); /* so many days from now, to the second */

/* Seconds since 1970 of such a text. False: it is not of this form, or there is no such moment (a 30th of February). NULL is neither. */
bool clock_parse(const char *text, double *ret);

#endif
