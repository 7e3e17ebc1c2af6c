/* jobs/registry/registry.c - see cxrd/registry.h. */
#include "cxrd/registry.h"

#include "cxrd/card.h"
#include "cxrd/file.h"
#include "cxrd/log.h"
#include "cxrd/narrowing.h"
#include "cxrd/onnx.h"
#include "cxrd/session.h"
#include "cxrd/weights.h"
#include "fetched.h"
#include "loaded_model.h"
#include "model_cache.h"
#include "parts.h"
#include "signed_model.h"

#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char WEIGHTS[] = ".safetensors", ONNX[] = ".onnx";

/* With the lock held. */
bool registry_is_trusted(const struct registry *r)
{
    return !r->follower || clock_seconds() < r->trusted_until;
}

struct loaded_model *registry_active(struct registry *r)
{
    struct loaded_model *m;

    pthread_mutex_lock(&r->lock);
    m = r->active && registry_is_trusted(r) ? loaded_model_hold(r->active) : NULL;
    pthread_mutex_unlock(&r->lock);
    return m;
}

/*   format  ".safetensors", or ".onnx" of what is made of it when somebody asks for that */
static enum status path_of(const struct registry *r, const char *id, const char *format, char path[PATH_MAX],
                           struct error *err)
{
    if (!id_ok(id, strlen(id)))
        return error_set(err, ST_NOTFOUND, "there is no model '%.36s'", id);
    if (snprintf(path, PATH_MAX, "%s/%s%s", r->folder, id, format) >= PATH_MAX)
        return error_set(err, ST_IO, "the path of the models' folder is too long");
    return ST_OK;
}

/* Read a model's file. That it is away, or longer than any, is damage like another. */
static enum status file_bytes_load(const char *path, const char *id, struct file_bytes *ret,
                                   struct error *err)
{
    struct error why = { 0 };
    const enum status st = file_read(path, WEIGHTS_MAX_BYTES, ret, &why);

    if (st == ST_OK)
        return st;
    if (st == ST_NOTFOUND)
        error_set(err, ST_FORMAT, "the file of model '%s' is missing", id);
    else
        error_set(err, st == ST_LIMIT ? ST_FORMAT : st, "the file of model '%s': %s", id, why.text);
    return error_inner(err, st == ST_NOTFOUND || st == ST_LIMIT ? ST_FORMAT : st, why.inner);
}

/* The bytes of a model's file that are what its card says. */
static enum status stored_bytes_load(const char *path, const char *id, const char *sha256,
                                     struct file_bytes *ret, struct error *err)
{
    char found[DIGEST_TEXT_SIZE];
    enum status st = file_bytes_load(path, id, ret, err);

    if (st == ST_OK && digest_bytes(ret->data, ret->size, found) != ST_OK)
        st = error_nomem(err);
    if (st == ST_OK && strcmp(found, sha256) != 0)
        st = error_set(err, ST_FORMAT, "the file of model '%s' is not what was stored: its digest differs",
                       id);
    return st;
}

/* Read a model's file. One that is not here, or damaged, is fetched where there is another copy. */
static enum status file_load(struct registry *r, const char *id, const char *sha256, struct model **ret_model,
                             struct error *err)
{
    struct file_bytes file = FILE_BYTES_INIT;
    struct error why = { 0 };
    char path[PATH_MAX];
    enum status st = path_of(r, id, WEIGHTS, path, err);

    if (st == ST_OK)
        st = stored_bytes_load(path, id, sha256, &file, err);
    if (st == ST_FORMAT && store_is_shared(r->store)) {
        file_bytes_release(&file);
        st = model_fetch(r->store, &r->fetching, id, path, &why);
        if (st == ST_OK)
            st = stored_bytes_load(path, id, sha256, &file, err);
        else if (st != ST_NOTFOUND)
            *err = why;
        else
            st = ST_FORMAT; /* as was said */
    }
    if (st == ST_OK)
        st = weights_read(file.data, file.size, ret_model, err);
    file_bytes_release(&file);
    return st;
}

/* The ends of what a number may be. */
static struct input_values ends_of(bool upper)
{
    struct input_values v;

