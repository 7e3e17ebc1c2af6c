/* jobs/queue/asked_files.c - the files of a job that a client asks for: its scores and its report; see cxrd/runner.h. */
#include "cxrd/file.h"
#include "cxrd/report.h"
#include "cxrd/run_comparison.h"
#include "worker.h"

#include <string.h>
#include <unistd.h>

/* Open a file of a job's folder.
 *   what  it is, for the error's sentence */
static enum status job_open(struct runner *r, const char *id, const char *name, const char *what, int *ret_fd,
                            size_t *ret_size, struct error *err)
{
    char path[PATH_MAX];
    json_t *job = NULL;
    enum status st = store_job_get(r->store, id, &job, err);

    json_decref(job);
    if (st == ST_OK)
        st = job_file(r, id, name, path, err);
    if (st != ST_OK)
        return st;
    st = file_descriptor(path, ret_fd, ret_size, err);
    return st == ST_NOTFOUND ? error_set(err, st, "job '%s' has no %s", id, what) : st;
}

enum status runner_scores(struct runner *r, const char *id, int set, int *ret_fd, size_t *ret_size,
                          struct error *err)
{
    char name[JOB_FILE_SIZE];

    job_scores_name(set, name);
    return job_open(r, id, name, "scores", ret_fd, ret_size, err);
}

enum status runner_scores_path(struct runner *r, const char *id, char path[PATH_MAX], struct error *err)
{
    char name[JOB_FILE_SIZE];
    json_t *job = NULL;
    size_t size;
    int fd;
    enum status st = store_job_get(r->store, id, &job, err);

    if (st == ST_OK && strcmp(json_string_value(json_object_get(job, "type")), JOB_PREDICT) == 0)
        st = error_set(err, ST_NOTFOUND, "job '%s' only predicts: it has no truths beside its scores", id);
    json_decref(job);
    if (st == ST_OK)
        st = runner_scores(r, id, SCORED_ALL, &fd, &size, err);
    if (st != ST_OK)
        return st;
    close(fd);
    job_scores_name(SCORED_ALL, name);
    return job_path(r, id, name, path, err);
}

enum status runner_compare(struct runner *r, const char *first, const char *second, const char *split,
                           struct run_comparison *ret, struct error *err)
{
    char paths[2][PATH_MAX];
    enum status st = runner_scores_path(r, first, paths[0], err);

    if (st == ST_OK)
        st = runner_scores_path(r, second, paths[1], err);
    if (st == ST_OK)
        st = runs_compare(paths[0], paths[1], split, ret, err);
    if (st == ST_FORMAT || st == ST_LIMIT) {
        const struct error why = *err; /* a file of ours: it is nothing that a client did */

        st = storage_error(ST_IO, &why, err);
    }
    return st;
}

enum status runner_report(struct runner *r, const char *id, enum report_form form, int *ret_fd,
                          size_t *ret_size, struct error *err)
{
    return job_open(r, id, REPORT_FILES[form], form == REPORT_MAIL ? "report for mailing" : "report", ret_fd,
                    ret_size, err);
}
