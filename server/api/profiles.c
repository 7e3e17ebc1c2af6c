/* server/api/profiles.c - profiles of sites over HTTP; see cxrd/profiles.h. */
#include "handlers.h"
#include "input.h"
#include "work.h"

#include "cxrd/caption.h"
#include "cxrd/card.h"
#include "cxrd/file.h"
#include "cxrd/json.h"
#include "cxrd/profiles.h"
#include "cxrd/table_format.h"
#include "cxrd/train_config.h"
#include "cxrd/utf8.h"

#include <assert.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DAYS_DEFAULT = 365 };

/* ---- what is asked for ---- */

struct ask {
    const char *validation, *population, *name, *signature; /* borrowed from the request; NULL: not said */
    struct site_point point;
    const json_t *points; /* of findings that have one of their own; NULL: not said */
    double error_rate;
    json_int_t days;
    const json_t *profile; /* one from elsewhere; NULL: it is to be made */
    json_t *errors;        /* the reply's */
};

/* A text or null among the members. */
static void text_take(const json_t *request, const char *field, size_t most, const char **ret, json_t *errors)
{
    const json_t *value = json_object_get(request, field);
    const size_t n = json_string_length(value);
    const char *text = json_string_value(value);
    bool plain = !value || json_is_null(value) || (text && n <= most);

    for (size_t i = 0; text && plain && i < n; i++)
        plain = utf8_steering(text + i, n - i) == 0;
    if (!plain)
        config_error(errors, field, "must be a line of text of up to %zu bytes, or null", most);
    *ret = text && n > 0 ? text : NULL;
}

static void number_take(const json_t *request, const char *field, double least, double most, double *ret,
                        json_t *errors)
{
    const json_t *value = json_object_get(request, field);
    const double v = json_number_value(value);

    if (!value || json_is_null(value))
        return;
    if (json_is_number(value) && v >= least && v <= most)
        *ret = v;
    else
        config_error(errors, field, "is not in its limits: error_rate 0.01 to 0.5, a part 0.5 to 0.999");
}

/* "youden", "sensitivity_90", "specificity_90", or {"sensitivity": part} or {"specificity": part}. */
static void point_take(const json_t *value, const char *field, struct site_point *ret, json_t *errors)
{
    static const char *const PARTS[N_OPERATING] = { NULL, "sensitivity", "specificity" };
    const char *name = json_string_value(value);

    *ret = (struct site_point){ OPERATE_YOUDEN, 0.9 };
    if (!value || (name && operating_kind_parse(name, &ret->kind)))
        return;
    for (int kind = OPERATE_SENSITIVITY_90; kind <= OPERATE_SPECIFICITY_90; kind++)
        if (json_object_size(value) == 1 && json_object_get(value, PARTS[kind])) {
            ret->kind = (enum operating_kind)kind;
            number_take(value, PARTS[kind], 0.5, 0.999, &ret->at, errors);
            return;
        }
    config_error(errors, field,
                 "must be youden, sensitivity_90, specificity_90, {\"sensitivity\": a part} or "
                 "{\"specificity\": a part}");
}

/* {"Effusion": a point, …}: `general` of findings that are not named.
 *   ret  [labels]
 * Errors: ST_INVALID; `errors` says which. */
static enum status points_take(const json_t *value, const struct labels *labels,
                               const struct site_point *general, struct site_point *ret, json_t *errors,
                               struct error *err)
{
    uint64_t seen = 0;
    const char *key;
    json_t *point;

