/* model/core/file.c - whole files, see cxrd/file.h. */
#include "cxrd/file.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A path as a client may see it: what comes after its last slash. */
static const char *last_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash && slash[1] ? slash + 1 : path;
}

/* "cannot open 'last': No such file or directory", and the path for the operator. Leaves errno as it is. */
static enum status cannot(struct error *err, enum status code, const char *what, const char *path)
{
    const int saved = errno;

    code = error_inner(err, error_errno(err, code, "cannot %s '%s'", what, last_of(path)), path);
    errno = saved;
    return code;
}

static enum status read_all(int fd, const char *name, char *data, size_t size, struct error *err)
{
    for (size_t done = 0; done < size;) {
        const ssize_t n = read(fd, data + done, size - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return cannot(err, ST_IO, "read", name);
        if (n == 0)
            return error_inner(
                err, error_set(err, ST_IO, "'%s' became shorter while it was read", last_of(name)), name);
        done += (size_t)n;
    }
    return ST_OK;
}

enum status file_read_fd(int fd, const char *name, size_t max, struct file_bytes *ret, struct error *err)
{
    struct stat info;
    char *data;
    enum status st;

    if (fstat(fd, &info) != 0)
        return cannot(err, ST_IO, "look at", name);
    if (!S_ISREG(info.st_mode))
        return error_inner(err, error_set(err, ST_IO, "'%s' is not a regular file", last_of(name)), name);
    if ((uintmax_t)info.st_size > max)
        return error_inner(err,
                           error_set(err, ST_LIMIT, "'%s' has %jd bytes, the limit is %zu", last_of(name),
                                     (intmax_t)info.st_size, max),
                           name);
    data = malloc((size_t)info.st_size + 1);
    if (!data)
        return error_nomem(err);
    st = read_all(fd, name, data, (size_t)info.st_size, err);
    if (st != ST_OK) {
        free(data);
        return st;
    }
    data[info.st_size] = '\0';
    *ret = (struct file_bytes){ data, (size_t)info.st_size };
    return ST_OK;
}

enum status file_read(const char *path, size_t max, struct file_bytes *ret, struct error *err)
{
    /* O_NONBLOCK: opening a FIFO must not hang; fstat then refuses it */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    enum status st;

    if (fd < 0)
        return cannot(err, errno == ENOENT ? ST_NOTFOUND : ST_IO, "open", path);
    st = file_read_fd(fd, path, max, ret, err);
    close(fd);
    return st;
}

enum status file_descriptor(const char *path, int *ret_fd, size_t *ret_size, struct error *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    struct stat info;
    enum status st;

    if (fd < 0)
        return cannot(err, errno == ENOENT ? ST_NOTFOUND : ST_IO, "open", path);
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
        *ret_fd = fd;
        *ret_size = (size_t)info.st_size;
        return ST_OK;
    }
    st = error_inner(err, error_set(err, ST_IO, "'%s' is not a regular file", last_of(path)), path);
    close(fd);
    return st;
}

void file_bytes_release(struct file_bytes *f)
{
    free(f->data);
    *f = (struct file_bytes)FILE_BYTES_INIT;
}

bool write_all(int fd, const void *bytes, size_t n)
{
    for (size_t done = 0; done < n;) {
        const ssize_t written = write(fd, (const char *)bytes + done, n - done);

        if (written < 0 && errno != EINTR)
            return false;
        done += written > 0 ? (size_t)written : 0;
    }
    return true;
}

static void parent_of(const char *path, char parent[PATH_MAX])
{
    char *slash;

    snprintf(parent, PATH_MAX, "%s", path);
    slash = strrchr(parent, '/');
    if (!slash)
        snprintf(parent, PATH_MAX, ".");
    else
        slash[slash == parent] = '\0'; /* "/x" has the parent "/" */
}

struct file_stream {
    int fd; /* of the file beside */
    char path[PATH_MAX], beside[PATH_MAX];
};

enum status file_stream_open(const char *path, struct file_stream **ret, struct error *err)
{
    struct file_stream *s = calloc(1, sizeof *s);

