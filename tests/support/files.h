/* tests/support/files.h - making and reading the small files that tests of `jobs` are about. Every failure here fails
 * the running test: a test that could not set its stage says nothing. */
#ifndef TESTS_FILES_H
#define TESTS_FILES_H

#include "cxrd/file.h"

#include <stddef.h>

/* "<folder>/<formatted>", in static memory that the eighth call from now uses again. One thread. */
const char *path_in(const char *folder, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Write a file, and the folders on its way. */
void write_bytes(const char *path, const void *bytes, size_t n);
void write_text(const char *path, const char *text);

/* Give a file other content of the same length, in place, and its times back: by size, time and inode it is the file
 * that it was. */
void overwrite_unseen(const char *path, int byte);

struct file_bytes read_bytes(const char *path);

/* How many entries a folder has, "." and ".." not counted; 0 where there is no folder. */
size_t count_entries(const char *folder);

#endif
