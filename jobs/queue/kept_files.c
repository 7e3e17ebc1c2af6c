/* jobs/queue/kept_files.c - the files of jobs in a store that servers share; see worker.h and cxrd/store_files.h.
 *
 * Invariants: the server that runs a job writes its files in its own folder first and puts copies into the store with its claim;
 * the store's copy is never ahead of the record. Any other server's file is replaced by the store's where the two differ. A crash
 * between the two leaves the store's copy, with which the next claim goes on. Where the store is not shared all of this does nothing. */
#include "worker.h"

#include "cxrd/digest.h"
#include "cxrd/file.h"
#include "cxrd/patients.h"
#include "cxrd/store_files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MOST_BYTES = 1 << 30 }; /* of a cell of the database */

enum status job_file_keep(struct runner *r, const char *id, const char *name, struct error *err)
{
    struct file_bytes file = FILE_BYTES_INIT;
    char path[PATH_MAX];
    enum status st;

    if (!store_is_shared(r->store))
        return ST_OK;
    st = job_path(r, id, name, path, err);
    if (st == ST_OK)
        st = file_read(path, MOST_BYTES, &file, err);
    if (st == ST_OK)
        st = store_job_file_put(r->store, &r->running, name, file.data, file.size, err);
    file_bytes_release(&file);
    return st == ST_NOTFOUND && access(path, F_OK) != 0 ? ST_OK : st;
}

bool job_kept_file(size_t i, char ret_name[JOB_FILE_SIZE])
{
    static const char *const BESIDE[] = { PATIENTS_NAME, CHECKPOINT_NAME };
    const size_t reports = sizeof BESIDE / sizeof BESIDE[0], scores = reports + N_REPORT_FORMS;

    if (i < scores)
        snprintf(ret_name, JOB_FILE_SIZE, "%s", i < reports ? BESIDE[i] : REPORT_FILES[i - reports]);
    else if (i <= scores + SCORED_ALL)
        job_scores_name((int)(i - scores), ret_name);
    return i <= scores + SCORED_ALL;
}

enum status job_files_keep(struct runner *r, const char *id, bool goes_on, struct error *err)
{
    char name[JOB_FILE_SIZE];
    enum status st = ST_OK;

    for (size_t i = 0; st == ST_OK && job_kept_file(i, name); i++)
        if (goes_on || strcmp(name, CHECKPOINT_NAME) != 0)
            st = job_file_keep(r, id, name, err);
    return st;
}

/* The store's copy to `path`, where there is one and another is there. */
static enum status fetch(struct runner *r, const char *id, const char *name, const char *path,
                         struct error *err)
{
    struct buf bytes = BUF_INIT(MOST_BYTES);
    char here[DIGEST_TEXT_SIZE] = "", folder[PATH_MAX];
    bool same = false;
    enum status st = job_file_digest(path, here, err);

    if (st == ST_NOTFOUND)
        st = ST_OK;
    if (st == ST_OK)
        st = store_job_file_get(r->store, id, name, here, &bytes, &same, err);
    if (st == ST_OK && !same)
        st = job_folder(r, id, folder, err);
    if (st == ST_OK && !same)
        st = folder_make(folder, err);
    if (st == ST_OK && !same)
        st = file_replace(path, &(struct iovec){ bytes.data, bytes.len }, 1, err);
    buf_release(&bytes);
    return st;
}

enum status job_file_fetch(struct runner *r, const char *id, const char *name, struct error *err)
{
    char path[PATH_MAX];
    enum status st = job_path(r, id, name, path, err);

    if (st != ST_OK || !store_is_shared(r->store))
        return st;
    pthread_mutex_lock(&r->fetching);
    st = fetch(r, id, name, path, err);
    pthread_mutex_unlock(&r->fetching);
    if (st == ST_NOTFOUND && unlink(path) != 0 && errno != ENOENT)
        return error_errno(err, ST_IO, "cannot remove a file that the job no longer has");
    return st == ST_NOTFOUND ? ST_OK : st;
}

enum status job_file(struct runner *r, const char *id, const char *name, char path[PATH_MAX],
                     struct error *err)
{
    enum status st = job_path(r, id, name, path, err);
    bool ours;

    if (st != ST_OK || !store_is_shared(r->store))
        return st;
    pthread_mutex_lock(&r->lock);
    ours = job_is_running(r, id);
    pthread_mutex_unlock(&r->lock);
    return ours ? ST_OK : job_file_fetch(r, id, name, err);
}
