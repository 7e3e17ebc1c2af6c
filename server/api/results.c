/* server/api/results.c - see results.h. */
#include "results.h"

#include "../dicom/sc.h"
#include "../dicom/sr.h"
#include "../http/accept.h"
#include "cxrd/heatmap.h"
#include "cxrd/json.h"
#include "cxrd/secret.h"

#include <math.h>
#include <stdio.h>

/* ---- which form ---- */

enum status results_choose(const struct http_request *req, const struct answer *a, enum result_kind kind,
                           unsigned number, const char *const *own, struct http_response *res,
                           struct result *ret, bool *ret_wanted, struct error *err)
{
    static const char *const DICOM[] = { DICOM_TYPE, NULL };
    const int dicom_weight = accept_weight(req->accept, DICOM), own_weight = accept_weight(req->accept, own);
    struct error why;
    enum status st;

    *ret_wanted = false;
    if (dicom_weight <= 0 || own_weight > dicom_weight)
        return ST_OK;
    if (a->image.source.format == IMAGE_DICOM)
        st = result_prepare(ret, kind, &a->image.source, a->model->sha256, number, &why);
    else
        st = error_set(&why, ST_UNSUPPORTED,
                       "only a DICOM picture has an answer in DICOM: this one names no study to file it in");
    *ret_wanted = st == ST_OK;
    if (st == ST_OK) {
        res->body.secret = true; /* what is made is of a patient */
        res->content_type = DICOM_TYPE;
    }
    if (st == ST_OK || (own_weight > 0 && st != ST_NOMEM))
        return ST_OK;
    if (st == ST_UNSUPPORTED)
        res->status = 406;
    *err = why;
    return st;
}

/* ---- the report ---- */

enum { MAX_COMMENTS = 32 };

static enum sr_verdict verdict_of(const json_t *finding)
{
    const json_t *positive = json_object_get(finding, "positive");

    return !json_is_boolean(positive) ? SR_NO_VERDICT : json_is_true(positive) ? SR_ABOVE : SR_BELOW;
}

static size_t take_findings(const json_t *list, struct sr_finding ret[MAX_LABELS])
{
    const json_t *f;
    size_t i;

    json_array_foreach (list, i, f)
        ret[i] = (struct sr_finding){ .label = json_string_value(json_object_get(f, "label")),
                                      .probability = json_real_value(json_object_get(f, "probability")),
                                      .verdict = verdict_of(f),
                                      .threshold = json_real_value(json_object_get(f, "threshold")) };
    return json_array_size(list);
}

static void add_comment(struct sr_report *r, const char *comments[MAX_COMMENTS], const char *text)
{
    if (text && r->n_comments < MAX_COMMENTS)
        comments[r->n_comments++] = text;
}

/* Each warning's sentence. */
static void add_warnings(struct sr_report *r, const char *comments[MAX_COMMENTS], const json_t *warnings)
{
    const json_t *w;
    size_t i;

    json_array_foreach (warnings, i, w)
        add_comment(r, comments, json_string_value(json_object_get(w, "detail")));
}

enum status results_report(const struct result *r, const json_t *prediction, struct buf *out,
                           struct error *err)
{
    static const char MEANING[] =
        "A probability is what the model gives for a finding of this one picture, after its "
        "calibration where it has one. It is no diagnosis.";
    const json_t *model = json_object_get(prediction, "model");
    const char *comments[MAX_COMMENTS], *population = json_string_value(json_object_get(model, "population"));
    struct sr_finding findings[MAX_LABELS];
    struct sr_report report = { .architecture = json_string_value(json_object_get(model, "architecture")),
                                .findings = findings,
                                .comments = comments };
    char trained[128];

    if (json_ran_out() || !report.architecture)
        return error_nomem(err);
    report.n_findings = take_findings(json_object_get(prediction, "findings"), findings);
    add_comment(&report, comments, json_string_value(json_object_get(prediction, "intended_use")));
    add_comment(&report, comments, MEANING);
    snprintf(trained, sizeof trained, "Population of the model's training: %.80s.",
             population ? population : "");
    add_comment(&report, comments, population ? trained : NULL);
    add_warnings(&report, comments, json_object_get(prediction, "warnings"));
    add_warnings(&report, comments, json_object_get(model, "warnings"));
    return sr_write(r, &report, out, err);
}

/* ---- the map ---- */

enum status results_map(const struct result *r, const struct answer *a, struct buf *out, struct error *err)
{
    struct heatmap_drawing d;
    enum status st = prediction_drawing(a->model->model, &a->image, &a->prediction, &d, err);

    if (st != ST_OK)
        return st;
    st = capture_write(r, d.rgb, d.width, d.height, out, err);
    secret_free(d.rgb);
    return st;
}
