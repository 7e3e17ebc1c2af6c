/* jobs/queue/sweep.c - see cxrd/sweep.h. */
#include "cxrd/sweep.h"

#include "cxrd/fetch.h"
#include "cxrd/file.h"
#include "cxrd/log.h"
#include "cxrd/runner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool ends_with(const char *name, const char *end)
{
    const size_t n = strlen(name), m = strlen(end);

    return n > m && strcmp(name + n - m, end) == 0;
}

/* Whether it went. `what` goes to the log with it. */
static bool drop(int folder, const char *name, const char *what)
{
    if (unlinkat(folder, name, 0) != 0) {
        if (errno != ENOENT)
            log_event(LOG_WARN, "cannot sweep",
                      json_pack("{s:s,s:s}", "file", name, "error", strerror(errno)));
        return false;
    }
    log_event(LOG_INFO, "swept", json_pack("{s:s,s:s}", "file", name, "detail", what));
    return true;
}

/* Look at each entry of a folder, which need not exist; returns how many went. */
static size_t walk(const char *path, struct store *store,
                   bool (*look)(int folder, const char *path, const char *name, struct store *store))
{
    DIR *d = opendir(path);
    size_t swept = 0;

    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.')
            swept += look(dirfd(d), path, e->d_name, store);
    if (d)
        closedir(d);
    return swept;
}

static bool look_for_parts(int folder, const char *path, const char *name, struct store *store)
{
    (void)path;
    (void)store;
    return ends_with(name, ".part") && drop(folder, name, "half written");
}

/* Whether a name is an id with this ending. */
static bool is_model(const char *name, const char *end, char ret_id[ID_SIZE])
{
    const size_t n = strlen(name) - (ends_with(name, end) ? strlen(end) : 0);

    if (!name[n] || !id_ok(name, n))
        return false;
    snprintf(ret_id, ID_SIZE, "%.*s", (int)n, name);
    return true;
}

static bool look_at_model(int folder, const char *path, const char *name, struct store *store)
{
    char id[ID_SIZE];
    json_t *card = NULL;
    enum status st;

    if (look_for_parts(folder, path, name, store))
        return true;
    if (is_model(name, ".onnx", id))
        return drop(folder, name, "it is made again when a client asks for it");
    if (!is_model(name, ".safetensors", id))
        return false;
    st = store_model_get(store, id, &card, NULL);
    json_decref(card);
    return st == ST_NOTFOUND && drop(folder, name, "a model without a record");
}

/* The folder of one job. */
static bool look_at_job(int folder, const char *path, const char *name, struct store *store)
{
    char job[PATH_MAX];
    enum job_state state;
    json_t *record = NULL;
    struct error why;
    enum status st;
    size_t swept;
    struct stat info;

    if (!id_ok(name, strlen(name)) || fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISDIR(info.st_mode) || snprintf(job, sizeof job, "%s/%s", path, name) >= (int)sizeof job)
        return false;
    st = store_job_look(store, name, &state, &record, NULL);
    json_decref(record);
    if (st == ST_NOTFOUND) {
        if (folder_delete(job, &why) != ST_OK) {
            log_error(LOG_WARN, "cannot sweep", &why);
            return false;
        }
        log_event(LOG_INFO, "swept", json_pack("{s:s,s:s}", "job", name, "detail", "files without a record"));
        return true;
    }
    swept = walk(job, store, look_for_parts);
    if (st == ST_OK && state != JOB_INTERRUPTED && state != JOB_QUEUED &&
        snprintf(job, sizeof job, "%s/" CHECKPOINT_NAME, name) < (int)sizeof job)
        swept += drop(folder, job, "a checkpoint of a job that cannot be resumed");
    return swept > 0;
}

size_t state_sweep(const char *state, struct store *store)
{
    static const struct {
        const char *folder;
        bool (*look)(int folder, const char *path, const char *name, struct store *store);
    } PLACES[] = { { "", look_for_parts },
                   { "/cache", look_for_parts },
                   { "/models", look_at_model },
                   { "/jobs", look_at_job } };
    size_t swept = 0;

    for (size_t i = 0; i < sizeof PLACES / sizeof PLACES[0]; i++) {
        char path[PATH_MAX];

        if (snprintf(path, sizeof path, "%s%s", state, PLACES[i].folder) < (int)sizeof path)
            swept += walk(path, store, PLACES[i].look);
    }
    return swept;
}

/* A job whose record cannot be read may: what was fetched stays. */
static bool may_go_on(void *arg, const char *job)
{
    enum job_state state = JOB_QUEUED;
    json_t *record = NULL;
    const enum status st = store_job_look(arg, job, &state, &record, NULL);

    json_decref(record);
    if (st == ST_OK && state == JOB_RUNNING)
        return store_is_shared(arg); /* by another server, which may have the same folder of data sets */
    return st == ST_OK ? state == JOB_QUEUED || state == JOB_INTERRUPTED : st != ST_NOTFOUND;
}

void datasets_sweep(const char *datasets, struct store *store) { fetch_sweep(datasets, may_go_on, store); }
