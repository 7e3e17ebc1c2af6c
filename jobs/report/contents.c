/* jobs/report/contents.c - the page's list of contents, taken from the page itself: no section can be missing in it.
 *
 * A section begins with the text of SECTION and ends its title with that of TITLE_END. Neither can come from the data, whose
 * '<' is an entity (html_text()). */
#include "sections.h"

#include <ctype.h>
#include <string.h>

#define SECTION   "<section><h2>"
#define TITLE_END "</h2>"

static char anchor_character(unsigned char c) { return isalnum(c) ? (char)tolower(c) : '-'; }

/* "In short" is "part-in-short", which no other element is called. Titles are texts of ours, in ASCII. */
static void anchor_put(struct buf *out, const char *title, size_t n)
{
    buf_puts(out, "part-");
    for (size_t i = 0; i < n; i++)
        buf_put(out, &(char){ anchor_character((unsigned char)title[i]) }, 1);
}

/* The title of the section that begins at `at`. */
static const char *title_at(const char *at, size_t *ret_n)
{
    const char *title = at + strlen(SECTION), *end = strstr(title, TITLE_END);

    *ret_n = end ? (size_t)(end - title) : 0;
    return title;
}

static void list_put(struct buf *out, const char *body)
{
    size_t n;

    buf_puts(out, "<nav aria-label=\"Contents\"><ul>\n");
    for (const char *at = body; at && (at = strstr(at, SECTION)) != NULL; at++) {
        const char *title = title_at(at, &n);

        buf_puts(out, "<li><a href=\"#");
        anchor_put(out, title, n);
        buf_printf(out, "\">%.*s</a></li>\n", (int)n, title);
    }
    buf_puts(out, "</ul></nav>\n");
}

void contents_put(struct buf *out, const struct buf *body)
{
    const char *from = body->data ? body->data : "", *at;
    size_t n;

    if (body->failed != ST_OK)
        out->failed = body->failed;
    list_put(out, from);
    for (; (at = strstr(from, SECTION)) != NULL; from = at + strlen("<section>")) {
        const char *title = title_at(at, &n);

        buf_put(out, from, (size_t)(at - from));
        buf_puts(out, "<section id=\"");
        anchor_put(out, title, n);
        buf_puts(out, "\">");
    }
    buf_puts(out, from);
}
