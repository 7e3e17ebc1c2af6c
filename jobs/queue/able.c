/* jobs/queue/able.c - which jobs this server can do: those on data sets that it has; see worker.h and cxrd/store.h. */
#include "worker.h"

#include "cxrd/clock.h"
#include "cxrd/dataset.h"
#include "cxrd/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { TELL_AGAIN_S = 600 };

/* A data set's, as the catalogue has it: a folder that a request can name, and no link. The database takes UTF-8 alone. */
static bool is_folder(int at, const char *name)
{
    json_t *text = json_string(name); /* NULL where it is not UTF-8 */
    const bool named = text && dataset_path_ok(name);
    struct stat info;

    json_decref(text);
    return named && fstatat(at, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode);
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

void able_tell(struct runner *r, const struct able *able)
{
    struct error err;

    if (r->told_datasets && strcmp(r->told_datasets, able->datasets) == 0 && /* `fetches` never changes */
        clock_seconds() < r->tell_again)
        return;
    r->tell_again = clock_seconds() + TELL_AGAIN_S;
    free(r->told_datasets);
    r->told_datasets = store_able_tell(r->store, able, &err) == ST_OK ? strdup(able->datasets) : NULL;
}

void left_job_log(struct runner *r)
{
    char id[ID_SIZE] = "", why[WAITS_FOR_SIZE];
    struct error err;
    const enum status st = store_job_left(r->store, NULL, id, why, &err);

    if (st == ST_OK && strcmp(id, r->left) != 0)
        log_event(LOG_WARN, "a job waits that no server can do",
                  json_pack("{s:s,s:s}", "job", id, "detail", why));
    if (st == ST_OK || st == ST_NOTFOUND)
        memcpy(r->left, id, sizeof r->left);
}
