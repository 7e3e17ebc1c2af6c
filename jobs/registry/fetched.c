/* jobs/registry/fetched.c - see fetched.h. A crash leaves a ".part", which state_sweep() removes. */
#include "fetched.h"

#include "cxrd/file.h"
#include "cxrd/log.h"
#include "cxrd/weights.h"

enum status model_fetch(struct store *store, pthread_mutex_t *writing, const char *id, const char *path,
                        struct error *err)
{
    struct buf bytes = BUF_INIT(WEIGHTS_MAX_BYTES);
    enum status st;

    if (!store_is_shared(store))
        return error_set(err, ST_NOTFOUND, "there is no file of model '%s'", id);
    pthread_mutex_lock(writing);
    st = store_model_file_get(store, id, &bytes, err);
    if (st == ST_OK)
        st = file_replace(path, &(struct iovec){ bytes.data, bytes.len }, 1, err);
    pthread_mutex_unlock(writing);
    if (st == ST_OK)
        log_event(LOG_INFO, "the file of a model was fetched from the job database",
                  json_pack("{s:s,s:I}", "model", id, "bytes", (json_int_t)bytes.len));
    buf_release(&bytes);
    return st;
}
