/* tests/support/files.c - see files.h. */
#include "files.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, N_PATHS = 8 };

const char *path_in(const char *folder, const char *fmt, ...)
{
    static char paths[N_PATHS][PATH_SIZE];
    static size_t next;
    char *path = paths[next++ % N_PATHS];
    const size_t n = (size_t)snprintf(path, PATH_SIZE, "%s/", folder);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(path + n, PATH_SIZE - n, fmt, ap);
    va_end(ap);
    return path;
}

void write_bytes(const char *path, const void *bytes, size_t n)
{
    char parent[PATH_SIZE];
    struct error err = { 0 };
    FILE *f;

    snprintf(parent, sizeof parent, "%s", path);
    *strrchr(parent, '/') = '\0';
    cr_assert_eq(folder_make(parent, &err), ST_OK, "%s", err.text);
    f = fopen(path, "wb");
    cr_assert_not_null(f, "cannot make '%s'", path);
    cr_assert_eq(fwrite(bytes, 1, n, f), n);
    cr_assert_eq(fclose(f), 0);
}

void write_text(const char *path, const char *text) { write_bytes(path, text, strlen(text)); }

void overwrite_unseen(const char *path, int byte)
{
    const int fd = open(path, O_RDWR);
    struct stat before;
    char block[4096];

    cr_assert_geq(fd, 0, "cannot open '%s'", path);
    cr_assert_eq(fstat(fd, &before), 0);
    memset(block, byte, sizeof block);
    for (off_t at = 0; at < before.st_size;) {
        const size_t left = (size_t)(before.st_size - at), n = left < sizeof block ? left : sizeof block;

        cr_assert_eq(pwrite(fd, block, n, at), (ssize_t)n);
        at += (off_t)n;
    }
    cr_assert_eq(futimens(fd, (struct timespec[]){ before.st_atim, before.st_mtim }), 0);
    close(fd);
}

struct file_bytes read_bytes(const char *path)
{
    struct file_bytes f = FILE_BYTES_INIT;
    struct error err = { 0 };

    cr_assert_eq(file_read(path, (size_t)1 << 30, &f, &err), ST_OK, "%s", err.text);
    return f;
}

size_t count_entries(const char *folder)
{
    DIR *d = opendir(folder);
    size_t n = 0;

    for (const struct dirent *e; d && (e = readdir(d));)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    if (d)
        closedir(d);
    return n;
}
