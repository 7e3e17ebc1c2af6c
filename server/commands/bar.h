/* server/commands/bar.h - a line on a terminal that says how far something has come, drawn over and over on standard error. */
#ifndef SERVER_COMMANDS_BAR_H
#define SERVER_COMMANDS_BAR_H

#include <stdbool.h>

struct bar {
    bool shown;   /* standard error is a terminal that may have one */
    double drawn; /* when it was last */
};

/* `before`, "[##########--------------]  41%", `behind` and "ETA 3:05".
 *   progress  0 to 1
 *   eta_s     seconds to go; below 0: not known
 * Not more often than five times a second, and not where there is no terminal. */
void bar_draw(struct bar *b, const char *before, double progress, const char *behind, double eta_s);

/* The line is empty again, for what is said next. */
void bar_clear(const struct bar *b);

#endif
