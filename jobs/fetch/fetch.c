/* jobs/fetch/fetch.c - a data set of a table and archives, see cxrd/fetch.h. */
#include "unpack_process.h"

#include "cxrd/id.h"
#include "cxrd/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER_PREFIX ".fetch-"
#define UNPACKED      "unpacked" /* in the job's folder: the data set as it is to be */
#define COMPLETE      "complete" /* in it too: the data set was whole, and may have its name by now */

enum { FOLDER_NAME = ID_SIZE + 16, BLOCK = 1 << 20 };

const char *const FETCH_PHASE_NAMES[] = { "fetching", "verifying", "unpacking" };

/* Remove a folder and all below it. By descriptors, a level at a time: a link is removed and never followed. relative_path_ok() bounds
 * the depth of folders in archives, and so the recursion. */
static enum status tree_delete(int parent, const char *name, struct error *err)
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

struct fetch {
    const struct fetch_request *request;
    const struct fetch_observer *observer;
    char folder_name[FOLDER_NAME];
    int datasets, folder; /* descriptors, -1 closed */
    size_t at;            /* which source */
    uint64_t bytes;       /* of the sources before it; then unpacked from the archives before it */
    size_t files;         /* entries of the archives before it */
    double before, share; /* progress when this step began, and what it is worth */
};

static void folder_name(const char *job, char ret[FOLDER_NAME])
{
    snprintf(ret, FOLDER_NAME, FOLDER_PREFIX "%s", job);
}

static bool on_cancelled(void *arg)
{
    const struct fetch *f = arg;

    return f->observer->cancelled(f->observer->arg);
}

static void tell(const struct fetch *f, int64_t bytes, int64_t total)
{
    const double part = total > 0 ? (double)bytes / (double)total : 0;
    const struct fetch_progress progress = { .file = (int64_t)f->at + 1,
                                             .files = (int64_t)f->request->config->n_sources,
                                             .bytes = bytes,
                                             .total = total,
                                             .progress = f->before + f->share * (part < 1 ? part : 1) };

    f->observer->progress(f->observer->arg, &progress);
}

/* Begin a step for source `at`. All steps of its kind take the stretch of the whole progress from `from` to `to`, each as much;
 * of its own this one is the part from `begin` to `end`. */
static void step(struct fetch *f, size_t at, double from, double to, double begin, double end)
{
    const double each = (to - from) / (double)f->request->config->n_sources;

    f->at = at;
    f->before = from + each * ((double)at + begin);
    f->share = each * (end - begin);
    tell(f, 0, -1);
}

static void on_bytes(void *arg, int64_t bytes, int64_t total) { tell(arg, bytes, total); }

static void on_unpacked(void *arg, const struct unpack *u)
{
    tell(arg, (int64_t)u->packed, (int64_t)u->size);
}

static void source_name(size_t i, char ret[SOURCE_NAME]) { snprintf(ret, SOURCE_NAME, "%zu", i); }

static void source_words(size_t i, char ret[32])
{
    if (i == 0)
        snprintf(ret, 32, "the table");
    else
        snprintf(ret, 32, "archive %zu", i);
}

/* ---- fetching ---- */

static enum status download(struct fetch *f, size_t i, struct error *err)
{
    struct download d = { .request = f->request,
                          .source = &f->request->config->sources[i],
                          .folder = f->folder,
                          .max_bytes = f->request->max_bytes - f->bytes,
                          .arg = f,
                          .cancelled = on_cancelled,
                          .progress = on_bytes };
    struct error why = { 0 };
    char words[32];
    enum status st;

    source_name(i, d.name);
    source_words(i, words);
    st = download_run(&d, &why);
    return st == ST_OK ? ST_OK : error_set(err, st, "%s: %s", words, why.text);
}

static enum status digest_file(struct fetch *f, int fd, char sha256[DIGEST_TEXT_SIZE], int64_t *ret_bytes,
                               struct error *err)
{
    struct digest *d = NULL;
    struct stat info;
    char *block = malloc(BLOCK);
    ssize_t n = 0;
    enum status st = block && digest_new(&d) == ST_OK ? ST_OK : error_nomem(err);

    *ret_bytes = 0;
    if (st == ST_OK && fstat(fd, &info) != 0)
        st = error_errno(err, ST_IO, "cannot read a file that was fetched");
    while (st == ST_OK && (n = read(fd, block, BLOCK)) != 0) {
        if (n < 0 && errno != EINTR)
            st = error_errno(err, ST_IO, "cannot read a file that was fetched");
        if (n < 0)
            continue;
        digest_add(d, block, (size_t)n);
        *ret_bytes += n;
        tell(f, *ret_bytes, info.st_size);
        if (on_cancelled(f))
            st = error_set(err, ST_CANCELLED, "stopped");
    }
    if (st == ST_OK)
        digest_finish(d, sha256);
    else
        digest_free(d);
    free(block);
    return st;
}

