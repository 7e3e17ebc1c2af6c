/* server/commands/listing.h - rows below headings, as wide as the terminal has room for. */
#ifndef SERVER_COMMANDS_LISTING_H
#define SERVER_COMMANDS_LISTING_H

#include "cxrd/status.h"

#include <stddef.h>
#include <stdio.h>

enum listing_kind {
    LISTING_WHOLE, /* is never cut */
    LISTING_TEXT,  /* what people wrote: is cut, with … */
    LISTING_ID,    /* an id: LISTING_SHORT_ID characters of it name it as well */
};

enum { LISTING_SHORT_ID = 8, LISTING_LEAST_TEXT = 8, MAX_LISTING_COLUMNS = 16 };

struct listing_column {
    const char *title;
    enum listing_kind kind;
    unsigned leaves; /* where there is no room even so, the column with the highest goes first; 0: it stays */
};

struct listing {
    const struct listing_column *columns; /* borrowed */
    size_t n_columns;
    char **cells; /* owned, row by row */
    size_t n_cells, capacity;
};
#define LISTING_INIT(of)                            \
    {                                               \
        (of), sizeof(of) / sizeof *(of), NULL, 0, 0 \
    }

/* Append a cell; the first one of a row follows the last one of the row before. Line ends and whatever else would steer a terminal
 * become spaces.
 *   text  NULL: "-"
 * Errors: ST_NOMEM. */
MUST_USE enum status listing_add(struct listing *l, const char *text, struct error *err);

/* Print the headings and the rows.
 *   room  characters that a line may have; 0: as many as it needs */
void listing_print(const struct listing *l, FILE *to, size_t room);

void listing_release(struct listing *l);

/* Characters in a line of the terminal that `to` writes to; 0: there is no terminal. */
size_t listing_room(FILE *to);

#endif
