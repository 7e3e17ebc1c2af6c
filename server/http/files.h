/* server/http/files.h - files that are being sent: one descriptor a file, however many read it.
 *
 * A connection that does not read its reply holds it for minutes, and must not hold a descriptor beside its own: there
 * are only so many, and a training that runs needs some. So the readers of a file share one, and the number of files is
 * limited. Such a file is written once and never changed in place (weights, scores, reports): that makes a file known
 * by its device and inode as long as it is open. Any thread may call. */
#ifndef SERVER_HTTP_FILES_H
#define SERVER_HTTP_FILES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct files;
struct sent_file;

struct files *files_new(size_t most); /* files at a time; NULL: no memory */
void files_free(struct files *f);     /* once all have been released; NULL is fine */

/* Share a file that was opened to be read; `fd` is taken over, even when this fails: NULL, as many files are being sent
 * as may be, or there is no memory. To be released. */
struct sent_file *files_share(struct files *f, int fd);

/* At most `max` bytes from `at` on; 0: there are no more; -1: errno. */
ssize_t sent_file_read(const struct sent_file *s, uint64_t at, char *ret, size_t max);

void sent_file_release(struct sent_file *s); /* NULL is fine */

#endif
