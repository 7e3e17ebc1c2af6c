/* jobs/store/copy_files.c - the files of models and jobs, which are rows of a shared store and files of a folder otherwise; see copy.h.
 *
 * Invariants: one file is in memory at a time. A name or an id that comes from a database becomes part of a path only if it is one of
 * ours. A file of a model is the one that its card tells the digest of. */
#include "copy.h"

#include "cxrd/json.h"

#include <string.h>

struct files {
    struct store *from, *to; /* to NULL: they are summed up alone */
    const struct copy_folder *folder;
    void *arg; /* of the folder that is read */
    struct copy_sum *sum;
};

/* ---- one file ---- */

static enum status to_rows(struct store *to, const struct copied_file *f, struct error *err)
{
    const struct model_file file = { f->bytes, f->size };
    char sha256[DIGEST_TEXT_SIZE];
    enum status st;

    if (f->model)
        st = store_model_file_add(to, f->model, &file, err);
    else if (digest_bytes(f->bytes, f->size, sha256) != ST_OK)
        st = error_nomem(err);
    else
        st = store_finish(
            to,
            store_prepare(to, err, "INSERT INTO job_files(job, name, sha256, bytes) VALUES($1, $2, $3, $4)",
                          "tttb", f->job, f->name, sha256, f->bytes, f->size),
            err);
    return st == ST_OK ? to->db->engine->arrive(to->db, err) : st; /* none is kept for later */
}

static enum status file_take(struct files *c, const struct copied_file *f, struct error *err)
{
    const struct value parts[] = { { .type = 't', .text = f->model ? "model" : "job" },
                                   { .type = 't', .text = f->model ? f->model : f->job },
                                   { .type = 't', .text = f->name },
                                   { .type = 'b', .bytes = f->bytes, .size = f->size } };
    const enum status st = copy_sum_add(c->sum, parts, sizeof parts / sizeof parts[0], err);

    if (st != ST_OK || !c->to)
        return st;
    return store_is_shared(c->to) ? to_rows(c->to, f, err) : c->folder->write(c->folder->to, f, err);
}

static bool name_ok(const struct copy_folder *folder, const char *name)
{
    char known[COPIED_NAME];

    for (size_t i = 0; folder->job_file(i, known); i++)
        if (strcmp(known, name) == 0)
            return true;
    return false;
}

/* An id of a row, as a name of a file; NULL: it is not one of ours. */
static const char *id_in(struct statement *row, struct error *err)
{
    const char *id = store_column(row, 0);

    if (id && id_ok(id, strlen(id)))
        return id;
    error_set(err, ST_IO, "the job database is damaged: it has an id of another form than ours");
    return NULL;
}

/*   told  its digest; NULL: it is not known */
static enum status digest_check(const struct copied_file *f, const char *told, struct error *err)
{
    char found[DIGEST_TEXT_SIZE];

    if (digest_bytes(f->bytes, f->size, found) != ST_OK)
        return error_nomem(err);
    if (!told || strcmp(told, found) == 0)
        return ST_OK;
    return error_set(err, ST_IO, "the file '%.60s' of %s '%s' is damaged", f->name,
                     f->model ? "model" : "job", f->model ? f->model : f->job);
}

/* ---- models ---- */

#define WEIGHTS "weights" /* what the file of a model is called here */

static enum status no_weights(const char *model, struct error *err)
{
    return error_set(err, ST_IO, "the weights of model '%s' are missing", model);
}

static enum status model_take(struct files *c, struct statement *row, const struct copied_file *f,
                              struct error *err)
{
    json_t *card = store_json(row, 1);
    enum status st = digest_check(f, json_string_value(json_object_get(card, "sha256")), err);

    json_decref(card);
    return st == ST_OK ? file_take(c, f, err) : st;
}

/* A row has an id, a card and bytes. */
static enum status model_of_rows(void *arg, struct statement *row, struct error *err)
{
    struct copied_file f = { .model = id_in(row, err), .name = WEIGHTS };
    struct value bytes;
    enum status st = f.model ? copy_cell_bytes(row, 2, &bytes, err) : ST_IO;