    for (size_t k = 0; k < labels->n; k++)
        ret[k] = *general;
    if (value && !json_is_null(value) && !json_is_object(value))
        config_error(errors, "operating_points", "must be an object of operating points by finding, or null");
    json_object_foreach ((json_t *)value, key, point) {
        char field[LABEL_SIZE + 24];
        struct error why;
        int k = 0;

        snprintf(field, sizeof field, "operating_points.%.*s", LABEL_SIZE, key);
        if (labels_choose(labels, key, "a finding", &k, &why) != ST_OK)
            config_error(errors, field, "%s", why.text);
        else if (seen >> k & 1)
            config_error(errors, field, "%s is there twice", labels->names[k]);
        else
            point_take(point, field, &ret[k], errors);
        seen |= (uint64_t)1 << k;
    }
    return json_array_size(errors) == 0
               ? ST_OK
               : error_set(err, ST_INVALID, "the request has a field that cannot be used");
}

static void days_take(const json_t *request, json_int_t *ret, json_t *errors)
{
    const json_t *value = json_object_get(request, "expires_in_days");

    *ret = value ? json_integer_value(value) : DAYS_DEFAULT;
    if (value && (!json_is_integer(value) || *ret < 1 || *ret > SITE_DAYS_MOST))
        config_error(errors, "expires_in_days", "must be a whole number of days from 1 to 3650");
}

/* Complain of every other member. An exported profile has more of them, which are passed over. */
static void rest_check(const json_t *request, bool exported, json_t *errors)
{
    static const char MADE[] =
        " validation operating_point operating_points error_rate population expires_in_days name ",
                      EXPORTED[] = " profile signature name id model created_at active expired ";
    const char *key;
    json_t *value;
    char word[80];

    json_object_foreach ((json_t *)request, key, value) {
        snprintf(word, sizeof word, " %.70s ", key);
        if (strchr(key, ' ') || !strstr(exported ? EXPORTED : MADE, word))
            config_error(errors, key, "%s",
                         exported && !strchr(key, ' ') && strstr(MADE, word)
                             ? "is of a profile that is to be made, and 'profile' is one that is made"
                             : "there is no such field");
    }
}

static enum status ask_take(const json_t *request, struct http_response *res, struct ask *ret,
                            struct error *err)
{
    json_t *errors = res->errors = json_array();

    *ret = (struct ask){ .error_rate = NAN, .errors = errors };
    if (!json_is_object(request))
        return error_set(err, ST_INVALID, "the body must be a JSON object");
    json_watch();
    ret->profile = json_object_get(request, "profile");
    rest_check(request, ret->profile != NULL, errors);
    text_take(request, "name", CAPTION_NAME, &ret->name, errors);
    text_take(request, "signature", SIGNATURE_TEXT_SIZE - 1, &ret->signature, errors);
    if (!ret->profile) {
        text_take(request, "validation", ID_SIZE - 1, &ret->validation, errors);
        text_take(request, "population", 1000, &ret->population, errors);
        number_take(request, "error_rate", 0.01, 0.5, &ret->error_rate, errors);
        point_take(json_object_get(request, "operating_point"), "operating_point", &ret->point, errors);
        ret->points = json_object_get(request, "operating_points");
        days_take(request, &ret->days, errors);
        if (!ret->validation)
            config_error(errors, "validation", "is missing: the id of a finished validation");
    }
    if (json_ran_out())
        return error_nomem(err);
    return json_array_size(errors) == 0
               ? ST_OK
               : error_set(err, ST_INVALID, "the request has a field that cannot be used");
}

/* ---- to make one ---- */

/* A job's relation to a model, and where its scores are. A training's own test rows are taken too.
 *   ret_job  a new reference */
