/* server/api/scrape.h - a text that many ask for at once is written once for all of them.
 *
 * One that was begun after a request came is as good as one of its own. Only where they are asked for all the time is an
 * older one given out, by a twentieth of a second at most. */
#ifndef SERVER_API_SCRAPE_H
#define SERVER_API_SCRAPE_H

#include "../http/http.h"

struct scrape;

MUST_USE enum status scrape_new(struct scrape **ret_scrape, struct error *err); /* ST_NOMEM */
void scrape_free(struct scrape *s); /* what was lent may still be out; NULL is fine */

/* Lend a text that is new enough for a request. One thread at a time.
 *   received  when the request came, clock_seconds()
 *   write     appends the text, where none is new enough
 *   ret_lent  to be given back
 * Errors: write's, ST_NOMEM, ST_LIMIT. */
MUST_USE enum status scrape_lend(struct scrape *s, double received,
                                 enum status (*write)(void *arg, struct buf *out, struct error *err),
                                 void *arg, struct http_lent *ret_lent, struct error *err);

#endif
