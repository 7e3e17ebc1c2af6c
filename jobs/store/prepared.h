/* jobs/store/prepared.h - the statements that a connection has prepared, found by their text. There are as many texts as the store's
 * files have, fewer than MOST_PREPARED; a statement that finds no room is prepared anew each time. */
#ifndef JOBS_STORE_PREPARED_H
#define JOBS_STORE_PREPARED_H

#include <stdbool.h>
#include <stddef.h>

enum { PREPARED_LISTS = 128, MOST_PREPARED = 512 };

struct prepared_set {
    struct prepared *lists[PREPARED_LISTS]; /* owned; by the hash of their text */
    size_t n;
};

void *prepared_find(const struct prepared_set *set, const char *sql);          /* NULL: not there */
bool prepared_add(struct prepared_set *set, const char *sql, void *statement); /* false: no room */
void *prepared_take(struct prepared_set *set); /* any one, out of the set; NULL: it is empty */

#endif
