/* model/core/clock.c - see cxrd/clock.h. */
#include "cxrd/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <time.h>

double clock_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

char *clock_utc(char text[CLOCK_TEXT_SIZE])
{
    struct timespec t;
    struct tm utc;
    char seconds[20];

    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &utc);
    strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text, CLOCK_TEXT_SIZE, "%.19s.%03uZ", seconds, (unsigned)(t.tv_nsec / 1000000) % 1000);
    return text;
}

char *clock_utc_in(int64_t days, char text[CLOCK_TEXT_SIZE])
{
    const time_t then = time(NULL) + (time_t)days * 86400;
    struct tm utc;

    gmtime_r(&then, &utc);
    strftime(text, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S.000Z", &utc);
    return text;
}

/* Whether each '0' of the form is a digit in the text, and all else is the same. */
static bool has_form(const char *text, const char *form)
{
    size_t i = 0;

    for (; form[i] && text[i]; i++)
        if (form[i] == '0' ? !isdigit((unsigned char)text[i]) : form[i] != text[i])
            return false;
    return form[i] == text[i];
}

/* Of `n` digits. */
static int number_of(const char *digits, size_t n)
{
    int number = 0;

    for (size_t i = 0; i < n; i++)
        number = 10 * number + (digits[i] - '0');
    return number;
}

bool clock_parse(const char *text, double *ret)
{
    struct tm given, there;
    time_t at;

    if (!text || !has_form(text, "0000-00-00T00:00:00.000Z"))
        return false;
    given = (struct tm){ .tm_year = number_of(text, 4) - 1900,
                         .tm_mon = number_of(text + 5, 2) - 1,
                         .tm_mday = number_of(text + 8, 2),
                         .tm_hour = number_of(text + 11, 2),
                         .tm_min = number_of(text + 14, 2),
                         .tm_sec = number_of(text + 17, 2) };
    there = given;
    at = timegm(&there); /* which takes a 30th of February for a day in March */
    if (there.tm_mon != given.tm_mon || there.tm_mday != given.tm_mday || there.tm_hour != given.tm_hour ||
        there.tm_min != given.tm_min || there.tm_sec != given.tm_sec)
        return false;
    *ret = (double)at + number_of(text + 20, 3) * 1e-3;
    return true;
}