static enum status validation_find(const struct work *work, const char *id, const json_t *card,
                                   json_t **ret_job, char path[PATH_MAX], struct error *err)
{
    json_t *job = NULL;
    const char *state, *scored, *made, *type;
    enum status st;

    assert(id);
    st = id_ok(id, strlen(id)) ? runner_job(work->runner, id, &job, err)
                               : error_set(err, ST_NOTFOUND, "there is no job '%.36s'", id);
    if (st != ST_OK)
        return st;
    state = json_string_value(json_object_get(job, "state"));
    type = json_string_value(json_object_get(job, "type"));
    scored = json_string_value(json_object_get(json_object_get(job, "scored"), "sha256"));
    made = json_string_value(json_object_get(job, "model"));
    if (!state || strcmp(state, "succeeded") != 0)
        st = error_set(err, ST_CONFLICT, "the job '%s' has not succeeded", id);
    else if (strcmp(type, JOB_PREDICT) == 0 ||
             (!(scored && strcmp(scored, json_string_value(json_object_get(card, "sha256"))) == 0) &&
              !(made && strcmp(made, json_string_value(json_object_get(card, "id"))) == 0)))
        st = error_set(err, ST_CONFLICT, "the job '%s' is no validation of this model", id);
    if (st == ST_OK)
        st = runner_scores_path(work->runner, id, path, err);
    if (st == ST_OK)
        *ret_job = job;
    else
        json_decref(job);
    return st;
}

/* Whether rates on those rows are rates of here: on pictures that the model has learned from, and on others of the same patients, they
 * are nearer to those of its training.
 * Errors: ST_CONFLICT. */
static enum status strangers_check(const json_t *job, struct error *err)
{
    const json_t *common = json_object_get(json_object_get(job, "scored"), "in_common");
    const json_int_t pictures = json_integer_value(json_object_get(common, "pictures"));
    const json_int_t patients = json_integer_value(json_object_get(common, "patients"));

    if (pictures > 0)
        return error_set(err, ST_CONFLICT,
                         "%lld of the validation's pictures have the name of one that the model has learned "
                         "from: validate on the others, which a list says ('rows')",
                         (long long)pictures);
    if (patients > 0)
        return error_set(err, ST_CONFLICT,
                         "%lld of the validation's patients have a picture that the model has learned from: "
                         "validate on the others, which a list says ('rows')",
                         (long long)patients);
    return ST_OK;
}

static enum status digest_of(const char *path, char ret[DIGEST_TEXT_SIZE], struct error *err)
{
    struct file_bytes file = FILE_BYTES_INIT;
    enum status st = file_read(path, TABLE_MAX_BYTES, &file, err);

    if (st == ST_OK && digest_bytes(file.data, file.size, ret) != ST_OK)
        st = error_nomem(err);
    file_bytes_release(&file);
    return st;
}

/* The findings of a card, and its thresholds where it has some. */
static enum status card_parts(const json_t *card, struct labels *ret_labels, struct operating_points *ret_own,
                              struct error *err)
{
    const json_t *points = json_object_get(card, "operating_points");
    char *text = json_is_object(points) ? json_text(points, JSON_REAL_PRECISION(9)) : NULL;
    enum status st = card_labels(card, ret_labels, err);

    *ret_own = OPERATING_NONE;
    if (st == ST_OK && json_is_object(points))
        st = text ? operating_points_parse(text, ret_labels, ret_own, err) : error_nomem(err);
    free(text);
    return st;
}

static enum status fit(const struct ask *ask, const json_t *card, const char *path, const json_t *job,
                       json_t **ret_document, struct error *err)
{
    struct site_profile p;
    struct operating_points own;
    struct labels labels;
    struct site_point points[MAX_LABELS];
    char sha256[DIGEST_TEXT_SIZE];
    const struct site_wish wish = { ask->point, ask->error_rate, &own, points };
    struct site_notes notes = { .population = ask->population,
                                .validation = ask->validation,
                                .dataset = json_string_value(
                                    json_object_get(json_object_get(job, "config"), "dataset")),
                                .scores_sha256 = sha256 };
    enum status st = card_parts(card, &labels, &own, err);

    if (st == ST_OK)
        st = points_take(ask->points, &labels, &ask->point, points, ask->errors, err);
    if (st == ST_OK)
        st = digest_of(path, sha256, err);
    if (st == ST_OK)
        st = site_profile_fit(path, "test", &labels, &wish, &p, &notes.rows, &notes.patients, err);
    if (st != ST_OK)
        return st;
    snprintf(p.model_sha256, sizeof p.model_sha256, "%s", json_string_value(json_object_get(card, "sha256")));
    clock_utc(p.created_at);
    clock_utc_in(ask->days, p.expires_at);
    *ret_document = site_profile_json(&p, &notes);
    return *ret_document ? ST_OK : error_nomem(err);
}

