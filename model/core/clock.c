/* model/core/clock.c - see cxrd/clock.h. */
#include "cxrd/clock.h"

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