    if (!s)
        return error_nomem(err);
    if (snprintf(s->path, sizeof s->path, "%s", path) >= (int)sizeof s->path ||
        snprintf(s->beside, sizeof s->beside, "%s.part", path) >= (int)sizeof s->beside) {
        free(s);
        return error_inner(err, error_set(err, ST_LIMIT, "a path is too long"), path);
    }
    s->fd = open(s->beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (s->fd < 0) {
        const enum status st = cannot(err, ST_IO, "create", s->beside);

        free(s);
        return st;
    }
    *ret = s;
    return ST_OK;
}

enum status file_stream_put(struct file_stream *s, const void *bytes, size_t n, struct error *err)
{
    return write_all(s->fd, bytes, n) ? ST_OK : cannot(err, ST_IO, "write", s->beside);
}

/* A failed fsync is never retried: the kernel may have dropped the pages it could not write (Rebello et al., "Can
 * applications recover from fsync failures?", ATC 2020). */
enum status file_stream_commit(struct file_stream *s, struct error *err)
{
    enum status st = fsync(s->fd) == 0 ? ST_OK : cannot(err, ST_IO, "sync", s->beside);

    if (close(s->fd) != 0 && st == ST_OK)
        st = cannot(err, ST_IO, "close", s->beside);
    s->fd = -1;
    if (st == ST_OK && rename(s->beside, s->path) != 0)
        st = cannot(err, ST_IO, "rename", s->beside);
    if (st == ST_OK)
        st = folder_sync_of(s->path, err);
    else
        unlink(s->beside);
    free(s);
    return st;
}

void file_stream_abandon(struct file_stream *s)
{
    if (!s)
        return;
    close(s->fd);
    unlink(s->beside);
    free(s);
}

enum status file_replace(const char *path, const struct iovec *parts, size_t n_parts, struct error *err)
{
    struct file_stream *s = NULL;
    enum status st = file_stream_open(path, &s, err);

    if (st != ST_OK)
        return st;
    assert(s);
    for (size_t i = 0; i < n_parts && st == ST_OK; i++)
        st = file_stream_put(s, parts[i].iov_base, parts[i].iov_len, err);
    if (st == ST_OK)
        return file_stream_commit(s, err);
    file_stream_abandon(s);
    return st;
}

/* A folder was made in it. A parent that may be entered but not read cannot be synced; nothing is lost by going on. */
static enum status entry_sync(const char *parent, struct error *err)
{
    const enum status st = folder_sync(parent, err);

    return st != ST_OK && errno == EACCES ? ST_OK : st;
}

enum status folder_make(const char *path, struct error *err)
{
    char parent[PATH_MAX];

    parent_of(path, parent);
    if (mkdir(path, 0700) == 0)
        return entry_sync(parent, err);
    if (errno == EEXIST)
        return ST_OK;
    if (errno != ENOENT)
        return cannot(err, ST_IO, "make the folder", path);
    if (strcmp(parent, path) != 0) {
        const enum status st = folder_make(parent, err);

        if (st != ST_OK)
            return st;
    }
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return cannot(err, ST_IO, "make the folder", path);
    return entry_sync(parent, err);
}

enum status folder_delete(const char *path, struct error *err)
{
    DIR *d = opendir(path);
    enum status st = ST_OK;

    if (!d)
        return errno == ENOENT ? ST_OK : cannot(err, ST_IO, "open the folder", path);
    for (struct dirent *e; st == ST_OK && (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
            unlinkat(dirfd(d), e->d_name, 0) != 0)
            st = error_inner(err, error_errno(err, ST_IO, "cannot remove '%s'", e->d_name), path);
    closedir(d);
    if (st == ST_OK && rmdir(path) != 0)
        st = cannot(err, ST_IO, "remove the folder", path);
    return st;
}

enum status folder_sync(const char *path, struct error *err)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum status st = ST_OK;

    if (fd < 0)
        return cannot(err, ST_IO, "open the folder", path);
    if (fsync(fd) != 0)
        st = cannot(err, ST_IO, "sync the folder", path);
    close(fd);
    return st;
}

enum status folder_sync_of(const char *path, struct error *err)
{
    char parent[PATH_MAX];

    parent_of(path, parent);
    return folder_sync(parent, err);
}
