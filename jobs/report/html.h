/* jobs/report/html.h - pieces of a page, and what they are made of. Whatever comes from a table, a configuration or a file name passes html_text(). */
#ifndef JOBS_REPORT_HTML_H
#define JOBS_REPORT_HTML_H

#include "cxrd/buf.h"

#include <jansson.h>

/* Text with its five special characters as entities; NULL is "–". */
void html_text(struct buf *out, const char *text);

/* <td>: a number, or "–" for null or what is not there.
 *   digits  behind the point; whole numbers are written whole */
void html_number(struct buf *out, const json_t *value, int digits);

/* <td>: a member of an object with the ends of its interval, "0.812 (0.70–0.89)", which are the members NAME_low and
 * NAME_high; without them where these are null.
 *   kind  the class of the cell */
void html_ranged(struct buf *out, const json_t *object, const char *name);
void html_marked(struct buf *out, const json_t *object, const char *name, const char *kind);

/* <tr> with <th> for a name; the cells follow, and the end of the row. */
void html_row_begin(struct buf *out, const char *name);

/* A whole row: a name, and <td> for a value of any kind of JSON. */
void html_field(struct buf *out, const char *name, const json_t *value);

/* A table in a box that scrolls by itself where the screen is narrow: its title, and its head, cells parted by '|'.
 * html_box_begin() is for a head of another form: it leaves the first row of the head open.
 *   kind  the class of the table */
void html_box_begin(struct buf *out, const char *kind, const char *title);
void html_table_begin(struct buf *out, const char *title, const char *head);
void html_fields_begin(struct buf *out, const char *title, const char *head); /* of html_field()s */
void html_table_end(struct buf *out);

/* A picture that the page's script draws into: hidden where no script runs.
 *   id     of the canvas
 *   about  what it shows, for whom cannot see it; and what is written below it */
void html_chart(struct buf *out, const char *id, const char *about, const char *caption);

/* JSON inside <script>: '<', '>' and '&' as escapes, so that nothing in it can end the element. */
void html_json(struct buf *out, const json_t *value);

/* record.a.b.c for "a.b.c"; NULL where it is not there. */
const json_t *member_at(const json_t *record, const char *path);

#endif
