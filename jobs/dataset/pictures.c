/* jobs/dataset/pictures.c - see pictures.h. */
#include "pictures.h"

#include "cxrd/digest.h"
#include "cxrd/file.h"
#include "cxrd/input_gate.h"
#include "cxrd/log.h"
#include "names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_constant(const struct image *img)
{
    return memcmp(img->grey, img->grey + 1, img->width * img->height - 1) == 0;
}

/* Two pictures have one digest when they have one size and the same grey values. */
static enum status pixels_digest(const struct image *img, uint64_t *ret)
{
    const uint64_t size[] = { img->width, img->height };
    char text[DIGEST_TEXT_SIZE];
    struct digest *d = NULL;

    *ret = 0;
    if (is_constant(img))
        return ST_OK;
    if (digest_new(&d) != ST_OK)
        return ST_NOMEM;
    digest_add(d, size, sizeof size);
    digest_add(d, img->grey, img->width * img->height);
    digest_finish(d, text);
    text[2 * sizeof *ret] = '\0';
    *ret = strtoull(text, NULL, 16);
    return ST_OK;
}

/* Resized into `ret_grey`; what was seen of it. */
static enum status take(const struct pictures *p, const struct image *img, uint8_t *ret_grey,
                        struct picture_facts *ret)
{
    double stats[GATE_STATS];
    struct gate_warnings w;

    preprocess_resize(img, &p->pre, ret_grey);
    gate_stats(ret_grey, p->pre.size, stats);
    gate_check(img, stats, p->pre.size, NULL, &w);
    *ret = (struct picture_facts){ 0 };
    for (size_t i = 0; i < w.n; i++)
        ret->codes |= 1u << w.codes[i];
    return pixels_digest(img, &ret->pixels);
}

/* Read, decode and resize one file; the sentence of a failure names it. */
static enum status decode(const struct pictures *p, int fd, const char *name, uint8_t *ret_grey,
                          struct picture_facts *ret, struct error *err)
{
    struct file_bytes file = FILE_BYTES_INIT;
    const struct image_reader reader = { .limits = &IMAGE_LIMITS,
                                         .said_dicom = name_may_be_dicom(name_base(name, strlen(name))),
                                         .decoder = p->decoder };
    struct image img = IMAGE_INIT;
    struct error why = { 0 };
    enum status st = file_read_fd(fd, name, PICTURE_MAX_BYTES, &file, err);

    if (st != ST_OK)
        return st;
    st = image_decode(file.data, file.size, &reader, &img, &why);
    if (st != ST_OK)
        error_inner(err, error_set(err, st, "the picture '%s' cannot be used: %s", name, why.text),
                    why.inner);
    else if (take(p, &img, ret_grey, ret) != ST_OK)
        st = error_nomem(err);
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

/* The picture, and what was seen of it where `ret` is not NULL; then the picture may be left alone. */
static enum status load(const struct pictures *p, size_t row, uint8_t *grey, struct picture_facts *ret,
                        struct error *err)
{
    const char *name = table_image(p->table, row);
    const int32_t i = picture_find(p->files, name);
    struct picture_facts facts;
    enum status st = ST_OK;
    uint64_t stamp;
    int fd;

    errno = ENOENT;
    fd = i == PICTURE_MISSING ? -1 : picture_open(p->files, i);
    if (fd < 0)
        return error_errno(err, ST_IO, "the picture '%s' cannot be opened", name);
    stamp = file_stamp(fd);
    if (ret ? !image_cache_facts(p->cache, row, stamp, ret) : !image_cache_get(p->cache, row, stamp, grey)) {
        st = decode(p, fd, name, grey, &facts, err);
        if (st == ST_OK)
            image_cache_put(p->cache, row, stamp, &facts, grey);
        if (st == ST_OK && ret)
            *ret = facts;
    }
    close(fd);
    return st;
}

enum status picture_load(const struct pictures *p, size_t row, uint8_t *ret_grey, struct error *err)
{
    const enum status st = load(p, row, ret_grey, NULL, err);

    if (st != ST_OK && !status_is_outside(st))
        mark_unusable(p, row, st);
    return st;
}

enum status picture_look(const struct pictures *p, size_t row, uint8_t *grey, struct picture_facts *ret,
                         struct error *err)
{
    const enum status st = load(p, row, grey, ret, err);

    if (st != ST_OK && !status_is_outside(st))
        mark_unusable(p, row, st);
    return st;
}

uint64_t picture_stamp(const struct pictures *p, size_t row)
{
    const int32_t i = picture_find(p->files, table_image(p->table, row));
    const int fd = i == PICTURE_MISSING ? -1 : picture_open(p->files, i);
    const uint64_t stamp = fd < 0 ? 0 : file_stamp(fd);

    if (fd >= 0)
        close(fd);
    return stamp;
}
