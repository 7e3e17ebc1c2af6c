/* server/api/answer.c - see answer.h. */
#include "answer.h"

#include "../http/multipart.h"
#include "canary.h"
#include "case_key.h"
#include "cxrd/clock.h"
#include "input.h"
#include "patient.h"
#include "sessions.h"

#include <stdlib.h>
#include <string.h>

/* A picture as it was sent. */
struct sent {
    const void *bytes; /* NULL: none was */
    size_t n;
    bool said_dicom;             /* its Content-Type is application/dicom (RFC 3240) */
    const struct shared *shared; /* as image_reader has it */
    size_t shared_at;
};

/* Bytes of a request's body as a picture. */
static struct sent sent_of(const struct http_request *req, const void *bytes, size_t n, bool said_dicom)
{
    return (struct sent){ bytes, n, said_dicom, req->shared,
                          (size_t)((const char *)bytes - (const char *)req->body) };
}

static bool says_dicom(const char *content_type)
{
    return multipart_type_is(content_type, "application/dicom");
}

/* The picture in a request: the body, or the one file in a multipart body. Which picture format it is, its bytes say;
 * a Content-Type may be wrong. Errors: ST_NOTFOUND (there is none), ST_FORMAT. */
static enum status find_picture(const struct http_request *req, struct sent *ret, struct error *err)
{
    const struct part *file = NULL;
    enum status st;

    if (req->body_len == 0)
        return error_set(err, ST_NOTFOUND, "the request has no body: send a picture");
    if (!req->form) {
        *ret = sent_of(req, req->body, req->body_len, says_dicom(req->content_type));
        return ST_OK;
    }
    st = multipart_file(req->form, &file, err);
    if (st != ST_OK)
        return st;
    *ret = sent_of(req, file->data, file->size, says_dicom(file->type));
    return ST_OK;
}

/* The thresholds that `operating_point` names. */
static enum status operating_parse(const struct http_request *req, struct loaded_model *served,
                                   struct operating *ret, struct error *err)
{
    const struct own_thresholds own = loaded_model_own(served);
    char name[PARAMETER_TEXT];
    const bool said = http_parameter(req, "operating_point", name);

    return operate_at(said ? name : NULL, served->model, &own, ret, err);
}

/* But for the policy. */
static enum status question_parse(const struct http_request *req, const struct answer_query *query,
                                  struct loaded_model *served, struct question *ret, struct error *err)
{
    const struct labels *labels = model_labels(served->model);
    enum status st;

    ret->explain = EXPLAIN_NONE;
    st = operating_parse(req, served, &ret->operating, err);
    if (st == ST_OK)
        st = label_parse(req, query->finding, labels, &ret->explain, err);
    if (st == ST_OK && query->required && ret->explain == EXPLAIN_NONE)
        return error_set(err, ST_INVALID, "'%s' is missing: name the finding whose map is wanted, such as %s",
                         query->finding, labels->names[0]);
    return st == ST_OK ? patient_parse(req, labels, &ret->values, err) : st;
}

enum status answer_at_head(const struct serving *serving, const struct http_request *req,
                           const struct answer_query *query, struct http_response *res, struct error *err)
{
    char named[PARAMETER_TEXT]; /* is loaded by a worker, which then asks the same */
    struct loaded_model *active = model_named(req, named) ? NULL : registry_active(serving->registry);
    struct question question;
    enum status st = active ? question_parse(req, query, active, &question, err) : ST_OK;

    loaded_model_release(active);
    if (st == ST_OK && multipart_is(req->content_type))
        st = multipart_check(req->content_type, err);
    if (st != ST_OK)
        http_header_add(res, "Cache-Control", "no-store");
    return st;
}

enum queue preview_waits_in(struct app *app, const struct http_request *req)
{
    struct sent sent = { 0 };
    struct error none;
    const bool outside =
        find_picture(req, &sent, &none) == ST_OK && image_is_outside(sent.bytes, sent.n, sent.said_dicom);

    (void)app;
    return outside ? QUEUE_DECODE : QUEUE_PREDICT;
}

