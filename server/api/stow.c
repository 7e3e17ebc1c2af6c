/* server/api/stow.c - POST /dicom-web/studies: an archive hands over instances (STOW-RS, PS3.18, section 10.5), each is scored, and
 * the reports, with maps where they are wanted, go back to it, or the reports wait to be fetched by GET /dicom-web/studies/{uid}
 * (WADO-RS, section 10.4). Nothing is stored of the
 * instances themselves. */
#include "../dicom/meta.h"
#include "../dicom/native.h"
#include "../dicom/result.h"
#include "../http/accept.h"
#include "../http/multipart.h"
#include "answer.h"
#include "archive.h"
#include "drift_alert.h"
#include "handlers.h"
#include "maps.h"
#include "metrics.h"
#include "results.h"
#include "work.h"

#include "cxrd/json.h"

#include <string.h>

enum { MAX_REPORT = 4 << 20, MAX_MAP = 32 << 20 };

/* ---- what became of an instance, as PS3.18 has it ---- */

/* PS3.18, annex I, after PS3.4 and PS3.7. */
enum failure {
    FAILURE_PROCESSING = 0x0110,
    FAILURE_CLASS = 0x0122, /* a SOP class that is not taken */
    FAILURE_RESOURCES = 0xa700,
    FAILURE_NOT_READ = 0xc000, /* cannot understand */
    FAILURE_SYNTAX = 0xc122,   /* a transfer syntax that is not read */
};

/* A request, and what has become of its instances so far. */
struct taking {
    const struct http_request *req;
    const struct serving *serving;
    const char *base_path;
    struct http_response *res;
    json_t *stored, *failed, *nameless; /* items of sequences */
    size_t n_failed, n_passing;         /* instances; those that may do another time */
    struct error first;                 /* why, of the first that failed */
    struct error passing;               /* why no other is tried now; code ST_OK: they are */
};

static json_t *attribute(const char *vr, json_t *value)
{
    return json_pack("{s:s,s:[o]}", "vr", vr, "Value", value);
}

static json_t *references(const char *class, const char *instance)
{
    return json_pack("{s:o,s:o}", "00081150", attribute("UI", json_string(class)), "00081155",
                     attribute("UI", json_string(instance)));
}

/* Where the results about a study can be fetched: relative to this server, as UR allows. */
static json_t *retrieve_url(const struct taking *x, const char *study)
{
    return attribute("UR", json_sprintf("%s/dicom-web/studies/%s", x->base_path, study));
}

static void note_stored(struct taking *x, const struct image_source *s)
{
    json_t *item = references(s->sop_class_uid, s->sop_instance_uid);

    if (archive_keeps(x->serving->archive))
        json_object_set_new(item, "00081190", retrieve_url(x, s->study_uid));
    json_array_append_new(x->stored, item);
}

/* Whether an instance is refused for being what it is, not for how it is. */
static bool is_other_class(const char *reason)
{
    static const char *const REASONS[] = { "modality", "no_picture", "multi_frame", "for_processing",
                                           "own_result" };

    for (size_t i = 0; reason && i < sizeof REASONS / sizeof REASONS[0]; i++)
        if (strcmp(REASONS[i], reason) == 0)
            return true;
    return false;
}

static enum failure failure_of(enum status st, const char *reason)
{
    if (status_is_outside(st) || st == ST_LIMIT)
        return FAILURE_RESOURCES;
    if (st == ST_UNSUPPORTED && reason) /* the transfer syntax; else it is no file that is known */
        return FAILURE_SYNTAX;
    if (st == ST_UNSUPPORTED || st == ST_FORMAT)
        return FAILURE_NOT_READ;
    return is_other_class(reason) ? FAILURE_CLASS : FAILURE_PROCESSING;
}

static void note_failed(struct taking *x, const struct part *part, enum status st, const struct error *why)
{
    char class[UID_SIZE], instance[UID_SIZE];
    const bool named = meta_read(part->data, part->size, class, instance);
    json_t *item = named ? references(class, instance) : json_object();

    if (x->n_failed++ == 0)
        x->first = *why;
    x->n_passing += status_is_outside(st);
    json_object_set_new(item, "00081197",
                        attribute("US", json_integer((json_int_t)failure_of(st, why->reason))));
    json_array_append_new(named ? x->failed : x->nameless, item);
}

/* ---- an instance ---- */

static enum status report_of(struct taking *x, struct answer *a, struct buf *ret_report, struct error *err)
{
    struct result result;
    json_t *prediction, *own;
    enum status st = result_prepare(&result, RESULT_REPORT, &a->image.source, a->model->sha256, 1, err);