    for (size_t i = 0; i < N_INPUT_NUMBERS; i++) {
        const bool counts = i == INPUT_FILMS || (i >= INPUT_OFTEN && i < INPUT_LATELY);

        v.of[i] = !upper ? 0 : i == INPUT_AGE ? INPUT_OLDEST : counts ? input_often(INPUT_MOST_FILMS) : 1;
    }
    return v;
}

/* Whatever is said of a patient, the sums stay finite. Each part grows or falls with its value, so of each number one of the
 * ends of what is understood, or "not known", adds most to a finding's logit, and one takes most; all that add most, and all
 * that take most, bound the others and every sum on the way to them. */
static enum status try_inputs(const struct model *m, const float logits[MAX_LABELS])
{
    const size_t n = model_inputs(m)->n;
    const struct input_values lower = ends_of(false), upper = ends_of(true);
    float ends[2][N_INPUT_NUMBERS];

    inputs_standardise(model_inputs(m), &lower, ends[0]);
    inputs_standardise(model_inputs(m), &upper, ends[1]);
    for (size_t k = 0; k < model_labels(m)->n && n; k++) {
        const float *w = model_params(m) + model_network(m)->head_inputs + k * n;
        float most = 0, least = 0;

        for (size_t i = 0; i < n; i++) {
            most += fmaxf(fmaxf(w[i] * ends[0][i], w[i] * ends[1][i]), 0);
            least += fminf(fminf(w[i] * ends[0][i], w[i] * ends[1][i]), 0);
        }
        if (!isfinite(logits[k] + most) || !isfinite(logits[k] + least))
            return ST_NUMERIC;
    }
    return ST_OK;
}

/* One forward pass, of a picture with every grey. */
static enum status try_picture(const struct model *m, float logits[MAX_LABELS])
{
    const struct preprocess *pre = model_preprocess(m);
    const size_t plane = pre->size * pre->size;
    float *x = malloc(preprocess_floats(pre) * sizeof *x);
    uint8_t *grey = malloc(plane);
    struct session *session = NULL;
    enum status st = x && grey ? session_new(&session) : ST_NOMEM;

    if (st == ST_OK) {
        for (size_t i = 0; i < plane; i++)
            grey[i] = (uint8_t)(i * 255 / plane);
        preprocess_scale(grey, plane, pre, x);
        st = session_run(session, m, 1, x, logits);
    }
    session_free(session);
    free(grey);
    free(x);
    return st;
}

/* Pages are touched, and weights that overflow show before a patient's picture does. */
static enum status warm_up(const struct model *m, struct error *err)
{
    float logits[MAX_LABELS];
    enum status st = ST_OK;

    if (model_sees(m))
        st = try_picture(m, logits);
    else
        model_bias(m, logits);
    if (st == ST_OK)
        st = try_inputs(m, logits);
    if (st == ST_NUMERIC)
        return error_set(err, st, "the model's results are not finite numbers");
    return st == ST_OK ? ST_OK : error_nomem(err);
}

