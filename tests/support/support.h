/* tests/support/support.h - what unit tests share: scratch folders and the real data. */
#ifndef TESTS_SUPPORT_H
#define TESTS_SUPPORT_H

#include <stddef.h>

/* A new empty folder; remove it (and free the path) with scratch_remove(). */
char *scratch_folder(void);
void scratch_remove(char *folder);

/* The path of a file or folder below CXRD_TEST_DATA, in static memory; skips the running test, loudly, where it is
 * not there. */
const char *test_data(const char *relative);

/* Indices 0..n-1 for a Criterion parameter array, from cr_malloc. Criterion hands parameters to another process, so
 * a test gets an index, never a pointer. */
size_t *index_upto(size_t n);
struct criterion_test_params;
void index_free(struct criterion_test_params *params);

#endif
