/* jobs/phantom/phantom.c - see cxrd/phantom.h: draws the pictures on a pool and writes the folder. */
#include "cxrd/phantom.h"

#include "case.h"
#include "cxrd/buf.h"
#include "cxrd/file.h"
#include "cxrd/image.h"
#include "write.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOLDER_IMAGES = 10000, CHUNK = 64 }; /* pictures a folder; between two reports of progress */

/* Memory of one thread. */
struct desk {
    struct scene scene;
    uint8_t *grey;
    struct buf png;
};

struct factory {
    const struct phantom_options *options;
    struct phantom_case *cases;        /* [images] */
    struct box (*boxes)[N_NIH_LABELS]; /* [images] */
    struct desk *desks;                /* [threads] */
    size_t n_desks;
    size_t first;                 /* number of the chunk's first picture */
    struct error failures[CHUNK]; /* code ST_OK where all is well */
};

static enum status check_options(const struct phantom_options *o, struct error *err)
{
    char path[PATH_MAX];

    if (o->images < 1 || o->images > PHANTOM_MAX_IMAGES)
        return error_set(err, ST_INVALID, "%zu images asked for, 1 to %d are possible", o->images,
                         PHANTOM_MAX_IMAGES);
    if (o->size < PHANTOM_MIN_SIZE || o->size > PHANTOM_MAX_SIZE)
        return error_set(err, ST_INVALID, "the image size %zu is not in %d..%d", o->size, PHANTOM_MIN_SIZE,
                         PHANTOM_MAX_SIZE);
    if (snprintf(path, sizeof path, "%s/" PHANTOM_TABLE, o->out) >= (int)sizeof path - 64)
        return error_set(err, ST_INVALID, "the path '%.64s…' is too long", o->out);
    if (access(path, F_OK) == 0)
        return error_set(err, ST_CONFLICT,
                         "'%s' holds a data set already, remove it or choose another folder", o->out);
    return ST_OK;
}

static enum status make_folders(const struct phantom_options *o, struct error *err)
{
    const size_t folders = (o->images + FOLDER_IMAGES - 1) / FOLDER_IMAGES;
    enum status st = ST_OK;

    for (size_t i = 0; i < folders && st == ST_OK; i++) {
        char path[PATH_MAX];

        snprintf(path, sizeof path, "%s/images_%03zu/images", o->out, i + 1);
        st = folder_make(path, err);
    }
    return st;
}

/* One picture to its file. Not made durable one by one: see sync_all(). */
static enum status write_picture(const char *path, const struct buf *png, struct error *err)
{
    FILE *f = fopen(path, "wbe");
    bool written;

    if (!f)
        return error_errno(err, ST_IO, "cannot create '%s'", path);
    written = fwrite(png->data, 1, png->len, f) == png->len;
    if (fclose(f) != 0 || !written)
        return error_errno(err, ST_IO, "cannot write '%s'", path);
    return ST_OK;
}

static void make_picture(void *arg, size_t task, size_t thread)
{
    struct factory *f = arg;
    struct desk *desk = &f->desks[thread];
    struct error *err = &f->failures[task];
    const size_t index = f->first + task, size = f->options->size;
    char name[PHANTOM_NAME_SIZE], path[PATH_MAX];

    phantom_draw(&desk->scene, f->options->seed, index, &f->cases[index], desk->grey, f->boxes[index]);
    buf_clear(&desk->png);
    err->code = image_encode_png(desk->grey, size, size, 1, &desk->png, err);
    if (err->code != ST_OK)
        return;
    snprintf(path, sizeof path, "%s/images_%03zu/images/%s", f->options->out, index / FOLDER_IMAGES + 1,
             phantom_name(&f->cases[index], name));
    err->code = write_picture(path, &desk->png, err);
}

static enum status make_pictures(struct factory *f, struct pool *pool,
                                 void (*progress)(void *, size_t, size_t), void *arg, struct error *err)
{
    const size_t total = f->options->images;

    for (f->first = 0; f->first < total;) {
        const size_t n = total - f->first < CHUNK ? total - f->first : CHUNK;

        pool_run(pool, n, make_picture, f);
        for (size_t i = 0; i < n; i++)
            if (f->failures[i].code != ST_OK)
                return error_set(err, f->failures[i].code, "%s", f->failures[i].text);
        f->first += n;
        if (progress)
            progress(arg, f->first, total);
    }
    return ST_OK;
}

/* Thousands of pictures become durable by one call, before the table that vouches for them exists. */
static enum status sync_all(const char *folder, struct error *err)
{
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum status st = ST_OK;

    if (fd < 0)
        return error_errno(err, ST_IO, "cannot open the folder '%s'", folder);
    if (syncfs(fd) != 0)
        st = error_errno(err, ST_IO, "cannot sync the folder '%s'", folder);
    close(fd);
    return st;
}

static enum status factory_init(struct factory *f, const struct phantom_options *o, size_t n_threads,
                                struct error *err)
{
    enum status st = ST_OK;

    *f = (struct factory){ .options = o, .n_desks = n_threads };
    f->cases = calloc(o->images, sizeof *f->cases);
    f->boxes = calloc(o->images, sizeof *f->boxes);
    f->desks = calloc(n_threads, sizeof *f->desks);
    if (!f->cases || !f->boxes || !f->desks)
        return error_nomem(err);
    for (size_t i = 0; i < n_threads && st == ST_OK; i++) {
        f->desks[i].png = (struct buf)BUF_INIT(2 * o->size * o->size + 65536);
        f->desks[i].grey = malloc(o->size * o->size);
        st = f->desks[i].grey ? scene_init(&f->desks[i].scene, o->size, err) : error_nomem(err);
    }
    return st;
}

static void factory_release(struct factory *f)
{
    for (size_t i = 0; f->desks && i < f->n_desks; i++) {
        scene_release(&f->desks[i].scene);
        free(f->desks[i].grey);
        buf_release(&f->desks[i].png);
    }
    free(f->desks);
    free(f->boxes);
    free(f->cases);
}

enum status phantom_make(const struct phantom_options *options, struct pool *pool,
                         void (*progress)(void *arg, size_t done, size_t total), void *arg, struct error *err)
{
    struct factory f = { 0 };
    enum status st = check_options(options, err);

    if (st == ST_OK)
        st = factory_init(&f, options, pool_threads(pool), err);
    if (st == ST_OK)
        st = phantom_table(options->seed, options->images, options->nih_rates, f.cases, err);
    if (st == ST_OK)
        st = make_folders(options, err);
    if (st == ST_OK)
        st = make_pictures(&f, pool, progress, arg, err);
    if (st == ST_OK)
        st = phantom_write_boxes(options, f.cases, f.boxes, err);
    if (st == ST_OK)
        st = sync_all(options->out, err);
    if (st == ST_OK)
        st = phantom_write_table(options, f.cases, err);
    factory_release(&f);
    return st;
}