static enum status make(const struct work *work, const struct ask *ask, const json_t *card,
                        json_t **ret_document, struct error *err)
{
    char path[PATH_MAX];
    json_t *job = NULL;
    enum status st = validation_find(work, ask->validation, card, &job, path, err);

    if (st == ST_OK)
        st = strangers_check(job, err);
    if (st == ST_OK)
        st = fit(ask, card, path, job, ret_document, err);
    json_decref(job);
    return st == ST_FORMAT || st == ST_LIMIT ? ST_IO
                                             : st; /* files of ours: it is nothing that a client did */
}

/* ---- replies ---- */

/* With what only the clock knows. */
static json_t *told(json_t *stored)
{
    const char *expires =
        json_string_value(json_object_get(json_object_get(stored, "profile"), "expires_at"));
    char now[CLOCK_TEXT_SIZE];

    json_object_set_new(stored, "expired", json_boolean(expires && strcmp(clock_utc(now), expires) >= 0));
    return stored;
}

static void note(struct http_response *res, const char *model, const char *profile)
{
    res->notes = json_pack("{s:s*,s:s*}", "model", model, "profile", profile);
}

enum status model_profiles_post(struct app *app, const struct http_request *req, struct http_response *res,
                                struct error *err)
{
    const struct work *work = app_work(app);
    json_t *request = NULL, *card = NULL, *document = NULL, *stored = NULL;
    struct ask ask;
    enum status st = body_json(req, res, &request, err);

    if (st == ST_OK)
        st = ask_take(request, res, &ask, err);
    if (st == ST_OK)
        st = store_model_get(work->store, req->id, &card, err);
    if (st == ST_OK && ask.profile)
        document = json_incref((json_t *)ask.profile);
    else if (st == ST_OK)
        st = make(work, &ask, card, &document, err);
    if (st == ST_OK) {
        st = profiles_add(work->profiles, card, document, ask.name, ask.signature, ask.profile != NULL,
                          &stored, err);
        if (st == ST_FORMAT) /* of a signature; the request itself is well formed */
            res->status = 422;
    }
    if (st == ST_OK) {
        const char *id = json_string_value(json_object_get(stored, "id"));

        res->status = 201;
        note(res, req->id, id);
        http_header_add(res, "Location", "%s/profiles/%s", work->base_path, id);
    }
    json_decref(document);
    json_decref(card);
    json_decref(request);
    return st == ST_OK ? http_json(res, told(stored)) : storage_status(st, res);
}

enum status model_profiles_get(struct app *app, const struct http_request *req, struct http_response *res,
                               struct error *err)
{
    struct page page = { .text = req->id };
    json_t *profiles = NULL, *card = NULL, *rollback = NULL;
    int64_t next;
    size_t i;
    json_t *profile;
    enum status st = page_parse(req, &page, err);

    if (st == ST_OK)
        st = store_model_get(app_work(app)->store, req->id, &card, err);
    json_decref(card);
    if (st == ST_OK)
        st = store_profile_previous(app_work(app)->store, req->id, &rollback, err);
    if (st == ST_OK)
        st = store_profiles(app_work(app)->store, &page, &profiles, &next, err);
    if (st != ST_OK) {
        json_decref(rollback);
        return st;
    }
    json_array_foreach (profiles, i, profile)
        told(profile);
    return http_json(res, json_pack("{s:o,s:o,s:o}", "profiles", profiles, "rollback", rollback,
                                    "next_cursor", cursor_json(next)));
}

enum status profile_get(struct app *app, const struct http_request *req, struct http_response *res,
                        struct error *err)
{
    json_t *stored = NULL;
    const enum status st = store_profile_get(app_work(app)->store, req->id, &stored, err);

