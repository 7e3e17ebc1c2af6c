/* jobs/fetch/packed.c - the file of an archive, as libarchive reads it, and how much of it at a time.
 *
 * Some of what an archive may hold is read in one piece, into memory, before anybody is asked: the directory of a zip, the
 * file name in a gzip's header. So the bytes and the entries of one call are counted where they come in. */
#include "packed.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
    HEAD_BYTES = 16 << 20, /* of one call: a header of a file, and what a decompressor wants at once */
    ENTRY_BYTES =
        512, /* and for each entry that there may be, where it is not read from front to end: a zip */
    MIN_ENTRY_BYTES = 46, /* of a zip's directory */
};

static const char ENTRY_MARK[] = "PK\1\2";

/* Count the marks of a zip's directory. A picture may hold one by chance: nobody is refused for less than a block of them. */
static bool too_many_entries(struct packed *p, size_t n)
{
    const char *at = p->block;

    for (const char *end = at + n; (at = memmem(at, (size_t)(end - at), ENTRY_MARK, 4)); at += 4)
        p->entries++;
    return p->entries > p->u->max_files + sizeof p->block / MIN_ENTRY_BYTES;
}

static la_ssize_t refuse(struct packed *p, enum status st)
{
    p->st = st;
    return -1;
}

static la_ssize_t on_read(struct archive *a, void *arg, const void **ret_block)
{
    struct packed *p = arg;
    struct error *err = p->err;
    const char *name = p->u->name;
    ssize_t n;

    (void)a;
    if (p->u->cancelled(p->u->arg))
        return refuse(p, error_set(err, ST_CANCELLED, "stopped"));
    do
        n = read(p->u->archive, p->block, sizeof p->block);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return refuse(p, error_errno(err, ST_IO, "cannot read %s", name));
    p->bytes += (uint64_t)n;
    if (p->bytes > HEAD_BYTES + (p->is_sought ? (uint64_t)ENTRY_BYTES * p->u->max_files : 0))
        return refuse(p, error_set(err, ST_LIMIT, "%s has a header that does not end", name));
    if (p->u->files == 0 && too_many_entries(p, (size_t)n))
        return refuse(p, error_set(err, ST_LIMIT, TOO_MANY_ENTRIES, name));
    *ret_block = p->block;
    return n;
}

static la_int64_t on_seek(struct archive *a, void *arg, la_int64_t offset, int whence)
{
    struct packed *p = arg;
    const off_t at = lseek(p->u->archive, offset, whence);

    (void)a;
    p->is_sought = true;
    return at < 0 ? ARCHIVE_FATAL : at;
}

bool packed_open(struct packed *p, struct archive *a)
{
    return archive_read_set_read_callback(a, on_read) == ARCHIVE_OK &&
           archive_read_set_seek_callback(a, on_seek) == ARCHIVE_OK &&
           archive_read_set_callback_data(a, p) == ARCHIVE_OK && archive_read_open1(a) == ARCHIVE_OK;
}

void packed_next(struct packed *p) { p->bytes = 0; }