static enum status verify(struct fetch *f, size_t i, struct error *err)
{
    const struct fetch_source *source = &f->request->config->sources[i];
    char name[SOURCE_NAME], words[32], sha256[DIGEST_TEXT_SIZE];
    int64_t bytes = 0;
    enum status st;
    int fd;

    source_name(i, name);
    source_words(i, words);
    fd = openat(f->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return error_errno(err, ST_IO, "cannot read a file that was fetched");
    st = digest_file(f, fd, sha256, &bytes, err);
    close(fd);
    if (st == ST_OK && source->sha256[0] && strcmp(source->sha256, sha256) != 0)
        return error_set(err, ST_FORMAT, "%s has the SHA-256 %s, not %s", words, sha256, source->sha256);
    if (st == ST_OK) {
        f->bytes += (uint64_t)bytes;
        f->observer->file(f->observer->arg, source, bytes, sha256);
    }
    return st;
}

static enum status fetch_all(struct fetch *f, struct error *err)
{
    const size_t n = f->request->config->n_sources;
    enum status st = ST_OK;

    f->bytes = 0;
    for (size_t i = 0; i < n && st == ST_OK; i++) {
        f->observer->phase(f->observer->arg, FETCH_FETCHING);
        step(f, i, 0, 0.8, 0, 0.9);
        st = download(f, i, err);
        if (st != ST_OK)
            break;
        f->observer->phase(f->observer->arg, FETCH_VERIFYING);
        step(f, i, 0, 0.8, 0.9, 1);
        st = verify(f, i, err);
        if (st == ST_OK && f->bytes > f->request->max_bytes)
            st = error_set(err, ST_LIMIT, "the files have more than the %" PRIu64 " bytes of --data-bytes",
                           f->request->max_bytes);
    }
    return st;
}

/* ---- unpacking ---- */

static enum status unpack(struct fetch *f, int into, size_t i, struct error *err)
{
    char name[SOURCE_NAME], words[32], folder[32];
    struct unpack u = { .archive = -1,
                        .folder = -1,
                        .name = words,
                        .max_bytes = f->request->max_bytes - f->bytes,
                        .max_files = f->request->max_files - f->files,
                        .arg = f,
                        .cancelled = on_cancelled,
                        .progress = on_unpacked };
    enum status st;

