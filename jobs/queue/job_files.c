/* jobs/queue/job_files.c - a job's folder, "<state>/jobs/<id>", and the files in it. */
#include "worker.h"

#include "cxrd/digest.h"
#include "cxrd/file.h"
#include "cxrd/log.h"
#include "cxrd/report.h"
#include "cxrd/store_files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum status too_long(struct error *err)
{
    return error_set(err, ST_IO, "the path of the state folder is too long");
}

enum status job_folder(const struct runner *r, const char *id, char path[PATH_MAX], struct error *err)
{
    const int n = snprintf(path, PATH_MAX, "%s/jobs/%s", r->options.state, id);

    return n < PATH_MAX ? ST_OK : too_long(err);
}

enum status job_path(const struct runner *r, const char *id, const char *name, char path[PATH_MAX],
                     struct error *err)
{
    const int n = snprintf(path, PATH_MAX, "%s/jobs/%s/%s", r->options.state, id, name);

    return n < PATH_MAX ? ST_OK : too_long(err);
}

void job_scores_name(int set, char name[JOB_FILE_SIZE])
{
    snprintf(name, JOB_FILE_SIZE, "%s.csv", set == SCORED_ALL ? "scores" : SCORED_NAMES[set]);
}

enum status job_report_save(struct runner *r, const char *id, enum job_state state, const json_t *record,
                            const struct model *m, const json_t *plots, struct error *err)
{
    char path[N_REPORT_FORMS][PATH_MAX];
    const char *paths[N_REPORT_FORMS];
    json_t *job = NULL;
    enum status st = ST_OK;

    for (int form = 0; form < N_REPORT_FORMS && st == ST_OK; form++) {
        st = job_path(r, id, REPORT_FILES[form], path[form], err);
        paths[form] = path[form];
    }
    if (st == ST_OK)
        st = store_job_get(r->store, id, &job, err);
    if (st == ST_OK) {
        json_object_update(job, (json_t *)record);
        json_object_set_new(job, "state", json_string(job_state_name(state)));
        st = report_save(paths, job, m, plots, err);
    }
    json_decref(job);
    return st;
}

enum status job_scores_save(const struct runner *r, const char *id, const struct train_result *result,
                            struct error *err)
{
    enum status st = ST_OK;

    for (int i = 0; i < N_SCORED && st == ST_OK; i++) {
        const struct iovec part = { result->scores_csv[i].data, result->scores_csv[i].len };
        char name[JOB_FILE_SIZE], path[PATH_MAX];

        if (part.iov_len == 0) /* no such rows were scored: not even a header */
            continue;
        job_scores_name(i, name);
        st = job_path(r, id, name, path, err);
        if (st == ST_OK)
            st = file_replace(path, &part, 1, err);
    }
    return st;
}

enum status job_file_digest(const char *path, char ret[DIGEST_TEXT_SIZE], struct error *err)
{
    char block[1 << 14];
    struct digest *d = NULL;
    size_t size;
    ssize_t n = 0;
    int fd;
    enum status st = file_descriptor(path, &fd, &size, err);

    if (st != ST_OK)
        return st;
    st = digest_new(&d) == ST_OK ? ST_OK : error_nomem(err);
    while (st == ST_OK && (n = read(fd, block, sizeof block)) != 0) {
        if (n > 0)
            digest_add(d, block, (size_t)n);
        else if (errno != EINTR)
            st = error_errno(err, ST_IO, "cannot read a file that was written");
    }
    if (st == ST_OK)
        digest_finish(d, ret);
    else
        digest_free(d);
    close(fd);
    return st;
}

void job_checkpoint_drop(struct runner *r, const char *id)
{
    static const char *const NAMES[] = { CHECKPOINT_NAME, PARTIAL_NAME };
    const struct claim ended = unclaimed(id);
    char path[PATH_MAX];
    struct error why = { 0 };

    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        if (job_path(r, id, NAMES[i], path, NULL) == ST_OK)
            unlink(path);
    if (store_is_shared(r->store) && store_job_file_drop(r->store, &ended, CHECKPOINT_NAME, &why) != ST_OK)
        log_error(LOG_WARN, "the checkpoint of a job that has ended stays in the job database", &why);
}

enum status storage_error(enum status st, const struct error *why, struct error *err)
{
    if (st == ST_IO)
        log_error(LOG_ERROR, "storage fails", why); /* with what a record does not show */
    return st == ST_IO ? error_set(err, st, "storage: %s", why->text) : error_set(err, st, "%s", why->text);
}