enum queue answer_waits_in(struct app *app, const struct http_request *req)
{
    char id[PARAMETER_TEXT];

    if (model_named(req, id) && registry_has_to_load(app_serving(app)->registry, id))
        return QUEUE_LOAD;
    return preview_waits_in(app, req);
}

static enum status decode(const struct serving *serving, const struct sent *sent, struct image *ret,
                          double *ret_ms, struct error *err)
{
    const struct image_reader reader = { .limits = &serving->limits,
                                         .said_dicom = sent->said_dicom,
                                         .decoder = serving->decoder,
                                         .shared = sent->shared,
                                         .shared_at = sent->shared_at };
    const double begun = clock_seconds();
    const enum status st = image_decode(sent->bytes, sent->n, &reader, ret, err);

    *ret_ms = (clock_seconds() - begun) * 1e3;
    return st;
}

/* Score a picture that is decoded. */
static enum status look(const struct serving *serving, const struct question *question, struct answer *a,
                        struct error *err)
{
    struct session *s = sessions_take(serving->sessions);
    enum status st;

    prediction_pool_enter(serving->pool);
    st = predict_image(a->model->model, s, serving->pool, &a->image, question, &a->prediction, err);
    prediction_pool_leave(serving->pool);
    sessions_give(serving->sessions, s);
    return st;
}

/* Decode and score. A picture that is decoded outside takes no session while it waits for that: those are for others then. Any other
 * is decoded as one of those that predict at this moment. */
static enum status score(const struct serving *serving, const struct sent *sent,
                         const struct question *question, struct answer *a, struct error *err)
{
    const struct model *m = a->model->model;
    const bool sees = model_sees(m), outside = image_is_outside(sent->bytes, sent->n, sent->said_dicom);
    double decode_ms = 0;
    enum status st = sees && outside ? decode(serving, sent, &a->image, &decode_ms, err) : ST_OK;

    if (st == ST_OK) {
        struct session *s = sessions_take(serving->sessions);

        prediction_pool_enter(serving->pool);
        if (sees && !outside)
            st = decode(serving, sent, &a->image, &decode_ms, err);
        if (st == ST_OK)
            st = predict_image(m, s, serving->pool, &a->image, question, &a->prediction, err);
        prediction_pool_leave(serving->pool);
        sessions_give(serving->sessions, s);
    }
    a->prediction.timing.decode = decode_ms;
    a->prediction.not_looked_at = sent->bytes && !sees;
    return st;
}

/* The gate's reasons for refusing a picture, each reason an entry of the problem's errors. */
static void tell_why(const struct gate_warnings *w, struct http_response *res)
{
    res->errors = json_array();
    for (size_t i = 0; i < w->n; i++)
        json_array_append_new(res->errors,
                              json_pack("{s:s,s:o}", "field", "image", "detail",
                                        json_sprintf("%s: %s", GATE_CODES[w->codes[i]], w->details[i])));
}

/* A canary takes the place of the active model in a share of the requests: those of the same cases. */
static void let_canary(const struct serving *serving, const struct http_request *req, struct answer *a)
{
    uint64_t key = a->patient;
    struct loaded_model *canary;

    for (const char *at = req->event_id; a->patient == 0 && *at; at++)
        key = key * 31 + (unsigned char)*at;
    canary = canary_choose(serving->canary, a->model, key);
    if (!canary)
        return;
    loaded_model_release(a->model);
    a->model = canary;
    a->canary = true;
}

/* If-Model-Epoch: ">=n" is answered by a model of that epoch or a later one, or not at all. */
static enum status check_epoch(const struct http_request *req, const struct answer *a, struct error *err)
{
    const char *digits = req->if_model_epoch + strspn(req->if_model_epoch, "> =");
    const size_t n = strspn(digits, "0123456789");

    if (!req->if_model_epoch[0])
        return ST_OK;
    if (strncmp(req->if_model_epoch, ">=", 2) != 0 || n == 0 || n > 18 || digits[n])
        return error_set(err, ST_FORMAT, "If-Model-Epoch must be >= and a number, such as >=12");
    if (strtoll(digits, NULL, 10) > a->model->epoch)
        return error_set(err, ST_BUSY, "this server answers by epoch %lld of the active model",
                         (long long)a->model->epoch);
    return ST_OK;
}

