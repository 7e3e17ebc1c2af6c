/* jobs/copy/state_copy.c - see cxrd/state_copy.h: the two places are found, locked and opened, and what their folders hold is read and written.
 *
 * Invariant: a folder's database is there before the first file of a copy, and has no row until all of them are. So what an interrupted copy
 * leaves are files without a record, which the next one sweeps, as a server's start does. */
#include "cxrd/state_copy.h"

#include "../store/copy.h"
#include "cxrd/runner.h"
#include "cxrd/state_lock.h"
#include "cxrd/sweep.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

enum {
    MOST_BYTES = 1 << 29
}; /* of a file: what a PostgreSQL database gives back of one, see docs/internals/store.md */

struct side {
    const char *name;        /* "the source" */
    const char *place;       /* as it was given */
    int lock;                /* of a folder; -1: it has none */
    char database[PATH_MAX]; /* the folder's */
    struct store *store;
};

/* An error becomes one of that side. Returns `st`. */
static enum status of_side(const struct side *s, enum status st, struct error *err)
{
    struct error why;

    if (st == ST_OK || st == ST_NOMEM || !err)
        return st;
    why = *err;
    error_set(err, st, "%s: %s", s->name, why.text);
    return error_inner(err, st, why.inner);
}

/* ---- opening ---- */

static enum status lock_folder(struct side *s, bool make, struct error *err)
{
    enum status st = make ? folder_make(s->place, err) : ST_OK;

    if (snprintf(s->database, sizeof s->database, "%s/" STATE_DATABASE, s->place) >= (int)sizeof s->database)
        return error_set(err, ST_IO, "the path of the state folder is too long");
    if (st == ST_OK && !make && access(s->database, F_OK) != 0)
        st = error_set(err, ST_NOTFOUND, "there is no " STATE_DATABASE " in the state folder '%s'", s->place);
    return st == ST_OK ? state_lock(s->place, &s->lock, err) : st;
}

/* Where there is no database yet, there are no files that could be one's either. */
static enum status check_bare(const struct side *s, const char *name, struct error *err)
{
    char path[PATH_MAX];
    struct dirent *e = NULL;
    DIR *d;

    if (snprintf(path, sizeof path, "%s/%s", s->place, name) >= (int)sizeof path || !(d = opendir(path)))
        return ST_OK;
    while ((e = readdir(d)) && e->d_name[0] == '.')
        ;
    closedir(d);
    return e ? error_set(err, ST_CONFLICT, "it is not empty: the folder '%s' in it has files", name) : ST_OK;
}

static enum status open_source(struct side *s, struct error *err)
{
    const bool shared = store_place_is_shared(s->place);
    enum status st = shared ? ST_OK : lock_folder(s, false, err);

    if (st == ST_OK)
        st = store_open_as_is(shared ? s->place : s->database, &s->store, err);
    return st == ST_OK ? store_copy_source_check(s->store, err) : st;
}

static enum status open_target(struct side *s, struct error *err)
{
    const bool shared = store_place_is_shared(s->place);
    enum status st = shared ? ST_OK : lock_folder(s, true, err);

    if (st == ST_OK && !shared && access(s->database, F_OK) != 0) {
        st = check_bare(s, "models", err);
        if (st == ST_OK)
            st = check_bare(s, "jobs", err);
    }
    if (st == ST_OK)
        st = store_open_as_is(shared ? s->place : s->database, &s->store, err);
    if (st == ST_OK)
        st = store_copy_target_begin(s->store, err);
    if (st == ST_OK && !shared)
        state_sweep(s->place, s->store);
    return st;
}

static void close_side(struct side *s)
{
    store_close(s->store);
    if (s->lock >= 0)
        close(s->lock);
}

/* ---- files in a folder ---- */

/* "<state>/models/<id>.safetensors", or the path of a job's file; of its folder where `name` is NULL. */
static enum status path_of(const struct side *s, const struct copied_file *f, const char *name,
                           char ret[PATH_MAX], struct error *err)
{
    const int n = f->model ? snprintf(ret, PATH_MAX, "%s/models%s%s%s", s->place, name ? "/" : "",
                                      name ? f->model : "", name ? ".safetensors" : "")
                           : snprintf(ret, PATH_MAX, "%s/jobs/%s%s%s", s->place, f->job, name ? "/" : "",
                                      name ? name : "");

    return n < PATH_MAX ? ST_OK : error_set(err, ST_IO, "the path of the state folder is too long");
}

static enum status read_file(void *arg, const struct copied_file *which, struct file_bytes *ret,
                             struct error *err)
{
    char path[PATH_MAX];
    const enum status st = path_of(arg, which, which->name, path, err);

    return st == ST_OK ? file_read(path, MOST_BYTES, ret, err) : st;
}

static enum status write_file(void *arg, const struct copied_file *f, struct error *err)
{
    char path[PATH_MAX], folder[PATH_MAX];
    enum status st = path_of(arg, f, f->name, path, err);

    if (st == ST_OK)
        st = path_of(arg, f, NULL, folder, err);
    if (st == ST_OK)
        st = folder_make(folder, err);
    if (st == ST_OK)
        st = file_replace(path, &(struct iovec){ (void *)f->bytes, f->size }, 1, err);
    return st;
}

/* ---- all of it ---- */

enum status state_copy(const char *from, const char *to, struct state_copied *ret, struct error *err)
{
    struct side source = { .name = "the source", .place = from, .lock = -1 };
    struct side target = { .name = "the target", .place = to, .lock = -1 };
    const struct copy_folder folder = { job_kept_file, read_file, write_file, &source, &target };
    enum status st;

    if (strcmp(from, to) == 0)
        return error_set(err, ST_INVALID, "the source and the target are the same place");
    st = of_side(&source, open_source(&source, err), err);
    if (st == ST_OK)
        st = of_side(&target, open_target(&target, err), err);
    if (st == ST_OK)
        st = store_copy(source.store, target.store, &folder, ret, err);
    close_side(&target);
    close_side(&source);
    return st;
}