    if (st != ST_OK)
        return st;
    f.bytes = bytes.bytes;
    f.size = bytes.size;
    return f.bytes ? model_take(arg, row, &f, err) : no_weights(f.model, err);
}

static enum status model_of_folder(void *arg, struct statement *row, struct error *err)
{
    struct files *c = arg;
    struct copied_file f = { .model = id_in(row, err), .name = WEIGHTS };
    struct file_bytes file = FILE_BYTES_INIT;
    enum status st = f.model ? c->folder->read(c->arg, &f, &file, err) : ST_IO;

    f.bytes = file.data ? file.data : "";
    f.size = file.size;
    if (st == ST_NOTFOUND)
        st = no_weights(f.model, err);
    else if (st == ST_OK)
        st = model_take(c, row, &f, err);
    file_bytes_release(&file);
    return st;
}

/* ---- jobs ---- */

/* A row has a job, a name, a digest and bytes. */
static enum status job_of_rows(void *arg, struct statement *row, struct error *err)
{
    struct files *c = arg;
    struct copied_file f = { .job = id_in(row, err), .name = store_column(row, 1) };
    const char *told = store_column(row, 2);
    struct value bytes;
    enum status st = f.job ? copy_cell_bytes(row, 3, &bytes, err) : ST_IO;

    if (st != ST_OK)
        return st;
    if (!f.name || !name_ok(c->folder, f.name) || !told || !bytes.bytes)
        return error_set(err, ST_IO, "the job database is damaged: job '%s' has a file that none can have",
                         f.job);
    f.bytes = bytes.bytes;
    f.size = bytes.size;
    st = digest_check(&f, told, err);
    return st == ST_OK ? file_take(c, &f, err) : st;
}

static enum status job_file_of_folder(struct files *c, struct copied_file f, struct error *err)
{
    struct file_bytes file = FILE_BYTES_INIT;
    enum status st = c->folder->read(c->arg, &f, &file, err);

    f.bytes = file.data ? file.data : "";
    f.size = file.size;
    if (st == ST_OK)
        st = file_take(c, &f, err);
    file_bytes_release(&file);
    return st == ST_NOTFOUND ? ST_OK : st; /* no job has all of them */
}

static enum status job_of_folder(void *arg, struct statement *row, struct error *err)
{
    struct files *c = arg;
    const char *id = id_in(row, err);
    char name[COPIED_NAME];
    enum status st = id ? ST_OK : ST_IO;

    for (size_t i = 0; st == ST_OK && c->folder->job_file(i, name); i++)
        st = job_file_of_folder(c, (struct copied_file){ .job = id, .name = name }, err);
    return st;
}

/* ---- all of them ---- */

static enum status take_all(struct files *c, struct error *err)
{
    static const char MODELS[] = "SELECT id, card FROM models", JOBS[] = "SELECT id FROM jobs";
    static const char MODEL_ROWS[] =
        "SELECT id, card, bytes FROM models LEFT JOIN model_files ON model_files.model = id";
    static const char JOB_ROWS[] = "SELECT job, name, sha256, bytes FROM job_files";
    const bool rows = store_is_shared(c->from);
    enum status st = copy_each(c->from, "model_files", rows ? MODEL_ROWS : MODELS, 1,
                               rows ? model_of_rows : model_of_folder, c, err);

    return st == ST_OK ? copy_each(c->from, "job_files", rows ? JOB_ROWS : JOBS, 1,
                                   rows ? job_of_rows : job_of_folder, c, err)
                       : st;
}

enum status copy_files(struct store *from, const struct copy_folder *folder, struct store *to,
                       struct copy_sum *sum, struct error *err)
{
    struct files c = { from, to, folder, folder->from, sum };

    return take_all(&c, err);
}

enum status copy_files_again(struct store *to, const struct copy_folder *folder, struct copy_sum *sum,
                             struct error *err)
{
    struct files c = { to, NULL, folder, folder->to, sum };

    return take_all(&c, err);
}