    if (st != ST_OK)
        return st;
    prediction = prediction_json(a->model, x->req->request_id, &a->prediction);
    own = prediction_model_probabilities(a->model->model, &a->prediction);
    metrics_prediction(x->serving->metrics, a->model, true, prediction, own);
    json_decref(own);
    drift_alert(x->serving, x->req, a);
    st = results_report(&result, prediction, ret_report, err);
    json_decref(prediction);
    return st;
}

static enum status map_of(struct taking *x, struct answer *a, struct buf *ret_map, struct error *err)
{
    const unsigned number = (unsigned)a->prediction.explanation.label + 1;
    struct result result;
    const enum status st =
        result_prepare(&result, RESULT_PICTURE, &a->image.source, a->model->sha256, number, err);

    (void)x;
    return st == ST_OK ? results_map(&result, a, ret_map, err) : st;
}

/* Whatever a part says it is, its bytes must be DICOM; and the study that a request names is the only one that it may bring
 * something of. */
static enum status check_source(const struct taking *x, const struct image_source *s, struct error *err)
{
    if (s->format != IMAGE_DICOM)
        return error_set(err, ST_FORMAT, "a part of the multipart body is no DICOM file");
    if (!x->req->id[0] || strcmp(x->req->id, s->study_uid) == 0)
        return ST_OK;
    return error_set(err, ST_INVALID, "an instance is of another study than that in the path");
}

/* A server that stops begins nothing more, once its time for that is over. */
static enum status check_time(const struct taking *x, struct error *err)
{
    return http_is_late(x->req->http) ? error_set(err, ST_BUSY, "the server is shutting down") : ST_OK;
}

/* Hand over a result.
 *   of  writes it */
static enum status deliver(struct taking *x, struct answer *a, size_t most,
                           enum status (*of)(struct taking *x, struct answer *a, struct buf *ret,
                                             struct error *err),
                           struct error *err)
{
    struct buf result = BUF_INIT(most);
    enum status st;

    result.secret = true;
    st = of(x, a, &result, err);
    if (st == ST_OK)
        st = check_time(x, err);
    if (st == ST_OK)
        st = archive_deliver(x->serving->archive, x->req->who, &a->image.source, &result, err);
    buf_release(&result);
    return st;
}

/* The maps that the archive is to have. Each is sent by itself, so that one is in memory at a time. */
static enum status deliver_maps(struct taking *x, struct answer *a, struct error *err)
{
    bool chosen[MAX_LABELS];
    enum status st = ST_OK;

    maps_choose(x->serving->archive_maps, a->model->model, &a->prediction, chosen);
    for (size_t k = 0; k < MAX_LABELS && st == ST_OK; k++) {
        if (!chosen[k])
            continue;
        st = answer_explain(x->serving, k, a, err);
        if (st == ST_OK)
            st = deliver(x, a, MAX_MAP, map_of, err);
    }
    return st;
}

static enum status take(struct taking *x, const struct part *part, struct answer *a, struct error *err)
{
    enum status st = ST_OK;

    if (part->type[0] && !multipart_type_is(part->type, DICOM_TYPE))
        st = error_set(err, ST_FORMAT, "a part of the multipart body is no " DICOM_TYPE);
    if (st == ST_OK)
        st = answer_dicom(x->serving, x->req, part->data, part->size, a, err);
    if (st == ST_OK)
        st = check_source(x, &a->image.source, err);
    if (st == ST_OK)
        st = deliver(x, a, MAX_REPORT, report_of, err);
    return st == ST_OK ? deliver_maps(x, a, err) : st;
}

/* From the first that fails for what passes, the others do as well: an archive that hangs is waited for once. */
static void pass_over(struct taking *x, enum status st, const struct error *why)
{
    if (!status_is_outside(st))
        return;
    x->passing = *why;
    x->passing.code = st;
}

static void take_one(struct taking *x, const struct part *part)
{
    struct answer a = ANSWER_INIT;
    struct error why = { 0 };
    enum status st;

    if (x->passing.code == ST_OK)
        pass_over(x, check_time(x, &why), &why);
    if (x->passing.code != ST_OK) {
        note_failed(x, part, x->passing.code, &x->passing);
        return;
    }
    st = take(x, part, &a, &why);
    pass_over(x, st, &why);
    if (st == ST_OK)
        note_stored(x, &a.image.source);
    else
        note_failed(x, part, st, &why);
    if (!x->res->notes)
        answer_note(&a, x->res);
    answer_release(&a);
}

