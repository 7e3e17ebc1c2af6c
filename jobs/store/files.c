/* jobs/store/files.c - the files of jobs and models, as a shared store keeps them; see cxrd/store_files.h.
 *
 * Invariants: only a caller that may write to a job (leases.c) writes its files, in the transaction in which it looks whether it may. A
 * model's file is written in the transaction that adds the model, and never again. A crash between two files of a job leaves the first. */
#include "parts.h"

#include "cxrd/digest.h"
#include "cxrd/store_files.h"

enum status store_model_file_add(struct store *s, const char *id, const struct model_file *file,
                                 struct error *err)
{
    return store_finish(s,
                        store_prepare(s, err, "INSERT INTO model_files(model, bytes) VALUES($1, $2)", "tb",
                                      id, file->bytes, file->size),
                        err);
}

/* Inside a transaction. */
static enum status fence(struct store *s, const struct claim *c, struct error *err)
{
    enum job_state state;
    bool last;

    return store_fence(s, c, &state, &last, err);
}

enum status store_job_file_put(struct store *s, const struct claim *c, const char *name, const void *bytes,
                               size_t n, struct error *err)
{
    static const char SQL[] = "INSERT INTO job_files(job, name, sha256, bytes) VALUES($1, $2, $3, $4)"
                              " ON CONFLICT(job, name) DO UPDATE SET sha256 = excluded.sha256,"
                              " bytes = excluded.bytes";
    char sha256[DIGEST_TEXT_SIZE];
    enum status st = digest_bytes(bytes, n, sha256) == ST_OK ? store_begin(s, err) : error_nomem(err);

    if (st != ST_OK)
        return st;
    st = fence(s, c, err);
    if (st == ST_OK)
        st = store_finish(s, store_prepare(s, err, SQL, "tttb", c->job, name, sha256, bytes, n), err);
    return store_end(s, st, err);
}

enum status store_job_file_drop(struct store *s, const struct claim *c, const char *name, struct error *err)
{
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    st = fence(s, c, err);
    if (st == ST_OK)
        st = store_finish(
            s,
            store_prepare(s, err, "DELETE FROM job_files WHERE job = $1 AND name = $2", "tt", c->job, name),
            err);
    return store_end(s, st, err);
}

/* With the lock held: the bytes of the row's second cell.
 *   ret_same  that is null */
static enum status take_bytes(struct store *s, struct statement *stmt, struct buf *ret, bool *ret_same,
                              struct error *err)
{
    enum status st = store_row(s, stmt, err);
    const void *bytes;
    size_t n;

    if (st != ST_OK)
        return st;
    *ret_same = s->db->engine->is_null(stmt, 0);
    if (*ret_same)
        return ST_OK;
    bytes = s->db->engine->bytes(stmt, 0, &n);
    if (!bytes && s->db->engine->ran_out(s->db))
        return error_nomem(err);
    buf_put(ret, bytes, n);
    st = buf_status(ret);
    return st == ST_OK ? ST_OK
                       : error_set(err, st, "a file in the job database is too large for this server");
}

enum status store_job_file_get(struct store *s, const char *job, const char *name, const char *have,
                               struct buf *ret, bool *ret_same, struct error *err)
{
    static const char SQL[] = "SELECT CASE WHEN sha256 <> $3 THEN bytes END FROM job_files"
                              " WHERE job = $1 AND name = $2";
    struct statement *stmt;
    enum status st;

    pthread_mutex_lock(&s->lock);
    stmt = store_prepare(s, err, SQL, "ttt", job, name, have);
    st = take_bytes(s, stmt, ret, ret_same, err);
    store_done(stmt);
    pthread_mutex_unlock(&s->lock);
    return st == ST_NOTFOUND ? error_set(err, st, "job '%s' has no such file", job) : st;
}

enum status store_model_file_get(struct store *s, const char *model, struct buf *ret, struct error *err)
{
    struct statement *stmt;
    bool null;
    enum status st;

    pthread_mutex_lock(&s->lock);
    stmt = store_prepare(s, err, "SELECT bytes FROM model_files WHERE model = $1", "t", model);
    st = take_bytes(s, stmt, ret, &null, err);
    store_done(stmt);
    pthread_mutex_unlock(&s->lock);
    return st == ST_NOTFOUND ? error_set(err, st, "the job database has no file of model '%s'", model) : st;
}
