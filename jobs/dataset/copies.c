/* jobs/dataset/copies.c - files of one name in two folders: the same picture twice, or two that a name cannot tell apart. */
#include "cxrd/dataset.h"

#include "cxrd/file.h"

#include <string.h>
#include <unistd.h>

enum { MAX_FILE = 64 << 20 };

static enum status read_one(const struct picture_files *f, int32_t i, struct file_bytes *ret,
                            struct error *err)
{
    const int fd = picture_open(f, i);
    enum status st;

    if (fd < 0)
        return error_errno(err, ST_IO, "the picture '%s' cannot be opened", picture_name(f, i));
    st = file_read_fd(fd, picture_name(f, i), MAX_FILE, ret, err);
    close(fd);
    return st;
}

static enum status compare(const struct picture_files *f, int32_t i, int32_t other, struct error *err)
{
    struct file_bytes a = FILE_BYTES_INIT, b = FILE_BYTES_INIT;
    enum status st = read_one(f, i, &a, err);

    if (st == ST_OK)
        st = read_one(f, other, &b, err);
    if (st == ST_OK && (a.size != b.size || (a.size && memcmp(a.data, b.data, a.size) != 0)))
        st = error_set(
            err, ST_UNUSABLE,
            "two folders have a file '%s', and the two differ: which one the table means cannot be told",
            picture_name(f, i));
    file_bytes_release(&a);
    file_bytes_release(&b);
    return st;
}

enum status picture_check_copies(const struct picture_files *f, const char *name, size_t *ret_copies,
                                 struct error *err)
{
    const int32_t i = picture_find(f, name);
    const size_t n = i == PICTURE_MISSING ? 1 : picture_copies(f, i);
    enum status st = ST_OK;

    *ret_copies = n - 1;
    for (size_t k = 1; k < n && st == ST_OK; k++)
        st = compare(f, i, i + (int32_t)k, err);
    return st;
}
