/* server/commands/bar.c - see bar.h. */
#include "bar.h"

#include "cxrd/clock.h"

#include <stdio.h>

enum { WIDTH = 24 }; /* so that the line fits into 80 columns */

void bar_draw(struct bar *b, const char *before, double progress, const char *behind, double eta_s)
{
    const double now = clock_seconds();
    const int filled = (int)(progress * WIDTH);

    if (!b->shown || now - b->drawn < 0.2)
        return;
    b->drawn = now;
    fprintf(stderr, "\r\033[K%s  [%.*s%.*s] %3.0f%%  %s", before, filled, "########################",
            WIDTH - filled, "------------------------", progress * 100, behind);
    if (eta_s >= 0)
        fprintf(stderr, "  ETA %d:%02d", (int)eta_s / 60, (int)eta_s % 60);
    fflush(stderr);
}

void bar_clear(const struct bar *b)
{
    if (b->shown)
        fputs("\r\033[K", stderr);
}
