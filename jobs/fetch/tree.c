/* jobs/fetch/tree.c - a folder and all below it, gone. By descriptors, a level at a time: a link is an entry that goes, never a
 * way out. Archives may be nested only so deep (relative_path_ok()), and so is this. */
#include "parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum status tree_delete(int parent, const char *name, struct error *err)
{
    const int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    enum status st = ST_OK;

    if (!d) {
        if (fd >= 0)
            close(fd);
        return errno == ENOENT ? ST_OK : error_errno(err, ST_IO, "cannot open the folder '%s'", name);
    }
    for (struct dirent *e; st == ST_OK && (e = readdir(d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || unlinkat(fd, e->d_name, 0) == 0)
            continue;
        st = errno == EISDIR || errno == EPERM ? tree_delete(fd, e->d_name, err)
                                               : error_errno(err, ST_IO, "cannot remove '%s'", e->d_name);
    }
    closedir(d);
    if (st == ST_OK && unlinkat(parent, name, AT_REMOVEDIR) != 0)
        st = error_errno(err, ST_IO, "cannot remove the folder '%s'", name);
    return st;
}
