/* jobs/dataset/lists.c - see lists.h. */
#include "lists.h"

#include "cxrd/dataset.h"
#include "cxrd/plain_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b)
{
    return name_order(*(const struct name *)a, *(const struct name *)b);
}

static bool separates(char c) { return c == ' ' || c == '\t' || c == ',' || c == ';'; }

/* Without blanks, columns of labels and quotes: `images/a.png 0 1 0`, `"a.png",1` -> the name. */
static struct name strip(const char *line, size_t n)
{
    while (n > 0 && separates(line[n - 1]))
        n--;
    while (n > 2 && (line[n - 1] == '0' || line[n - 1] == '1') && separates(line[n - 2])) {
        n -= 2;
        while (n > 0 && separates(line[n - 1]))
            n--;
    }
    while (n > 0 && separates(*line))
        line++, n--;
    if (n >= 2 && (*line == '"' || *line == '\'') && line[n - 1] == *line)
        line++, n -= 2;
    return (struct name){ line, n };
}

static size_t count_lines(struct plain_text text)
{
    const char *line;
    size_t lines = 0, n;

    while (plain_text_line(&text, &line, &n))
        lines++;
    return lines;
}

enum status list_read(const char *bytes, size_t size, const char *file, size_t parts, struct name_list *ret,
                      struct error *err)
{
    struct plain_text text = plain_text_of(bytes, size);
    const size_t lines = count_lines(text);
    struct name_list list = { 0 };
    char what[64];
    const char *line;
    size_t n;

    snprintf(what, sizeof what, "the list '%s'", file);
    if (lines > TABLE_MAX_ROWS)
        return error_set(err, ST_LIMIT, "%s has %zu lines, the limit is %d", what, lines, TABLE_MAX_ROWS);
    if (plain_text_check(bytes, size, what, err) != ST_OK)
        return ST_FORMAT;
    list.names = malloc((lines + 1) * sizeof *list.names);
    if (!list.names)
        return ST_NOMEM;
    while (plain_text_line(&text, &line, &n)) {
        const struct name as_is = strip(line, n), name = name_tail(as_is.text, as_is.n, parts);

        if (name.n == 0)
            continue;
        if (list.n == 0)
            list.first = as_is;
        list.names[list.n++] = name;
    }
    qsort(list.names, list.n, sizeof *list.names, by_name);
    *ret = list;
    return ST_OK;
}

bool list_has(const struct name_list *list, const char *image)
{
    const struct name key = { image, strlen(image) };

    return list->n > 0 && bsearch(&key, list->names, list->n, sizeof key, by_name) != NULL;
}
