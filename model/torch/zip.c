/* model/torch/zip.c - see zip.h. The only libarchive of `model`. */
#include "zip.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILES = 1 << 14 };

struct reading {
    struct archive *a;
    struct zip_wanted *wanted;
    size_t n;
    struct error *err;
};

/* libarchive reads a zip's directory whole, before anybody is asked. Each of its entries begins with this mark; a weight may
 * look like it by chance, a few in 128 MiB. */
static bool too_many_files(const void *bytes, size_t n)
{
    static const char MARK[] = "PK\1\2";
    const char *at = bytes, *end = at + n;
    size_t seen = 0;

    while ((at = memmem(at, (size_t)(end - at), MARK, 4)) && seen <= MAX_FILES) {
        at += 4;
        seen++;
    }
    return seen > MAX_FILES;
}

static int by_name(const void *a, const void *b)
{
    const struct zip_wanted *p = a, *q = b;
    const size_t n = p->name_size < q->name_size ? p->name_size : q->name_size;
    const int order = memcmp(p->name, q->name, n);

    return order ? order : (p->name_size > q->name_size) - (p->name_size < q->name_size);
}

/* The one that is asked for by this path, behind its first folder. */
static struct zip_wanted *find(const struct reading *r, const char *path)
{
    const char *slash = path ? strchr(path, '/') : NULL;
    struct zip_wanted key;

    if (!slash)
        return NULL;
    key.name = slash + 1;
    key.name_size = strlen(slash + 1);
    return bsearch(&key, r->wanted, r->n, sizeof key, by_name);
}

static enum status broken(const struct reading *r)
{
    const char *what = archive_error_string(r->a);

    if (archive_errno(r->a) == ENOMEM)
        return error_nomem(r->err);
    return error_set(r->err, ST_FORMAT, "the zip cannot be read: %.100s", what ? what : "it is damaged");
}

/* The ways to pack a file that say nothing of how much memory they take. */
static bool packing_is_known(struct archive *a)
{
    const char *format = archive_format_name(a);

    return format && (strstr(format, "(uncompressed)") || strstr(format, "(deflation)"));
}

/* Piece by piece, and no more than it may have, whatever it says of its size. */
static enum status copy(const struct reading *r, struct zip_wanted *w)
{
    const void *piece;
    size_t n;
    la_int64_t offset;
    int rc;

    while ((rc = archive_read_data_block(r->a, &piece, &n, &offset)) == ARCHIVE_OK) {
        if ((uint64_t)offset != w->bytes.len)
            return error_set(r->err, ST_FORMAT, "the zip's file '%.*s' has a hole", (int)w->name_size,
                             w->name);
        buf_put(&w->bytes, piece, n);
        if (buf_status(&w->bytes) == ST_NOMEM)
            return error_nomem(r->err);
        if (buf_status(&w->bytes) != ST_OK)
            return error_set(r->err, ST_LIMIT,
                             "the zip's file '%.*s' has more than the %zu bytes that it may have",
                             (int)w->name_size, w->name, w->bytes.max);
    }
    return rc == ARCHIVE_EOF ? ST_OK : broken(r);
}

static enum status take_all(const struct reading *r)
{
    struct archive_entry *entry;
    enum status st = ST_OK;
    int rc;

    while (st == ST_OK && (rc = archive_read_next_header(r->a, &entry)) != ARCHIVE_EOF) {
        struct zip_wanted *w;

        if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
            return broken(r);
        w = find(r, archive_entry_pathname(entry));
        if (!w)
            continue;
        if (w->found)
            return error_set(r->err, ST_FORMAT, "the zip has the file '%.*s' twice", (int)w->name_size,
                             w->name);
        w->found = true;
        if (!packing_is_known(r->a))
            return error_set(r->err, ST_FORMAT, "the zip's file '%.*s' is neither stored nor deflated",
                             (int)w->name_size, w->name);
        st = copy(r, w);
    }
    return st;
}

enum status zip_read(const void *bytes, size_t n_bytes, struct zip_wanted *wanted, size_t n,
                     struct error *err)
{
    struct reading r = { archive_read_new(), wanted, n, err };
    const locale_t names = newlocale(LC_CTYPE_MASK, "C.UTF-8", 0), before = uselocale(names);
    enum status st;

    qsort(wanted, n, sizeof *wanted, by_name);
    if (!r.a)
        st = error_nomem(err);
    else if (too_many_files(bytes, n_bytes))
        st = error_set(err, ST_LIMIT, "the zip holds more than %d files", MAX_FILES);
    else if (archive_read_support_format_zip_seekable(r.a) != ARCHIVE_OK ||
             archive_read_open_memory(r.a, bytes, n_bytes) != ARCHIVE_OK)
        st = broken(&r);
    else
        st = take_all(&r);
    archive_read_free(r.a);
    uselocale(before);
    if (names)
        freelocale(names);
    return st;
}