/* The active model; where there is none, the sentence says what to do. In a worker's thread. */
static enum status active_model(const struct serving *serving, struct loaded_model **ret, struct error *err)
{
    const enum status st = registry_serving(serving->registry, ret, err);

    if (st == ST_BUSY)
        registry_tell_none(serving->registry, err);
    return st;
}

/* Which model answers: the one that the query names, a canary, or the active one. */
static enum status find_model(const struct serving *serving, const struct http_request *req,
                              struct http_response *res, struct answer *ret, struct error *err)
{
    char id[PARAMETER_TEXT];
    enum status st = case_parse(serving->patients_key, req, &ret->patient, err);

    if (st != ST_OK)
        return st;
    ret->named = model_named(req, id);
    if (ret->named)
        st = loading_status(registry_named(serving->registry, id, &ret->model, err), res);
    else
        st = active_model(serving, &ret->model, err);
    if (st == ST_OK && !ret->named)
        st = check_epoch(req, ret, err);
    if (st == ST_OK && !ret->named)
        ret->epoch = ret->model->epoch;
    if (st == ST_OK && !ret->named)
        let_canary(serving, req, ret);
    return st == ST_OK ? profiles_of(serving->profiles, ret->model->id, &ret->profile, err) : st;
}

/* One that sees no picture needs none, any other has to be given one. A request without a picture is told that first: no model
 * would do.
 *   without  why there is no picture in the request; code ST_OK: there is one */
static enum status find_answerer(const struct serving *serving, const struct http_request *req,
                                 const struct error *without, struct http_response *res, struct answer *ret,
                                 struct error *err)
{
    struct error none;
    const enum status st = find_model(serving, req, res, ret, without->code == ST_OK ? err : &none);

    if (without->code == ST_OK || (st == ST_OK && !model_sees(ret->model->model)))
        return st;
    res->status = 0; /* as the sentence's own */
    return error_set(err, ST_FORMAT, "%s", without->text);
}

/* The notes on every answer, be it one or a refusal. */
static void finish(const struct http_request *req, double begun, enum status st, struct http_response *res,
                   struct answer *a, const struct error *err)
{
    if (st == ST_LIMIT && err->reason) /* of a PNG it is 422, as it always was */
        res->status = 413;
    a->prediction.timing.queue = (begun - req->received) * 1e3;
    a->prediction.timing.total = (clock_seconds() - req->received) * 1e3;
}

/* The active model answers in place of a canary. */
static enum status use_active(const struct serving *serving, struct answer *a, struct error *err)
{
    enum status st;

    answer_release(a);
    a->canary = false;
    st = registry_serving(serving->registry, &a->model, err);
    return st == ST_OK ? profiles_of(serving->profiles, a->model->id, &a->profile, err) : st;
}

/* The question to the model that answers. A canary that lacks what is asked for, such as thresholds of a kind, is not asked.
 *   ret_question  its profile is the answer's */
static enum status ask(const struct serving *serving, const struct http_request *req,
                       const struct answer_query *query, struct answer *a, struct question *ret_question,
                       struct error *err)
{
    enum status st = question_parse(req, query, a->model, ret_question, err);

    if (st == ST_UNUSABLE && a->canary) {
        st = use_active(serving, a, err);
        if (st == ST_OK)
            st = question_parse(req, query, a->model, ret_question, err);
    }
    ret_question->policy = serving->policy;
    ret_question->profile = a->profile;
    return st;
}

/* A canary could not answer: it is taken back, and the active model does. */
static enum status answer_after_canary(const struct serving *serving, const struct http_request *req,
                                       const struct answer_query *query, const struct sent *sent,
                                       struct answer *a, struct error *err)
{
    struct question question;
    enum status st;

    canary_failed(serving->canary, a->model);
    st = use_active(serving, a, err);
    if (st == ST_OK)
        st = ask(serving, req, query, a, &question, err);
    return st == ST_OK ? score(serving, sent, &question, a, err) : st;
}