    return st == ST_OK ? http_json(res, told(stored)) : st;
}

/* After a change: what there is now. */
static enum status reply_with(struct app *app, const struct http_request *req, enum status st,
                              struct http_response *res, struct error *err)
{
    json_t *stored = NULL;

    if (st == ST_OK)
        st = store_profile_get(app_work(app)->store, req->id, &stored, err);
    if (st != ST_OK)
        return storage_status(st, res);
    note(res, json_string_value(json_object_get(stored, "model")), req->id);
    return http_json(res, told(stored));
}

enum status profile_activate_post(struct app *app, const struct http_request *req, struct http_response *res,
                                  struct error *err)
{
    return reply_with(app, req, profiles_activate(app_work(app)->profiles, req->id, err), res, err);
}

enum status profile_deactivate_post(struct app *app, const struct http_request *req,
                                    struct http_response *res, struct error *err)
{
    return reply_with(app, req, profiles_deactivate(app_work(app)->profiles, req->id, err), res, err);
}

enum status model_profiles_rollback_post(struct app *app, const struct http_request *req,
                                         struct http_response *res, struct error *err)
{
    char id[ID_SIZE];
    json_t *card = NULL;
    enum status st = store_model_get(app_work(app)->store, req->id, &card, err);

    json_decref(card);
    if (st == ST_OK)
        st = profiles_rollback(app_work(app)->profiles, req->id, id, err);
    if (st != ST_OK)
        return storage_status(st, res);
    note(res, req->id, id[0] ? id : NULL);
    return http_json(
        res, json_pack("{s:s,s:o}", "model", req->id, "profile", id[0] ? json_string(id) : json_null()));
}

enum status profile_delete(struct app *app, const struct http_request *req, struct http_response *res,
                           struct error *err)
{
    const enum status st = storage_status(store_profile_delete(app_work(app)->store, req->id, err), res);

    note(res, NULL, req->id);
    res->status = st == ST_OK ? 204 : res->status;
    return st;
}

/* The profile, its model's card, and the findings of both. */
static enum status kept(const struct work *work, const char *id, const char *validation, json_t **ret,
                        struct error *err)
{
    struct site_kept *rates = malloc(MAX_LABELS * sizeof *rates);
    json_t *stored = NULL, *card = NULL, *job = NULL;
    struct site_profile p;
    struct labels labels;
    char path[PATH_MAX];
    enum status st = rates ? store_profile_get(work->store, id, &stored, err) : error_nomem(err);

    if (st == ST_OK)
        st = store_model_get(work->store, json_string_value(json_object_get(stored, "model")), &card, err);
    if (st == ST_OK)
        st = validation_find(work, validation, card, &job, path, err);
    if (st == ST_OK)
        st = card_labels(card, &labels, err);
    if (st == ST_OK)
        st = site_profile_parse(json_object_get(stored, "profile"), &labels,
                                json_string_value(json_object_get(card, "sha256")), &p, err);
    if (st == ST_OK)
        st = site_profile_kept(&p, path, "test", rates, err);
    if (st == ST_OK && !(*ret = site_kept_json(&p, rates)))
        st = error_nomem(err);
    free(rates);
    json_decref(job);
    json_decref(card);
    json_decref(stored);
    return st == ST_FORMAT || st == ST_LIMIT || st == ST_INVALID ? ST_IO : st;
}

enum status profile_kept_get(struct app *app, const struct http_request *req, struct http_response *res,
                             struct error *err)
{
    char validation[PARAMETER_TEXT];
    json_t *rates = NULL;
    enum status st;

    if (!http_parameter(req, "validation", validation))
        return error_set(err, ST_INVALID, "'validation' is missing: the id of a finished validation");
    st = kept(app_work(app), req->id, validation, &rates, err);
    return st == ST_OK ? http_json(res, rates) : storage_status(st, res);
}
