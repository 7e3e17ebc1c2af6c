/* jobs/dataset/contents.c - what is in a data set, counted: see cxrd/catalog.h. */
#include "cxrd/catalog.h"

#include "cxrd/dataset.h"
#include "cxrd/file.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct counting {
    int root;
    struct table_defaults defaults; /* of the format that was found */
    struct table table;
    struct dataset_contents *found;
};

/* ---- the table ---- */

static enum status file_load(int root, const char *path, struct file_bytes *ret, struct error *err)
{
    const int fd = open_beneath(root, path, O_RDONLY);
    enum status st;

    if (fd < 0)
        return error_errno(err, ST_NOTFOUND, "there is no '%.64s'", path);
    st = file_read_fd(fd, path, TABLE_MAX_BYTES, ret, err);
    close(fd);
    return st;
}

/* Findings that are not the format's are no reason to count no rows: a training's `labels` may name them. */
static enum status source_read(struct counting *c, const struct table_source *source, struct error *why)
{
    struct error again;
    enum status st = table_read_as(source, c->defaults.labels, &c->table, why);

    c->found->labelled = st == ST_OK;
    if (st == ST_FORMAT && source->format == FORMAT_NIH)
        st = table_read(source->file[0].bytes, source->file[0].n, source->file[0].name, NULL, &c->table,
                        &again);
    return st;
}

static enum status table_load(struct counting *c, struct error *why)
{
    struct file_bytes file[TABLE_FILES] = { FILE_BYTES_INIT };
    struct table_source source = { .format = c->found->format, .missing = c->defaults.missing };
    char second[TABLE_PATH];
    enum status st = table_format_files(source.format, c->defaults.csv, second, &source.n_files, why);

    for (size_t i = 0; i < source.n_files && st == ST_OK; i++) {
        const char *name = i == 0 ? c->defaults.csv : second;

        st = file_load(c->root, name, &file[i], why);
        source.file[i] = (struct table_file){ name, file[i].data, file[i].size };
    }
    if (st == ST_OK)
        st = source_read(c, &source, why);
    for (size_t i = 0; i < TABLE_FILES; i++)
        file_bytes_release(&file[i]);
    return st;
}

/* The first format whose table is there under the name that such tables have. */
static bool format_find(struct counting *c)
{
    for (int format = 0; format < FORMAT_CSV && !c->found->has_table; format++) {
        const struct table_defaults d = table_format_defaults((enum table_format)format);
        const int fd = open_beneath(c->root, d.csv, O_RDONLY);

        if (fd < 0)
            continue;
        close(fd);
        c->defaults = d;
        c->found->format = (enum table_format)format;
        c->found->has_table = true;
    }
    return c->found->has_table;
}

static void rows_count(struct counting *c)
{
    const struct table *t = &c->table;

    c->found->rows = t->n_rows;
    if (!c->found->labelled)
        return;
    c->found->labels = t->labels;
    for (size_t i = 0; i < t->n_rows; i++)
        for (size_t k = 0; k < t->labels.n; k++)
            c->found->positive[k] += t->rows[i].labels >> k & 1;
}

/* ---- the files ---- */

static enum status pictures_count(struct counting *c, struct error *why)
{
    struct picture_files *files = NULL;
    const enum status st = discover(c->root, c->defaults.images, c->table.name_parts, &files, why);

    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < c->table.n_rows; i++)
        c->found->with_picture += picture_find(files, table_image(&c->table, i)) != PICTURE_MISSING;
    c->found->pictures = picture_count(files);
    picture_files_free(files);
    return ST_OK;
}

static uint64_t bytes_count(const char *folder, const atomic_bool *stop)
{
    char *const paths[] = { (char *)folder, NULL };
    FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    uint64_t bytes = 0;

    for (FTSENT *e; walk && !atomic_load(stop) && (e = fts_read(walk));)
        if (e->fts_info == FTS_F)
            bytes += (uint64_t)e->fts_statp->st_size;
    if (walk)
        fts_close(walk);
    return bytes;
}

enum status dataset_count(const char *folder, const atomic_bool *stop, struct dataset_contents *ret,
                          struct error *err)
{
    struct counting c = { .root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW),
                          .table = TABLE_INIT,
                          .found = ret };
    struct error why = { 0 };
    enum status st = ST_OK;

    *ret = (struct dataset_contents){ 0 };
    if (c.root < 0)
        st = error_errno(&why, ST_IO, "its folder cannot be opened");
    else if (!format_find(&c))
        st = error_set(&why, ST_NOTFOUND,
                       "no table has a name that a training looks for: tell it 'csv', and how to read it");
    if (st == ST_OK)
        st = table_load(&c, &why);
    ret->readable = st == ST_OK;
    if (ret->readable) {
        rows_count(&c);
        st = pictures_count(&c, &why);
    }
    if (c.root >= 0) {
        ret->bytes = bytes_count(folder, stop);
        close(c.root);
    }
    table_release(&c.table);
    snprintf(ret->problem, sizeof ret->problem, "%s", why.text);
    return st == ST_NOMEM ? error_nomem(err) : ST_OK;
}
