/* model/torch/zip.c - see zip.h. The only libzip. */
#include "zip.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h> /* NOLINT(readability-duplicate-include): libzip's, not ours */

enum { MAX_FILES = 1 << 14, PIECE = 64 << 10 };

struct reading {
    zip_t *zip;
    struct zip_wanted *wanted;
    size_t n;
    struct error *err;
};

/* libzip 1.7 says of some allocations that failed that the file is no zip: errno, which was 0 before it was called, tells them. */
static enum status broken(zip_error_t *e, struct error *err)
{
    if (zip_error_code_zip(e) == ZIP_ER_MEMORY || errno == ENOMEM)
        return error_nomem(err);
    return error_set(err, ST_FORMAT, "the zip cannot be read: %.100s", zip_error_strerror(e));
}

/* ---- before it is opened ---- */

static size_t marks(const void *bytes, size_t n, const char mark[4])
{
    const char *at = bytes, *end = at + n;
    size_t seen = 0;

    while ((at = memmem(at, (size_t)(end - at), mark, 4)) && seen <= MAX_FILES) {
        at += 4;
        seen++;
    }
    return seen;
}

static uint64_t number(const uint8_t at[8])
{
    uint64_t n = 0;

    for (size_t i = 8; i-- > 0;)
        n = n << 8 | at[i];
    return n;
}

/* A large zip says in 64 bits how many entries it has (APPNOTE.TXT 4.3.14), at the place that a locator in its last bytes names (4.3.15).
 * Nowhere else: among 128 MiB of weights the mark of such an end occurs by chance in one file of thirty. */
static bool says_too_many(const void *bytes, size_t n)
{
    enum { END = 22, COMMENT = 0xffff, LOCATOR = 20, PLACE_AT = 8, COUNT_AT = 32 };
    const uint8_t *all = bytes, *end = all + n;
    const uint8_t *at = n > END + COMMENT + LOCATOR ? end - (END + COMMENT + LOCATOR) : all;

    while ((at = memmem(at, (size_t)(end - at), "PK\6\7", 4)) && end - at >= LOCATOR) {
        const uint64_t place = number(at + PLACE_AT);

        if (place < n && n - place >= COUNT_AT + 8 && memcmp(all + place, "PK\6\6", 4) == 0 &&
            number(all + place + COUNT_AT) > MAX_FILES)
            return true;
        at += 4;
    }
    return false;
}

/* libzip reads the directory whole, before anybody is asked, and takes memory by what its end says. Each of its entries begins with
 * a mark; a weight may look like one by chance, a few in 128 MiB. */
static bool too_many_files(const void *bytes, size_t n)
{
    return marks(bytes, n, "PK\1\2") > MAX_FILES || says_too_many(bytes, n);
}

/* ---- its files ---- */

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

/* The ways to pack a file that say nothing of how much memory they take. */
static bool packing_is_known(zip_t *zip, zip_uint64_t at)
{
    zip_stat_t said;

    return zip_stat_index(zip, at, 0, &said) == 0 && said.valid & ZIP_STAT_COMP_METHOD &&
           (said.comp_method == ZIP_CM_STORE || said.comp_method == ZIP_CM_DEFLATE) &&
           said.encryption_method == ZIP_EM_NONE;
}

/* Piece by piece, and no more than it may have, whatever it says of its size. */
static enum status copy(const struct reading *r, zip_file_t *file, struct zip_wanted *w)
{
    char *piece = malloc(PIECE);
    zip_int64_t n = 0;
    enum status st = piece ? ST_OK : ST_NOMEM;

    while (st == ST_OK && (n = zip_fread(file, piece, PIECE)) > 0) {
        buf_put(&w->bytes, piece, (size_t)n);
        st = buf_status(&w->bytes);
    }
    free(piece);
    if (st == ST_NOMEM)
        return error_nomem(r->err);
    if (st != ST_OK)
        return error_set(r->err, ST_LIMIT,
                         "the zip's file '%.*s' has more than the %zu bytes that it may have",
                         (int)w->name_size, w->name, w->bytes.max);
    return n < 0 ? broken(zip_file_get_error(file), r->err) : ST_OK;
}

static enum status take(const struct reading *r, zip_uint64_t at, struct zip_wanted *w)
{
    zip_file_t *file;
    enum status st;

    if (w->found)
        return error_set(r->err, ST_FORMAT, "the zip has the file '%.*s' twice", (int)w->name_size, w->name);
    w->found = true;
    if (!packing_is_known(r->zip, at))
        return error_set(r->err, ST_FORMAT, "the zip's file '%.*s' is neither stored nor deflated",
                         (int)w->name_size, w->name);
    file = zip_fopen_index(r->zip, at, 0);
    if (!file)
        return broken(zip_get_error(r->zip), r->err);
    st = copy(r, file, w);
    zip_fclose(file);
    return st;
}

static enum status take_all(const struct reading *r)
{
    const zip_int64_t n = zip_get_num_entries(r->zip, 0);
    enum status st = ST_OK;

    for (zip_int64_t i = 0; i < n && st == ST_OK; i++) {
        struct zip_wanted *w = find(r, zip_get_name(r->zip, (zip_uint64_t)i, ZIP_FL_ENC_RAW));

        if (w)
            st = take(r, (zip_uint64_t)i, w);
    }
    return st;
}

enum status zip_read(const void *bytes, size_t n_bytes, struct zip_wanted *wanted, size_t n,
                     struct error *err)
{
    struct reading r = { NULL, wanted, n, err };
    zip_source_t *source;
    zip_error_t why;
    enum status st;

    qsort(wanted, n, sizeof *wanted, by_name);
    if (too_many_files(bytes, n_bytes))
        return error_set(err, ST_LIMIT, "the zip holds more than %d files", MAX_FILES);
    zip_error_init(&why);
    errno = 0;
    source = zip_source_buffer_create(bytes, n_bytes, 0, &why);
    r.zip = source ? zip_open_from_source(source, ZIP_RDONLY, &why) : NULL;
    st = r.zip ? take_all(&r) : broken(&why, err);
    if (r.zip)
        zip_discard(r.zip); /* and the source */
    else if (source)
        zip_source_free(source);
    zip_error_fini(&why);
    return st;
}