static const char *text_in(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

/* The model of a card, ready to answer. */
static enum status loaded_model_make(struct registry *r, const char *id, const json_t *card,
                                     struct loaded_model **ret_model, struct error *err)
{
    struct loaded_model *m = loaded_model_new();
    struct own_thresholds own;
    enum status st;

    if (!m)
        return error_nomem(err);
    snprintf(m->id, ID_SIZE, "%s", id);
    snprintf(m->job, ID_SIZE, "%s", text_in(card, "job"));
    snprintf(m->sha256, DIGEST_TEXT_SIZE, "%s", text_in(card, "sha256"));
    if (strlen(text_in(card, "population")) < sizeof m->population) /* cut, it might be no UTF-8 */
        snprintf(m->population, sizeof m->population, "%s", text_in(card, "population"));
    st = r->signers ? signed_model_check(r->store, r->signers, id, err) : ST_OK;
    if (st == ST_OK)
        st = file_load(r, id, m->sha256, &m->model, err);
    if (st == ST_OK && model_is_backbone(m->model))
        st = error_set(err, ST_CONFLICT, BACKBONE_REFUSED);
    if (st == ST_OK)
        st = model_narrow(&m->model, r->precision, err);
    if (st == ST_OK)
        st = warm_up(m->model, err);
    if (st != ST_OK) {
        loaded_model_release(m);
        return st;
    }
    own = own_thresholds_of(card, model_labels(m->model));
    loaded_model_set_own(m, &own);
    *ret_model = m;
    return ST_OK;
}

enum status model_own_read(struct registry *r, struct loaded_model *m, struct error *err)
{
    struct own_thresholds own;
    json_t *card = NULL;
    const enum status st = store_model_get(r->store, m->id, &card, err);

    if (st != ST_OK)
        return st;
    own = own_thresholds_of(card, model_labels(m->model));
    loaded_model_set_own(m, &own);
    json_decref(card);
    return ST_OK;
}

static void publish_beside(struct registry *r, struct loaded_model *m)
{
    pthread_mutex_lock(&r->own);
    (void)model_own_read(r, m, NULL); /* else that of its card holds */
    model_cache_put(r->cache, m);
    pthread_mutex_unlock(&r->own);
}

/* Load a model to be served. */
enum status loaded_model_read(struct registry *r, const char *id, json_t **ret_card,
                              struct loaded_model **ret_model, struct error *err)
{
    json_t *card = NULL;
    enum status st = store_model_get(r->store, id, &card, err);

    if (st == ST_OK)
        st = loaded_model_make(r, id, card, ret_model, err);
    if (st == ST_OK && ret_card)
        *ret_card = card;
    else
        json_decref(card);
    return st;
}

/* A card shows what a file says of its data and of where it is from; one that was stored before this was asked goes on
 * being served. */
static enum status shown_notes_check(const struct model *m, struct error *err)
{
    static const char *const SHOWN[] = { DATA_NOTE, IMPORT_NOTE };
    enum status st = ST_OK;

    for (size_t i = 0; i < sizeof SHOWN / sizeof SHOWN[0] && st == ST_OK; i++) {
        const char *text = json_string_value(json_object_get(model_notes(m), SHOWN[i]));

        if (text)
            st = card_note_check(SHOWN[i], text, err);
    }
    return st;
}

/* Add a model whose file's bytes these are. */
static enum status model_add(struct registry *r, const struct model *m, const void *bytes, size_t n_bytes,
                             const struct claim *by, json_t **ret_card, struct error *err)
{
    const struct iovec part = { (void *)bytes, n_bytes };
    const struct model_file file = { bytes, n_bytes };
    char id[ID_SIZE], path[PATH_MAX], sha256[DIGEST_TEXT_SIZE];
    json_t *card = NULL;
    enum status st = shown_notes_check(m, err);

    if (st == ST_OK)
        st = warm_up(m, err);
    id_new(id);
    if (st == ST_OK)
        st = path_of(r, id, WEIGHTS, path, err);
    if (st == ST_OK && digest_bytes(bytes, n_bytes, sha256) != ST_OK)
        st = error_nomem(err);
    if (st == ST_OK && !(card = card_make(id, m, n_bytes, sha256, by ? by->job : NULL)))
        st = error_nomem(err);
    if (st == ST_OK) {
        st = file_replace(path, &part, 1, err);
        if (st == ST_OK)
            st = store_model_add(r->store, id, card, by, store_is_shared(r->store) ? &file : NULL, err);
        if (st != ST_OK) /* also when file_replace() has failed: it may have renamed, and not synced */
            unlink(path);
    }
    if (st == ST_OK)
        *ret_card = card;
    else
        json_decref(card);
    return st;
}

enum status registry_add(struct registry *r, const void *bytes, size_t n_bytes, const struct claim *by,
                         json_t **ret_card, struct error *err)
{
    struct model *m = NULL;
    enum status st = weights_read(bytes, n_bytes, &m, err);

    if (st == ST_OK)
        st = model_add(r, m, bytes, n_bytes, by, ret_card, err);
    model_unref(m);
    return st;
}

/* As registry_import(), of bytes that may be taken. */
static enum status import(struct registry *r, const void *bytes, size_t n_bytes,
                          const struct import_options *o, json_t **ret_card, struct error *err)
{
    struct buf file = BUF_INIT(WEIGHTS_MAX_BYTES);
    struct model *m = NULL;
    json_t *report = json_object();
    enum status st = report ? model_import(bytes, n_bytes, o, &m, report, err) : error_nomem(err);

    if (st == ST_OK && import_as_it_is(report))
        st = model_add(r, m, bytes, n_bytes, NULL, ret_card, err);
    else if (st == ST_OK) {
        st = weights_write(m, &file, err);
        if (st == ST_OK)
            st = model_add(r, m, file.data, file.len, NULL, ret_card, err);
    }
    buf_release(&file);
    json_decref(report);
    model_unref(m);
    return st;
}

enum status registry_import(struct registry *r, const void *bytes, size_t n_bytes,
                            const struct import_options *o, const char *signature, json_t **ret_card,
                            struct error *err)
{
    char sha256[DIGEST_TEXT_SIZE];
    json_t *card = NULL;
    enum status st =
        r->signers ? signed_bytes_check(r->signers, bytes, n_bytes, signature, sha256, err) : ST_OK;

    if (st == ST_OK)
        st = import(r, bytes, n_bytes, o, &card, err);
    if (st == ST_OK && r->signers)
        st = store_model_sign(r->store, text_in(card, "id"), sha256, signature, err);
    if (st == ST_OK)
        *ret_card = card;
    else
        json_decref(card);
    return st;
}

enum status registry_sign(struct registry *r, const char *id, const char *signature, struct error *err)
{
    json_t *card = NULL;
    enum status st = store_model_get(r->store, id, &card, err);

    if (st == ST_OK && !r->signers)
        st = error_set(err, ST_CONFLICT,
                       "this server asks for no signature of a model: it was started without --model-keys");
    if (st == ST_OK)
        st = signed_model_keep(r->store, r->signers, id, text_in(card, "sha256"), signature, err);
    json_decref(card);
    return st;
}

/* With `change` held. The files go last: a crash in between leaves some that nobody asks for, not a card without its
 * file. */
static enum status delete_model(struct registry *r, const char *id, struct error *err)
{
    char weights[PATH_MAX], onnx[PATH_MAX];
    enum status st = path_of(r, id, WEIGHTS, weights, err);

    if (st == ST_OK)
        st = path_of(r, id, ONNX, onnx, err);
    if (st == ST_OK)
        st = store_model_delete(r->store, id, err);
    if (st == ST_OK) {
        pthread_mutex_lock(&r->loading); /* one that is loaded at this moment is put there before this */
        model_cache_drop(r->cache, id);
        pthread_mutex_unlock(&r->loading);
        if (r->deleted)
            r->deleted(r->arg, id);
        unlink(weights);
        unlink(onnx);
    }
    return st;
}

enum status registry_delete(struct registry *r, const char *id, struct error *err)
{
    enum status st;

    pthread_mutex_lock(&r->change); /* it must not be activated meanwhile */
    st = delete_model(r, id, err);
    pthread_mutex_unlock(&r->change);
    return st;
}

enum status registry_retain(struct registry *r, size_t keep, struct error *err)
{
    char id[ID_SIZE] = "";
    enum status st;

    pthread_mutex_lock(&r->change);
    do {
        st = store_model_surplus(r->store, keep, id, err);
        if (st == ST_OK && id[0])
            st = delete_model(r, id, err);
        if (st == ST_OK && id[0])
            log_event(LOG_INFO, "model deleted", json_pack("{s:s,s:s}", "model", id, "why", "--keep-models"));
    } while (st == ST_OK && id[0]);
    pthread_mutex_unlock(&r->change);
    return st;
}

/* The model of that id, if it is loaded already. */
static struct loaded_model *loaded(struct registry *r, const char *id)
{
    struct loaded_model *m = registry_active(r);

    if (m && strcmp(m->id, id) == 0)
        return m;
    loaded_model_release(m);
    return model_cache_find(r->cache, id);
}

bool registry_has_to_load(struct registry *r, const char *id)
{
    struct loaded_model *m = id_ok(id, strlen(id)) ? loaded(r, id) : NULL;
    const bool has_to = id_ok(id, strlen(id)) && !m;

    loaded_model_release(m);
    return has_to;
}

enum status registry_named(struct registry *r, const char *id, struct loaded_model **ret, struct error *err)
{
    enum status st = ST_OK;

    if (!id_ok(id, strlen(id)))
        return error_set(err, ST_NOTFOUND, "there is no model '%.36s'", id);
    *ret = loaded(r, id);
    if (*ret)
        return ST_OK;
    pthread_mutex_lock(&r->loading);
    *ret = loaded(r, id); /* another may have asked for it meanwhile */
    if (!*ret) {
        st = loaded_model_read(r, id, NULL, ret, err);
        if (st == ST_OK)
            publish_beside(r, *ret);
    }
    pthread_mutex_unlock(&r->loading);
    return st;
}

enum status registry_change(struct registry *r, const char *id, const struct caption *c,
                            const struct own_thresholds *own, const struct labels *labels, struct error *err)
{
    char *text = own ? own_thresholds_text(own, labels) : NULL;
    struct loaded_model *m = NULL;
    enum status st;

    if (own && !text)
        return error_nomem(err);
    pthread_mutex_lock(&r->own);
    st = store_model_change(r->store, id, c, text, err);
    if (st == ST_OK && own)
        m = loaded(r, id);
    if (m)
        loaded_model_set_own(m, own);
    pthread_mutex_unlock(&r->own);
    loaded_model_release(m);
    free(text);
    return st;
}

size_t registry_beside(struct registry *r) { return model_cache_count(r->cache); }

enum status registry_load(struct registry *r, const char *id, struct model **ret_model, struct error *err)
{
    json_t *card = NULL;
    enum status st = store_model_get(r->store, id, &card, err);

    if (st == ST_OK)
        st = file_load(r, id, text_in(card, "sha256"), ret_model, err);
    json_decref(card);
    return st;
}

enum status registry_file(struct registry *r, const char *id, int *ret_fd, size_t *ret_size,
                          struct error *err)
{
    char path[PATH_MAX];
    enum status st = path_of(r, id, WEIGHTS, path, err);

    if (st == ST_OK)
        st = file_descriptor(path, ret_fd, ret_size, err);
    if (st == ST_NOTFOUND && store_is_shared(r->store)) {
        st = model_fetch(r->store, &r->fetching, id, path, err);
        if (st == ST_OK)
            st = file_descriptor(path, ret_fd, ret_size, err);
    }
    if (st == ST_NOTFOUND)
        error_inner(err, error_set(err, st, "there is no file of model '%s'", id), path);
    return st;
}

/* With `exporting` held. The deletion of a model looks for this file after the card is gone, so it is either seen there or not
 * left here. */
static enum status onnx_make(struct registry *r, const char *id, const char *path, struct error *err)
{
    struct buf onnx = BUF_INIT(WEIGHTS_MAX_BYTES);
    struct model *m = NULL;
    json_t *card = NULL;
    enum status st = registry_load(r, id, &m, err);

    if (st == ST_OK)
        st = onnx_write(m, &onnx, err);
    model_unref(m);
    if (st == ST_OK)
        st = file_replace(path, &(struct iovec){ onnx.data, onnx.len }, 1, err);
    buf_release(&onnx);
    if (st != ST_OK)
        return st;
    st = store_model_get(r->store, id, &card, err);
    json_decref(card);
    if (st != ST_OK)
        unlink(path);
    return st;
}

enum status registry_onnx(struct registry *r, const char *id, int *ret_fd, size_t *ret_size,
                          struct error *err)
{
    char path[PATH_MAX];
    enum status st = path_of(r, id, ONNX, path, err);

    if (st == ST_OK)
        st = file_descriptor(path, ret_fd, ret_size, err);
    if (st != ST_NOTFOUND)
        return st;
    pthread_mutex_lock(&r->exporting);
    st = file_descriptor(path, ret_fd, ret_size, err); /* another may have made it meanwhile */
    if (st == ST_NOTFOUND) {
        st = onnx_make(r, id, path, err);
        if (st == ST_OK)
            st = file_descriptor(path, ret_fd, ret_size, err);
    }
    pthread_mutex_unlock(&r->exporting);
    return st;
}