/* ---- the reply (PS3.18, I.2) ---- */

#define JSON_TYPE "application/dicom+json"
#define XML_TYPE  "application/dicom+xml"

static int json_weight(const struct http_request *req)
{
    return accept_weight(
        req->accept, (const char *const[]){ JSON_TYPE, "application/json", "application/*", "*/*", NULL });
}

static int xml_weight(const struct http_request *req)
{
    return accept_weight(req->accept, (const char *const[]){ XML_TYPE, "application/*", "*/*", NULL });
}

/* JSON is what those get who do not care. */
static bool wants_xml(const struct http_request *req)
{
    return xml_weight(req) > 0 && xml_weight(req) > json_weight(req);
}

static void add_sequence(json_t *reply, const char *tag, const json_t *items)
{
    if (json_array_size(items) > 0)
        json_object_set_new(reply, tag, json_pack("{s:s,s:O}", "vr", "SQ", "Value", items));
}

/* All of it failed for what passes: then the request as a whole may be made again. Else it is answered instance by instance. */
static enum status reply(struct taking *x, struct error *err)
{
    json_t *data = json_object();

    if (x->n_failed > 0 && x->n_failed == x->n_passing && json_array_size(x->stored) == 0) {
        json_decref(data);
        *err = x->first;
        return ST_BUSY;
    }
    json_object_set_new(data, "00081190",
                        x->req->id[0] && archive_keeps(x->serving->archive) ? retrieve_url(x, x->req->id)
                                                                            : json_pack("{s:s}", "vr", "UR"));
    add_sequence(data, "00081198", x->failed);
    add_sequence(data, "00081199", x->stored);
    add_sequence(data, "0008119A", x->nameless);
    if (x->n_failed > 0) {
        x->res->status = json_array_size(x->stored) > 0 ? 202 : 409;
        http_header_add(x->res, "Warning", "299 cxrd \"%.200s\"", x->first.text);
    }
    if (!wants_xml(x->req)) {
        x->res->content_type = JSON_TYPE;
        return http_json(x->res, data);
    }
    x->res->content_type = XML_TYPE;
    native_xml(data, &x->res->body);
    json_decref(data);
    return json_ran_out() ? error_nomem(err) : buf_status(&x->res->body);
}

static void say_how_to_keep(struct http_response *res)
{
    http_header_add(res, "Cache-Control", "no-store");
    http_header_add(res, "Vary", "Accept");
}

enum status studies_at_head(struct app *app, const struct http_request *req, struct http_response *res,
                            struct error *err)
{
    enum status st = multipart_related_check(req->content_type, DICOM_TYPE, err);

    (void)app;
    if (st == ST_OK && req->accept[0] && json_weight(req) <= 0 && xml_weight(req) <= 0) {
        res->status = 406;
        st = error_set(err, ST_UNSUPPORTED, "a reply is " JSON_TYPE " or " XML_TYPE "; Accept names neither");
    }
    if (st != ST_OK)
        say_how_to_keep(res);
    return st;
}

/* ---- the request ---- */

static enum status take_all(struct taking *x, struct error *err)
{
    struct multipart parts;
    enum status st =
        multipart_related_parse(x->req->content_type, x->req->body, x->req->body_len, &parts, err);

    if (st == ST_OK && parts.n == 0)
        return error_set(err, ST_FORMAT, "the multipart body has no part");
    if (st == ST_LIMIT)
        x->res->status = 413;
    for (size_t i = 0; i < parts.n && st == ST_OK; i++)
        take_one(x, &parts.parts[i]);
    return st;
}

enum status studies_post(struct app *app, const struct http_request *req, struct http_response *res,
                         struct error *err)
{
    struct taking x = {
        .req = req, .serving = app_serving(app), .base_path = app_work(app)->base_path, .res = res
    };
    enum status st = studies_at_head(app, req, res, err);

    if (st == ST_OK)
        say_how_to_keep(res);
    x.stored = json_array();
    x.failed = json_array();
    x.nameless = json_array();
    if (st == ST_OK)
        st = take_all(&x, err);
    if (st == ST_OK)
        st = reply(&x, err);
    json_decref(x.stored);
    json_decref(x.failed);
    json_decref(x.nameless);
    return st;
}

enum status study_get(struct app *app, const struct http_request *req, struct http_response *res,
                      struct error *err)
{
    http_header_add(res, "Cache-Control", "no-store");
    res->body.secret = true;
    res->content_type = RELATED_TYPE;
    return archive_fetch(app_serving(app)->archive, req->who, req->id, &res->body, err);
}
