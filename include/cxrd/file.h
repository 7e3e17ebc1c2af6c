/* include/cxrd/file.h - whole files: read within a limit, replace so that no crash leaves half of one.
 *
 * An error's sentence names the last part of a path; the whole of it is in `inner`, for the operator alone. */
#ifndef CXRD_FILE_H
#define CXRD_FILE_H

#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

struct file_bytes {
    void *data; /* owned; NULL when empty */
    size_t size;
};
#define FILE_BYTES_INIT \
    {                   \
        NULL, 0         \
    }

/* Read a regular file of at most `max` bytes.
 * Errors: ST_NOTFOUND, ST_LIMIT, ST_IO (also: not a regular file), ST_NOMEM; *ret untouched then. */
MUST_USE enum status file_read(const char *path, size_t max, struct file_bytes *ret, struct error *err);

/* The same from an open descriptor, which stays open; `name` is for the error's sentence only. */
MUST_USE enum status file_read_fd(int fd, const char *name, size_t max, struct file_bytes *ret,
                                  struct error *err);

/* Open a regular file, itself and not through a link, to be read by somebody else.
 *   ret_fd, ret_size  the caller's descriptor, and how long the file is
 * Errors: ST_NOTFOUND, ST_IO (also: not a regular file). */
MUST_USE enum status file_descriptor(const char *path, int *ret_fd, size_t *ret_size, struct error *err);
void file_bytes_release(struct file_bytes *f); /* safe on FILE_BYTES_INIT */

/* Write all of `n` bytes, over interruptions. False: errno says why, and some may have been written. */
MUST_USE bool write_all(int fd, const void *bytes, size_t n);

/* Make `path` hold exactly the given parts, or leave it as it was: write "<path>.part" beside it, fsync, rename
 * over it, fsync the folder. When this returns ST_OK the file survives a power cut. Errors: ST_IO, ST_LIMIT, ST_NOMEM. */
MUST_USE enum status file_replace(const char *path, const struct iovec *parts, size_t n_parts,
                                  struct error *err);

/* The same piece by piece, for what need not be in memory as a whole. Each stream ends with one of the last two, which free
 * it; until file_stream_commit() has returned ST_OK `path` is as it was. Errors: ST_IO; of opening also ST_LIMIT (the
 * path is too long), ST_NOMEM. */
struct file_stream;
MUST_USE enum status file_stream_open(const char *path, struct file_stream **ret, struct error *err);
MUST_USE enum status file_stream_put(struct file_stream *s, const void *bytes, size_t n, struct error *err);
MUST_USE enum status file_stream_commit(struct file_stream *s, struct error *err);
void file_stream_abandon(struct file_stream *s); /* NULL is fine */

/* Make a folder with mode 0700, and its parents, durably; one that exists is fine. Errors: ST_IO. */
MUST_USE enum status folder_make(const char *path, struct error *err);

/* Remove a folder and the files in it, which holds no folders; one that does not exist is fine. Errors: ST_IO. */
MUST_USE enum status folder_delete(const char *path, struct error *err);

/* Make a folder's entries durable after a file in it was made, renamed or removed. Errors: ST_IO. */
MUST_USE enum status folder_sync(const char *path, struct error *err);
MUST_USE enum status folder_sync_of(const char *path, struct error *err); /* the folder that `path` is in */

#endif
