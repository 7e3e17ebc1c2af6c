/* server/commands/predictor.c - see predictor.h. */
#include "predictor.h"

#include "../client.h"
#include "commands.h"
#include "cxrd/card.h"
#include "cxrd/clock.h"
#include "cxrd/digest.h"
#include "cxrd/file.h"
#include "cxrd/json.h"
#include "cxrd/narrowing.h"
#include "cxrd/weights.h"
#include "pictures.h"
#include "profile_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_PICTURE = 64 << 20, MAX_PATH = 1024, TRIES = 30 };

/* ---- which model ---- */

/* A model from a file, as a server would name it. */
static enum status model_load(const char *path, enum precision precision, struct loaded_model *ret,
                              struct error *err)
{
    struct file_bytes file = FILE_BYTES_INIT;
    const char *population;
    enum status st = file_read(path, WEIGHTS_MAX_BYTES, &file, err);

    if (st == ST_OK)
        st = error_inner(err, weights_read(file.data, file.size, &ret->model, err), path);
    if (st == ST_OK)
        st = model_narrow(&ret->model, precision, err);
    if (st == ST_OK)
        st = digest_bytes(file.data, file.size, ret->sha256);
    if (st == ST_OK && model_is_backbone(ret->model))
        st = error_set(err, ST_CONFLICT, BACKBONE_REFUSED);
    file_bytes_release(&file);
    if (st != ST_OK)
        return st;
    snprintf(ret->id, sizeof ret->id, "%.16s", ret->sha256); /* no registry: the digest names it */
    population = json_string_value(json_object_get(model_notes(ret->model), "population"));
    snprintf(ret->population, sizeof ret->population, "%s", population ? population : "");
    return ST_OK;
}

static enum status profile_verify(const char *keys, const struct profile_file *file, struct error *err)
{
    const char *signature = json_string_value(json_object_get(file->exported, "signature"));
    struct signers *signers = NULL;
    enum status st = signers_load(keys, &signers, err);

    if (st == ST_OK)
        st = signers_verify(signers, SIGNED_PROFILE, file->canonical, strlen(file->canonical), signature,
                            NULL, err);
    signers_free(signers);
    return st;
}

/* The profile of a site, of the model that is asked: it is in force as on a server where it is active. */
static enum status profile_load(const char *path, const char *keys, const struct loaded_model *m,
                                struct profile *ret, struct error *err)
{
    struct file_bytes bytes = FILE_BYTES_INIT;
    struct profile_file file = PROFILE_FILE_INIT;
    const char *id;
    enum status st = file_read(path, PROFILE_FILE_MOST, &bytes, err);

    if (st == ST_OK)
        st = profile_file_parse(&bytes, &file, err);
    id = json_string_value(json_object_get(file.exported, "id"));
    if (st == ST_OK && (!id || !id_ok(id, strlen(id))))
        st = error_set(err, ST_FORMAT, "this profile has no 'id', which GET /profiles/<id> gives");
    if (st == ST_OK)
        st = site_profile_parse(json_object_get(file.exported, "profile"), model_labels(m->model), m->sha256,
                                &ret->site, err);
    st = st == ST_INVALID ? ST_FORMAT : st; /* it is a file's fault, no option's */
    if (st == ST_OK && keys)
        st = profile_verify(keys, &file, err);
    if (st == ST_OK)
        snprintf(ret->id, sizeof ret->id, "%s", id);
    profile_file_release(&file);
    file_bytes_release(&bytes);
    return st;
}

/* The question to a model, from the options. */
static enum status question_read(const struct predict_options *o, const struct model *m, size_t n_pictures,
                                 struct question *ret, struct error *err)
{
    const struct labels *labels = model_labels(m);
    enum status st = input_policy_parse(o->input_policy, &ret->policy, err);

    if (st == ST_OK && n_pictures == 0 && model_sees(m))
        st = error_set(err, ST_INVALID, "give at least one picture: this model looks at it");
    if (st == ST_OK)
        st = operate_at(o->operating_point, m, NULL, &ret->operating, err);
    if (st == ST_OK && o->explain)
        st = labels_choose(labels, o->explain, "--explain", &ret->explain, err);
    for (size_t i = 0; i < N_INPUT_FIELDS && st == ST_OK; i++)
        if (o->given[i])
            st = input_parse(i, o->given[i], labels, &ret->values, err);
    return st;
}

