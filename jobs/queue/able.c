/* jobs/queue/able.c - which jobs this server can do: those on data sets that it has; see worker.h and cxrd/store.h. */
#include "worker.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static bool is_folder(int at, const char *name)
{
    struct stat info;

    return name[0] != '.' && fstatat(at, name, &info, 0) == 0 && S_ISDIR(info.st_mode);
}

enum status datasets_here(const char *folder, struct buf *ret, struct error *err)
{
    DIR *d = folder ? opendir(folder) : NULL;

    if (folder && !d && errno != ENOENT)
        return error_errno(err, ST_IO, "the folder of --datasets cannot be read");
    buf_printf(ret, "%s", d ? "/" : "");
    for (struct dirent *e; d && (e = readdir(d));)
        if (is_folder(dirfd(d), e->d_name))
            buf_printf(ret, "%s/", e->d_name);
    if (d)
        closedir(d);
    return buf_status(ret) == ST_OK ? ST_OK : error_set(err, buf_status(ret), "the data sets are too many");
}
