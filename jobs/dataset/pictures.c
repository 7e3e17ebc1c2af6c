/* jobs/dataset/pictures.c - see pictures.h. */
#include "pictures.h"

#include "cxrd/file.h"
#include "cxrd/log.h"

#include <errno.h>
#include <unistd.h>

enum { MAX_FILE = 64 << 20 };

/* Read, decode and resize one file; the sentence of a failure names it. */
static enum status decode(const struct pictures *p, int fd, const char *name, uint8_t *ret_grey,
                          struct error *err)
{
    struct file_bytes file = FILE_BYTES_INIT;
    struct image img = IMAGE_INIT;
    struct error why = { 0 };
    enum status st = file_read_fd(fd, name, MAX_FILE, &file, err);

    if (st != ST_OK)
        return st;
    st = image_decode(file.data, file.size, &IMAGE_LIMITS, &img, &why);
    if (st == ST_OK)
        preprocess_resize(&img, &p->pre, ret_grey);
    else
        error_set(err, st, "the picture '%s' cannot be used: %s", name, why.text);
    image_release(&img);
    file_bytes_release(&file);
    return st;
}

/* The log gets the row and not the name, which in these data sets begins with the patient's id; and it gets it once,
 * however many epochs come by. */
static void mark_unusable(const struct pictures *p, size_t row, enum status why)
{
    if (!p->unusable || p->unusable[row])
        return;
    p->unusable[row] = true;
    log_text(LOG_WARN, "picture cannot be used", "row %zu of the table: %s", row, status_text(why));
}

static enum status load(const struct pictures *p, size_t row, uint8_t *ret_grey, struct error *err)
{
    const char *name = table_image(p->table, row);
    const int32_t i = picture_find(p->files, name);
    enum status st = ST_OK;
    uint64_t stamp;
    int fd;

    errno = ENOENT;
    fd = i == PICTURE_MISSING ? -1 : picture_open(p->files, i);
    if (fd < 0)
        return error_errno(err, ST_IO, "the picture '%s' cannot be opened", name);
    stamp = file_stamp(fd);
    if (!image_cache_get(p->cache, row, stamp, ret_grey)) {
        st = decode(p, fd, name, ret_grey, err);
        if (st == ST_OK)
            image_cache_put(p->cache, row, stamp, ret_grey);
    }
    close(fd);
    return st;
}

enum status picture_load(const struct pictures *p, size_t row, uint8_t *ret_grey, struct error *err)
{
    const enum status st = load(p, row, ret_grey, err);

    if (st != ST_OK)
        mark_unusable(p, row, st);
    return st;
}