static enum status open_here(struct predictor *a, size_t n_pictures, struct error *err)
{
    struct decoder_options options = decoder_options_default();
    enum status st = model_load(a->o->weights, precision_named(a->o->precision), &a->m, err);

    if (st != ST_OK)
        return st;
    a->labels = *model_labels(a->m.model);
    st = question_read(a->o, a->m.model, n_pictures, &a->q, err);
    if (st == ST_OK && a->o->profile) {
        st = profile_load(a->o->profile, a->o->profile_keys, &a->m, &a->profile, err);
        a->q.profile = &a->profile;
    }
    options.helpers = a->o->threads < DECODER_MOST_HELPERS ? a->o->threads : DECODER_MOST_HELPERS;
    return st == ST_OK ? decoder_open(&options, &a->decoder, err) : st;
}

/* Which labels the model has that the server answers by: the table's columns. */
static enum status open_there(struct predictor *a, struct error *err)
{
    const struct client_server server = { .url = a->o->url, .ca = a->o->ca };
    json_t *models = NULL, *card = NULL;
    const char *id = a->o->model;
    char path[MAX_PATH];
    enum status st = ST_OK;

    if (!id) {
        st = client_json(&server, "GET", "/models?limit=1", NULL, NULL, 0, &models, err);
        id = json_string_value(json_object_get(models, "active"));
    }
    if (st == ST_OK && !id)
        st = error_set(err, ST_BUSY, "no model is active on the server");
    snprintf(path, sizeof path, "/models/%.64s", id ? id : "");
    if (st == ST_OK)
        st = client_json(&server, "GET", path, NULL, NULL, 0, &card, err);
    if (st == ST_OK)
        st = card_labels(card, &a->labels, err);
    json_decref(models);
    json_decref(card);
    return st;
}

enum status predictor_open(struct predictor *a, const struct predict_options *o, size_t n, struct error *err)
{
    a->o = o;
    a->many = n > 1;
    a->q = (struct question){ .explain = EXPLAIN_NONE, .values = INPUTS_UNKNOWN };
    if (o->weights)
        return open_here(a, n, err);
    return o->csv ? open_there(a, err) : ST_OK;
}

void predictor_release(struct predictor *a)
{
    decoder_close(a->decoder);
    model_unref(a->m.model);
}

/* ---- here ---- */

/* A picture from a file. */
struct picture {
    const char *path; /* NULL: none is given */
    struct file_bytes file;
};

static bool says_dicom(const struct picture *p) { return p->path && named_dicom(p->path); }

/* A heat map goes to --heatmap, if there is one. */
static enum status heatmap_save(const char *path, const struct buf *png, struct error *err)
{
    const struct iovec whole = { png->data, png->len };

    return file_replace(path, &whole, 1, err);
}

static enum status ask_here(const struct predictor *a, struct session *s, const struct picture *picture,
                            json_t **ret_reply, struct error *err)
{
    const struct model *m = a->m.model;
    struct image img = IMAGE_INIT;
    struct buf png = BUF_INIT(MAX_PICTURE);
    struct prediction p;
    char id[ID_SIZE];
    const struct image_reader reader = { .limits = &IMAGE_LIMITS,
                                         .said_dicom = says_dicom(picture),
                                         .decoder = a->decoder };
    const double begun = clock_seconds();
    double decoded;
    enum status st = ST_OK;

    if (model_sees(m))
        st = image_decode(picture->file.data, picture->file.size, &reader, &img, err);
    decoded = clock_seconds();
    if (st == ST_OK)
        st = predict_image(m, s, NULL, &img, &a->q, &p, err);
    if (st == ST_OK) {
        p.not_looked_at = picture->path && !model_sees(m);
        p.timing.decode = (decoded - begun) * 1e3;
        p.timing.total = (clock_seconds() - begun) * 1e3;
        id_new(id);
        *ret_reply = prediction_json(&a->m, id, &p);
        st = *ret_reply ? ST_OK : error_nomem(err);
    }
    if (st == ST_OK && a->o->heatmap)
        st = prediction_heatmap(m, &img, &p, &png, err);
    if (st == ST_OK && a->o->heatmap)
        st = heatmap_save(a->o->heatmap, &png, err);
    buf_release(&png);
    image_release(&img);
    return st;
}

/* ---- there ---- */

/* Where to ask: "/predict?explain=Mass&age=58".
 *   finding  the parameter that names the finding to be explained */
