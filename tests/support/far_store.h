/* tests/support/far_store.h - the store of a test once more, by way of a proxy that cuts, stops and kills at a message.
 *
 * A suite that uses it says .init = far_begin, .fini = far_end, in place of those of store_case.h. */
#ifndef TESTS_FAR_STORE_H
#define TESTS_FAR_STORE_H

#include "postgresql_proxy.h"
#include "store_case.h"

extern struct store *far; /* NULL: closed, or the store is a file */

const char *far_place(void); /* what store_open() takes */
void far_begin(void);
void far_end(void);
enum status far_try(struct error *err); /* to open it */
void far_open(void);
void far_close(void);

void needs_server(void); /* the test is skipped where the store is a file */

int number(const char *sql);
void lease_ran_out(void); /* of every job */

#endif
