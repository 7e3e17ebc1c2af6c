/* server/commands/listing.c - see listing.h. */
#include "listing.h"

#include "cxrd/utf8.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { GAP = 2 };

/* Where the characters of each column end up. */
struct layout {
    size_t widths[MAX_LISTING_COLUMNS];
    bool shown[MAX_LISTING_COLUMNS];
};

/* Room for one cell more; false: no memory. */
static bool has_room(struct listing *l)
{
    const size_t capacity = l->capacity ? 2 * l->capacity : 64;
    char **grown;

    if (l->n_cells < l->capacity)
        return true;
    grown = realloc(l->cells, capacity * sizeof *grown);
    if (!grown)
        return false;
    l->cells = grown;
    l->capacity = capacity;
    return true;
}

enum status listing_add(struct listing *l, const char *text, struct error *err)
{
    char *cell = strdup(text ? text : "-");
    size_t from = 0, to = 0;

    if (!cell || !has_room(l)) {
        free(cell);
        return error_nomem(err);
    }
    while (cell[from]) {
        const size_t bad = utf8_steering(cell + from, strlen(cell + from));

        cell[to++] = bad ? ' ' : cell[from];
        from += bad ? bad : 1;
    }
    cell[to] = '\0';
    l->cells[l->n_cells++] = cell;
    return ST_OK;
}

void listing_release(struct listing *l)
{
    for (size_t i = 0; i < l->n_cells; i++)
        free(l->cells[i]);
    free(l->cells);
    *l = (struct listing){ 0 };
}

/* ---- who gets how much room ---- */

static size_t widest(const struct listing *l, size_t column)
{
    size_t width = utf8_length(l->columns[column].title);

    for (size_t i = column; i < l->n_cells; i += l->n_columns)
        width = utf8_length(l->cells[i]) > width ? utf8_length(l->cells[i]) : width;
    return width;
}

static size_t line_length(const struct listing *l, const struct layout *at)
{
    size_t length = 0;

    for (size_t c = 0; c < l->n_columns; c++)
        if (at->shown[c])
            length += at->widths[c] + (length ? GAP : 0);
    return length;
}

/* Cut the columns of a kind to `most` characters. */
static void cut(const struct listing *l, enum listing_kind kind, size_t most, struct layout *at)
{
    for (size_t c = 0; c < l->n_columns; c++)
        if (l->columns[c].kind == kind && at->widths[c] > most)
            at->widths[c] = most;
}

/* Leave out the column that can best be done without; false: each of them stays. */
static bool leave_one_out(const struct listing *l, struct layout *at)
{
    size_t worst = 0;

    for (size_t c = 1; c < l->n_columns; c++)
        if (at->shown[c] && (!at->shown[worst] || l->columns[c].leaves > l->columns[worst].leaves))
            worst = c;
    if (l->columns[worst].leaves == 0)
        return false;
    at->shown[worst] = false;
    return true;
}

/* Give room that is left to the texts that were cut, a character each in turn. */
static void share(const struct listing *l, const size_t *whole, size_t room, struct layout *at)
{
    bool given = true;

    while (given) {
        given = false;
        for (size_t c = 0; c < l->n_columns; c++)
            if (at->shown[c] && at->widths[c] < whole[c] && l->columns[c].kind == LISTING_TEXT &&
                line_length(l, at) < room) {
                at->widths[c]++;
                given = true;
            }
    }
}

static void lay_out(const struct listing *l, size_t room, struct layout *at)
{
    size_t whole[MAX_LISTING_COLUMNS];

    for (size_t c = 0; c < l->n_columns; c++) {
        at->shown[c] = true;
        at->widths[c] = whole[c] = widest(l, c);
    }
    if (room == 0 || line_length(l, at) <= room)
        return;
    cut(l, LISTING_ID, LISTING_SHORT_ID, at);
    cut(l, LISTING_TEXT, LISTING_LEAST_TEXT, at);
    while (line_length(l, at) > room && leave_one_out(l, at))
        ;
    share(l, whole, room, at);
}

/* ---- printing ---- */

/* Bytes of the first `n` characters. */
static size_t bytes_of(const char *text, size_t n)
{
    size_t at = 0;

    while (text[at] && (n || ((unsigned char)text[at] & 0xc0) == 0x80)) {
        n -= ((unsigned char)text[at] & 0xc0) != 0x80;
        at++;
    }
    return at;
}

/* A cell, and what lies between it and the next. */
static void print_cell(FILE *to, const char *text, enum listing_kind kind, size_t width, bool is_last)
{
    const size_t length = utf8_length(text);
    const bool is_cut = length > width;
    const bool marked = is_cut && kind == LISTING_TEXT;

    fwrite(text, 1, bytes_of(text, is_cut ? width - marked : length), to);
    fputs(marked ? "…" : "", to);
    if (!is_last)
        fprintf(to, "%*s", (int)(GAP + (is_cut ? 0 : width - length)), "");
}

static void print_line(const struct listing *l, const struct layout *at, const char *const *cells, FILE *to)
{
    size_t last = 0;

    for (size_t c = 0; c < l->n_columns; c++)
        last = at->shown[c] ? c : last;
    for (size_t c = 0; c <= last; c++)
        if (at->shown[c])
            print_cell(to, cells[c], l->columns[c].kind, at->widths[c], c == last);
    fputc('\n', to);
}

void listing_print(const struct listing *l, FILE *to, size_t room)
{
    const char *titles[MAX_LISTING_COLUMNS];
    struct layout at;

    assert(l->n_columns > 0 && l->n_columns <= MAX_LISTING_COLUMNS && l->n_cells % l->n_columns == 0);
    for (size_t c = 0; c < l->n_columns; c++)
        titles[c] = l->columns[c].title;
    lay_out(l, room, &at);
    print_line(l, &at, titles, to);
    for (size_t row = 0; row < l->n_cells; row += l->n_columns)
        print_line(l, &at, (const char *const *)l->cells + row, to);
}

size_t listing_room(FILE *to)
{
    struct winsize size = { 0 };

    if (!isatty(fileno(to)))
        return 0;
    return ioctl(fileno(to), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}
