/* jobs/fetch/found.c - the rows and pictures that a training would find in a data set that was fetched. A client that fetched an
 * archive that is packed another way hears it now and not when a training fails. */
#include "parts.h"

#include "cxrd/dataset.h"
#include "cxrd/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Where trainings look, and where pictures may lie instead. */
static const char *const PATTERNS[] = { "images_*/images/*.png", "images_*/*/images/*.png",
                                        "images_*/*.png",        "images_*/*/*.png",
                                        "images_*/*/*/*.png",    "images_*/*/*/*/*.png" };

static size_t rows_found(const struct table *t, const struct picture_files *files)
{
    size_t n = 0;

    for (size_t i = 0; i < t->n_rows; i++)
        n += picture_find(files, table_image(t, i)) != PICTURE_MISSING;
    return n;
}

static enum status look_at(int folder, const struct table *t, const char *pattern, size_t *ret_rows,
                           size_t *ret_pictures, struct error *err)
{
    struct picture_files *files = NULL;
    const enum status st = discover(folder, pattern, 1, &files, err);

    if (st != ST_OK)
        return st;
    *ret_rows = rows_found(t, files);
    *ret_pictures = picture_count(files);
    picture_files_free(files);
    return ST_OK;
}

/* Another pattern that finds pictures for more rows than the usual one. A failed search says nothing. */
static void look_elsewhere(int folder, const struct table *t, struct fetch_found *found)
{
    for (size_t i = 1; i < sizeof PATTERNS / sizeof PATTERNS[0]; i++) {
        struct error err;
        size_t rows = 0, pictures;

        if (look_at(folder, t, PATTERNS[i], &rows, &pictures, &err) == ST_OK && rows > found->with_picture &&
            rows > found->elsewhere) {
            found->elsewhere = rows;
            found->pattern = PATTERNS[i];
        }
    }
}

/* Findings that are not ChestX-ray14's are no reason not to look for pictures: a training's 'labels' may name them. */
static enum status table_of(const struct file_bytes *file, struct error *refusal, struct table *ret,
                            struct error *err)
{
    enum status st = table_read(file->data, file->size, FETCH_TABLE, &NIH_LABELS, ret, err);

    if (st != ST_FORMAT)
        return st;
    *refusal = *err;
    return table_read(file->data, file->size, FETCH_TABLE, NULL, ret, err);
}

static enum status table_load(int folder, struct error *refusal, struct table *ret, struct error *err)
{
    struct file_bytes file = FILE_BYTES_INIT;
    const int fd = openat(folder, FETCH_TABLE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    enum status st;

    if (fd < 0)
        return error_errno(err, ST_IO, "cannot open the table");
    st = file_read_fd(fd, FETCH_TABLE, TABLE_MAX_BYTES, &file, err);
    close(fd);
    if (st == ST_OK)
        st = table_of(&file, refusal, ret, err);
    file_bytes_release(&file);
    return st;
}

enum status found_count(int folder, struct fetch_found *ret, struct error *err)
{
    struct table t = TABLE_INIT;
    struct fetch_found found = { 0 };
    struct error refusal = { 0 };
    enum status st = table_load(folder, &refusal, &t, err);

    if (st == ST_FORMAT || st == ST_LIMIT)
        refusal = *err;
    snprintf(found.refusal, sizeof found.refusal, "%s", refusal.text);
    found.readable = st == ST_OK;
    if (st == ST_FORMAT || st == ST_LIMIT) {
        *ret = found;
        return ST_OK;
    }
    if (st == ST_OK)
        st = look_at(folder, &t, PATTERNS[0], &found.with_picture, &found.pictures, err);
    if (st == ST_OK && found.with_picture < t.n_rows)
        look_elsewhere(folder, &t, &found);
    found.rows = t.n_rows;
    table_release(&t);
    if (st == ST_OK)
        *ret = found;
    return st;
}