static void url_path(const char *path, const struct predict_options *o, const char *finding,
                     const char *operating_point, struct buf *out)
{
    const struct {
        const char *name, *value;
    } asked[] = { { finding, o->explain }, { "model", o->model }, { "operating_point", operating_point } };
    const char *mark = "?";

    buf_puts(out, path);
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++)
        client_parameter(asked[i].name, asked[i].value, &mark, out);
    for (size_t field = 0; field < N_INPUT_FIELDS; field++)
        client_parameter(INPUT_NAMES[field], o->given[field], &mark, out);
    buf_put(out, "", 1);
}

static enum status ask_there(const struct predict_options *o, const struct picture *picture,
                             json_t **ret_reply, struct error *err)
{
    const char *type = says_dicom(picture) ? "application/dicom" : "application/octet-stream";
    const struct file_bytes *file = &picture->file;
    struct buf png = BUF_INIT(MAX_PICTURE);
    const struct client_server server = { .url = o->url, .ca = o->ca };
    struct buf path = BUF_INIT(MAX_PATH), map_path = BUF_INIT(MAX_PATH);
    enum status st = ST_OK;

    url_path("/predict", o, "explain", o->operating_point, &path);
    url_path("/predict/heatmap", o, "label", NULL, &map_path);
    if (buf_status(&path) == ST_NOMEM || buf_status(&map_path) == ST_NOMEM)
        st = error_nomem(err);
    else if (buf_status(&path) != ST_OK || buf_status(&map_path) != ST_OK)
        st = error_set(err, ST_LIMIT, "what is asked does not fit into a request's address");
    if (st == ST_OK)
        st = client_json(&server, "POST", path.data, type, file->data, file->size, ret_reply, err);
    if (st == ST_OK && o->heatmap) {
        st = client_bytes(&server, "POST", map_path.data, type, file->data, file->size, &png, err);
        if (st == ST_OK)
            st = heatmap_save(o->heatmap, &png, err);
    }
    buf_release(&path);
    buf_release(&map_path);
    buf_release(&png);
    return st;
}

/* ---- either ---- */

/* Standard input, to its end. */
static enum status stdin_read(struct file_bytes *ret, struct error *err)
{
    struct buf bytes = BUF_INIT(MAX_PICTURE);
    char part[1 << 14];
    ssize_t n = 0;
    enum status st;

    while (buf_status(&bytes) == ST_OK && (n = read(STDIN_FILENO, part, sizeof part)) > 0)
        buf_put(&bytes, part, (size_t)n);
    st = buf_status(&bytes);
    if (n < 0)
        st = error_errno(err, ST_IO, "cannot read standard input");
    else if (st == ST_NOMEM)
        error_nomem(err);
    else if (st == ST_LIMIT)
        error_set(err, st, "standard input has more than %d bytes", (int)MAX_PICTURE);
    if (st == ST_OK) {
        ret->size = bytes.len;
        ret->data = buf_take(&bytes);
    }
    buf_release(&bytes);
    return st;
}

static enum status picture_read(struct picture *p, struct error *err)
{
    const enum status st = strcmp(p->path, "-") == 0 ? stdin_read(&p->file, err)
                                                     : file_read(p->path, MAX_PICTURE, &p->file, err);

    return st == ST_OK || st == ST_NOMEM ? st : ST_UNUSABLE;
}

/* Of thousands of pictures one meets a full queue, or a decoder that was lost: it is asked about again a second later. A
 * person who asks about one can do that himself. */
static enum status ask_patiently(const struct predictor *a, struct session *s, const struct picture *picture,
                                 json_t **ret_reply, struct error *err)
{
    enum status st = ST_BUSY;

    for (int i = 0; i < (a->many ? TRIES : 1) && st == ST_BUSY; i++) {
        if (i > 0)
            sleep(1);
        st = a->m.model ? ask_here(a, s, picture, ret_reply, err) : ask_there(a->o, picture, ret_reply, err);
    }
    return st;
}

enum status ask(const struct predictor *a, struct session *s, const char *path, json_t **ret,
                struct error *err)
{
    struct picture picture = { path, FILE_BYTES_INIT };
    json_t *reply = NULL;
    enum status st = path ? picture_read(&picture, err) : ST_OK;

    if (st == ST_OK)
        st = ask_patiently(a, s, &picture, &reply, err);
    if (st == ST_OK && path && json_object_set_new(reply, "file", json_any_text(path)) != 0)
        st = error_nomem(err);
    file_bytes_release(&picture.file);
    if (st == ST_OK)
        *ret = reply;
    else
        json_decref(reply);
    return st;
}