    source_name(i, name);
    source_words(i, words);
    snprintf(folder, sizeof folder, "images_%03zu", i);
    u.archive = openat(f->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (u.archive >= 0 && mkdirat(into, folder, 0700) == 0)
        u.folder = openat(into, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    st = u.folder < 0 ? error_errno(err, ST_IO, "cannot unpack %s", words) : unpack_apart(&u, err);
    f->bytes += u.bytes;
    f->files += u.files;
    if (u.archive >= 0)
        close(u.archive);
    if (u.folder >= 0)
        close(u.folder);
    return st;
}

static enum status unpack_all(struct fetch *f, struct error *err)
{
    enum status st = tree_delete(f->folder, UNPACKED, err);
    int into = -1;

    f->bytes = 0;
    f->files = 0;
    f->observer->phase(f->observer->arg, FETCH_UNPACKING);
    if (st == ST_OK && mkdirat(f->folder, UNPACKED, 0700) == 0)
        into = openat(f->folder, UNPACKED, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (st == ST_OK && into < 0)
        st = error_errno(err, ST_IO, "cannot make a folder among the data sets");
    for (size_t i = 1; i < f->request->config->n_sources && st == ST_OK; i++) {
        step(f, i, 0.8, 1, 0, 1);
        st = unpack(f, into, i, err);
    }
    if (st == ST_OK && renameat(f->folder, "0", into, FETCH_TABLE) != 0)
        st = error_errno(err, ST_IO, "cannot rename the table");
    if (st == ST_OK &&
        syncfs(into) != 0) /* a hundred thousand files: one by one would take as long as fetching them */
        st = error_errno(err, ST_IO, "cannot sync what was unpacked");
    if (into >= 0)
        close(into);
    return st;
}

/* ---- the whole ---- */

static enum status mark_complete(struct fetch *f, struct error *err)
{
    const int fd = openat(f->folder, COMPLETE, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0 || fsync(fd) != 0 || fsync(f->folder) != 0) {
        const enum status st = error_errno(err, ST_IO, "cannot write among the data sets");

        if (fd >= 0)
            close(fd);
        return st;
    }
    close(fd);
    return ST_OK;
}

static bool is_there(int folder, const char *name)
{
    struct stat info;

    return fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Not every file system, NFS for one, sees to it that nothing is replaced: there we look ourselves. */
static int rename_new(struct fetch *f, const char *name)
{
    if (renameat2(f->folder, UNPACKED, f->datasets, name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (is_there(f->datasets, name)) {
        errno = EEXIST;
        return -1;
    }
    return renameat(f->folder, UNPACKED, f->datasets, name);
}

static enum status publish(struct fetch *f, struct error *err)
{
    const char *name = f->request->config->name;
    enum status st = mark_complete(f, err);

    if (st == ST_OK && rename_new(f, name) != 0)
        st = errno == EEXIST ? error_set(err, ST_CONFLICT, "there is a data set '%s' already", name)
                             : error_errno(err, ST_IO, "cannot give the data set its name");
    if (st == ST_OK && fsync(f->datasets) != 0) {
        st = error_errno(err, ST_IO, "cannot sync the folder of data sets");
        renameat(f->datasets, name, f->folder, UNPACKED); /* of a job that failed nothing stays */
    }
    return st;
}

/* The server died after it gave the data set its name and before it could say so. */
static bool was_published(const struct fetch *f)
{
    return is_there(f->folder, COMPLETE) && !is_there(f->folder, UNPACKED) &&
           is_there(f->datasets, f->request->config->name);
}

/* The data set is there: that it cannot be looked at is no reason to fail. */
static void tell_found(const struct fetch *f)
{
    const int root =
        openat(f->datasets, f->request->config->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct fetch_found found;
    struct error err = { 0 };

    if (root < 0)
        return;
    if (found_count(root, &found, &err) == ST_OK)
        f->observer->found(f->observer->arg, &found);
    else
        log_error(LOG_WARN, "what was fetched cannot be looked at", &err);
    close(root);
}

static enum status open_folders(struct fetch *f, struct error *err)
{
    f->datasets = open(f->request->datasets, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->datasets >= 0 && (mkdirat(f->datasets, f->folder_name, 0700) == 0 || errno == EEXIST))
        f->folder = openat(f->datasets, f->folder_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return f->folder >= 0 ? ST_OK : error_errno(err, ST_IO, "cannot make a folder among the data sets");
}

enum status fetch_run(const struct fetch_request *request, const struct fetch_observer *observer,
                      struct error *err)
{
    struct fetch f = { .request = request, .observer = observer, .datasets = -1, .folder = -1 };
    enum status st;

    folder_name(request->job, f.folder_name);
    st = open_folders(&f, err);
    if (st == ST_OK && !was_published(&f)) {
        if (is_there(f.datasets, request->config->name))
            st = error_set(err, ST_CONFLICT, "there is a data set '%s' already", request->config->name);
        if (st == ST_OK)
            st = fetch_all(&f, err);
        if (st == ST_OK)
            st = unpack_all(&f, err);
        if (st == ST_OK)
            st = publish(&f, err);
    }
    if (st == ST_OK)
        tell_found(&f);
    if (f.folder >= 0)
        close(f.folder);
    if (f.datasets >= 0)
        close(f.datasets);
    if (st != ST_OK && st != ST_CANCELLED && st != ST_BUSY)
        fetch_discard(request->datasets, request->job);
    return st;
}

bool fetch_name_taken(const char *datasets, const char *name)
{
    const int folder = open(datasets, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool taken = folder >= 0 && is_there(folder, name);

    if (folder >= 0)
        close(folder);
    return taken;
}

/* ---- what is left over ---- */

void fetch_discard(const char *datasets, const char *job)
{
    const int folder = datasets ? open(datasets, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    char name[FOLDER_NAME];
    struct error err;

    if (folder < 0)
        return;
    folder_name(job, name);
    if (tree_delete(folder, name, &err) != ST_OK)
        log_error(LOG_WARN, "what a job has fetched stays", &err);
    close(folder);
}

void fetch_sweep(const char *datasets, bool (*goes_on)(void *arg, const char *job), void *arg)
{
    DIR *d = datasets ? opendir(datasets) : NULL;

    for (struct dirent *e; d && (e = readdir(d));) {
        const char *job = e->d_name + strlen(FOLDER_PREFIX);

        if (strncmp(e->d_name, FOLDER_PREFIX, strlen(FOLDER_PREFIX)) == 0 && id_ok(job, strlen(job)) &&
            !goes_on(arg, job))
            fetch_discard(datasets, job);
    }
    if (d)
        closedir(d);
}
