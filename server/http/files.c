/* server/http/files.c - see files.h. */
#include "files.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct sent_file {
    struct files *files;
    int fd;
    dev_t device;
    ino_t inode;
    struct sent_file *next; /* guarded by the lock of `files` */
    size_t readers;         /* as well */
};

struct files {
    size_t most;

    pthread_mutex_t lock; /* guards everything below */
    struct sent_file *first;
    size_t n;
};

struct files *files_new(size_t most)
{
    struct files *f = calloc(1, sizeof *f);

    if (!f)
        return NULL;
    f->most = most;
    pthread_mutex_init(&f->lock, NULL);
    return f;
}

void files_free(struct files *f)
{
    if (!f)
        return;
    pthread_mutex_destroy(&f->lock);
    free(f);
}

/* With the lock held: the file that is open already, or room for it; NULL: neither. */
static struct sent_file *find_or_add(struct files *f, const struct stat *info, int fd)
{
    struct sent_file *s = f->first;

    while (s && (s->device != info->st_dev || s->inode != info->st_ino))
        s = s->next;
    if (s || f->n == f->most)
        return s;
    s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    *s = (struct sent_file){
        .files = f, .fd = fd, .device = info->st_dev, .inode = info->st_ino, .next = f->first
    };
    f->first = s;
    f->n++;
    return s;
}

struct sent_file *files_share(struct files *f, int fd)
{
    struct sent_file *s = NULL;
    struct stat info;

    if (fstat(fd, &info) == 0) {
        pthread_mutex_lock(&f->lock);
        s = find_or_add(f, &info, fd);
        if (s)
            s->readers++;
        pthread_mutex_unlock(&f->lock);
    }
    if (!s || s->fd != fd)
        close(fd);
    return s;
}

ssize_t sent_file_read(const struct sent_file *s, uint64_t at, char *ret, size_t max)
{
    return pread(s->fd, ret, max, (off_t)at);
}

void sent_file_release(struct sent_file *s)
{
    struct files *f = s ? s->files : NULL;
    bool last;

    if (!s)
        return;
    pthread_mutex_lock(&f->lock);
    last = --s->readers == 0;
    if (last) {
        struct sent_file **link = &f->first;

        while (*link != s)
            link = &(*link)->next;
        *link = s->next;
        close(s->fd); /* before another may be opened in its place */
        f->n--;
    }
    pthread_mutex_unlock(&f->lock);
    if (last)
        free(s);
}