enum status answer_make(const struct serving *serving, const struct http_request *req,
                        const struct answer_query *query, struct http_response *res, struct answer *ret,
                        struct error *err)
{
    const double begun = clock_seconds();
    struct error without = { 0 };
    struct sent sent = { NULL };
    struct question question;
    enum status st = find_picture(req, &sent, &without);

    if (st != ST_OK && st != ST_NOTFOUND)
        return error_set(err, st, "%s", without.text);
    without.code = st;
    st = find_answerer(serving, req, &without, res, ret, err);
    if (st == ST_OK)
        st = ask(serving, req, query, ret, &question, err);
    if (st != ST_OK)
        return st;
    st = score(serving, &sent, &question, ret, err);
    if (st == ST_NUMERIC && ret->canary)
        st = answer_after_canary(serving, req, query, &sent, ret, err);
    if (st == ST_UNUSABLE && ret->prediction.gate_warnings.n > 0)
        tell_why(&ret->prediction.gate_warnings, res);
    finish(req, begun, st, res, ret, err);
    return st;
}

enum status answer_picture(const struct serving *serving, const struct http_request *req,
                           struct http_response *res, struct answer *ret, struct error *err)
{
    const double begun = clock_seconds();
    struct sent sent = { NULL };
    enum status st = find_picture(req, &sent, err);
    bool outside;

    if (st != ST_OK)
        return st == ST_NOTFOUND ? ST_FORMAT : st;
    outside = image_is_outside(sent.bytes, sent.n, sent.said_dicom);
    if (!outside)
        prediction_pool_enter(serving->pool);
    st = decode(serving, &sent, &ret->image, &ret->prediction.timing.decode, err);
    if (!outside)
        prediction_pool_leave(serving->pool);
    if (st == ST_OK)
        st = source_judge(&ret->image.source, serving->policy, err);
    finish(req, begun, st, res, ret, err);
    return st;
}

/* Nothing is said beside the file. */
static enum status dicom_question(const struct serving *serving, const struct answer *a, int explain,
                                  struct question *ret, struct error *err)
{
    *ret = (struct question){
        .explain = explain, .values = INPUTS_UNKNOWN, .profile = a->profile, .policy = serving->policy
    };
    return operate_at(NULL, a->model->model, NULL, &ret->operating, err);
}

enum status answer_dicom(const struct serving *serving, const struct http_request *req, const void *bytes,
                         size_t n, struct answer *ret, struct error *err)
{
    const struct sent sent = sent_of(req, bytes, n, true);
    struct question question;
    enum status st = active_model(serving, &ret->model, err);

    if (st == ST_OK && !model_sees(ret->model->model))
        st = error_set(err, ST_UNUSABLE, "the model that is active sees no picture");
    if (st == ST_OK)
        st = profiles_of(serving->profiles, ret->model->id, &ret->profile, err);
    if (st == ST_OK)
        st = dicom_question(serving, ret, EXPLAIN_NONE, &question, err);
    return st == ST_OK ? score(serving, &sent, &question, ret, err) : st;
}

enum status answer_explain(const struct serving *serving, size_t label, struct answer *a, struct error *err)
{
    const struct prediction_timing timing = a->prediction.timing; /* is that of the answer */
    struct question question;
    enum status st = dicom_question(serving, a, (int)label, &question, err);

    if (st == ST_OK)
        st = look(serving, &question, a, err);
    a->prediction.timing = timing;
    return st;
}

void answer_note(const struct answer *a, struct http_response *res)
{
    const struct prediction_timing *t = &a->prediction.timing;

    if (a->model)
        res->notes = json_pack("{s:s,s:s*,s:f,s:f,s:f}", "model", a->model->id, "profile",
                               a->profile ? a->profile->id : NULL, "queue_ms", t->queue, "decode_ms",
                               t->decode, "forward_ms", t->forward);
}

void answer_release(struct answer *a)
{
    image_release(&a->image);
    loaded_model_release(a->model);
    a->model = NULL;
    profile_release(a->profile);
    a->profile = NULL;
}
