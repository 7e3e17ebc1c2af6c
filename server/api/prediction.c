/* server/api/prediction.c - see prediction.h. */
#include "prediction.h"

#include "cxrd/clock.h"
#include "cxrd/secret.h"
#include "cxrd/trainer.h"
#include "patient.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double milliseconds_since(double *mark)
{
    const double now = clock_seconds(), passed = (now - *mark) * 1e3;

    *mark = now;
    return passed;
}

/* The logits of the picture, and what the gate says of it.
 *   ret_x  [channels][size][size]: the network's input, also for the caller that explains it */
static enum status look(const struct model *m, struct session *s, struct prediction_pool *pool,
                        const struct image *img, float *ret_x, float logits[MAX_LABELS], struct prediction *p)
{
    const struct preprocess *pre = model_preprocess(m);
    const size_t plane = pre->size * pre->size;
    uint8_t *grey = malloc(plane);
    double mark = clock_seconds(), stats[GATE_STATS];
    enum status st = grey ? ST_OK : ST_NOMEM;

    if (st == ST_OK) {
        preprocess_resize(img, pre, grey);
        gate_stats(grey, pre->size, stats);
        gate_check(img, stats, pre->size, model_gate(m), &p->gate_warnings);
        if (model_gate(m))
            p->distance = gate_distance(model_gate(m), stats);
        preprocess_scale(grey, plane, pre, ret_x);
        p->timing.preprocess = milliseconds_since(&mark);
        st = prediction_pool_run(pool, s, m, ret_x, logits);
        p->timing.forward = milliseconds_since(&mark);
    }
    p->looked = true;
    p->width = img->width;
    p->height = img->height;
    p->channels = img->channels;
    p->bit_depth = img->bit_depth;
    p->source = img->source;
    p->source.study = (struct image_study){ .patient_name = "" };
    source_check(&img->source, &p->source_warnings);
    secret_free(grey);
    return st;
}

static enum status score(const struct model *m, struct session *s, struct prediction_pool *pool,
                         const struct image *img, int explain, struct prediction *p)
{
    const size_t n = preprocess_floats(model_preprocess(m));
    float logits[MAX_LABELS], beside[MAX_LABELS], *x = malloc((n + 1) * sizeof *x);
    enum status st = x ? ST_OK : ST_NOMEM;

    if (st == ST_OK && model_sees(m))
        st = look(m, s, pool, img, x, logits, p);
    else
        model_bias(m, logits);
    if (st == ST_OK)
        st = model_add_inputs(m, &p->values, logits, beside);
    if (st == ST_OK)
        model_probabilities(m, 1, logits, p->probability);
    p->explained = st == ST_OK && explain != EXPLAIN_NONE;
    if (p->explained)
        st = session_explain(s, m, x, (size_t)explain, logits[explain], &p->explanation);
    if (p->explained)
        p->explanation.inputs = (double)beside[explain];
    secret_free(x);
    return st;
}

enum { WARNING_CODES = 192 }; /* bytes of the codes of a gate's warnings */

static void code_add(const char *code, char ret[WARNING_CODES])
{
    const size_t n = strlen(ret);

    snprintf(ret + n, WARNING_CODES - n, "%s%s", n ? ", " : "", code);
}

static void gate_codes(const struct gate_warnings *w, char ret[WARNING_CODES])
{
    ret[0] = '\0';
    for (size_t i = 0; i < w->n; i++)
        code_add(GATE_CODES[w->codes[i]], ret);
}

/* Whether this is a picture to be asked about, by what its file says; and what else that says. */
static enum status take_source(const struct image_source *s, enum input_policy policy, struct prediction *p,
                               struct error *err)
{
    const enum status st = source_judge(s, policy, err);

    if (st == ST_OK)
        p->from_file = source_fill(s, &p->values);
    return st;
}

static enum status refuse_gated(const struct prediction *p, struct error *err)
{
    char codes[WARNING_CODES];

    gate_codes(&p->gate_warnings, codes);
    return error_set(err, ST_UNUSABLE, "this is not a picture that the model can be asked about: %s", codes);
}

enum status predict_image(const struct model *m, struct session *s, struct prediction_pool *pool,
                          const struct image *img, const struct question *q, struct prediction *ret,
                          struct error *err)
{
    enum status st = ST_OK;

    *ret = (struct prediction){ .operating = q->operating, .distance = NAN, .values = q->values };
    if (q->explain != EXPLAIN_NONE && !model_sees(m))
        return error_set(err, ST_UNUSABLE,
                         "this model sees no picture, so there is no map of one: its logits are the bias and "
                         "what the inputs add");
    if (model_sees(m))
        st = take_source(&img->source, q->policy, ret, err);
    if (st != ST_OK)
        return st;
    st = score(m, s, pool, img, q->explain, ret);
    if (st == ST_NUMERIC)
        return error_set(err, st, "the model's result for this image is not a finite number");
    if (st != ST_OK)
        return error_nomem(err);
    memcpy(ret->model_probability, ret->probability, sizeof ret->probability);
    site_apply(q->profile, q->operating.name != NULL, ret->probability, &ret->site);
    return q->policy == POLICY_REJECT && ret->gate_warnings.n > 0 ? refuse_gated(ret, err) : ST_OK;
}

/* Highest probability first, equal ones in class order. */
static void rank(const float *probability, size_t n, size_t order[MAX_LABELS])
{
    for (size_t i = 0; i < n; i++) {
        size_t at = i;

        for (; at > 0 && probability[order[at - 1]] < probability[i]; at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
}

static json_t *text_or_null(const char *text) { return *text ? json_string(text) : json_null(); }

static json_t *rows_or_null(int64_t rows) { return rows == KIND_UNSAID ? json_null() : json_integer(rows); }

/* The threshold that a finding's probability is held against; NaN: none. */
static float threshold_of(const struct prediction *p, size_t k)
{
    const float own = p->operating.threshold[k];

    return p->site.profile ? site_threshold(&p->site, k, own) : own;
}

/* Where enough test rows had the finding, and enough did not, or an operator has decided, or it was measured here. */
int prediction_verdict(const struct model *m, const struct prediction *p, size_t k)
{
    const struct operating_points *points = model_operating(m);
    const float threshold = threshold_of(p, k);
    const bool judged =
        operating_known(points, k) || p->operating.decided || (p->site.profile && site_measured(&p->site, k));

    return judged && !isnan(threshold) ? p->probability[k] >= threshold : VERDICT_NONE;
}

/* An AUROC only where enough test rows had the finding, and enough did not. */
static json_t *finding_json(const struct model *m, const struct prediction *p, size_t k)
{
    const struct operating_points *points = model_operating(m);
    const float threshold = threshold_of(p, k);
    const bool known = operating_known(points, k);
    const int verdict = prediction_verdict(m, p, k);

    return json_pack("{s:s,s:f,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "label", model_labels(m)->names[k],
                     "probability", (double)p->probability[k], "threshold", number_or_null((double)threshold),
                     "positive", verdict != VERDICT_NONE ? json_boolean(verdict) : json_null(), "auroc",
                     number_or_null(known ? points->auroc[k] : NAN), "auroc_low",
                     number_or_null(known ? points->auroc_low[k] : NAN), "auroc_high",
                     number_or_null(known ? points->auroc_high[k] : NAN), "auroc_positives",
                     rows_or_null(points->positives[k]), "auroc_negatives",
                     rows_or_null(points->negatives[k]));
}

static json_t *findings_json(const struct model *m, const struct prediction *p)
{
    const size_t n = model_labels(m)->n;
    json_t *findings = json_array();
    size_t order[MAX_LABELS];

    rank(p->probability, n, order);
    for (size_t i = 0; i < n; i++) {
        const size_t k = order[i];
        json_t *finding = finding_json(m, p, k);

        if (p->site.profile)
            site_finding_tell(&p->site, k, p->probability[k], finding);
        json_array_append_new(findings, finding);
    }
    return findings;
}

static json_t *probabilities_json(const struct model *m, const float *probability)
{
    const struct labels *labels = model_labels(m);
    json_t *probabilities = json_object();

    for (size_t i = 0; i < labels->n; i++)
        json_object_set_new(probabilities, labels->names[i], json_real((double)probability[i]));
    return probabilities;
}

json_t *prediction_model_probabilities(const struct model *m, const struct prediction *p)
{
    return probabilities_json(m, p->model_probability);
}

static json_t *timing_json(const struct prediction_timing *t)
{
    return json_pack("{s:f,s:f,s:f,s:f,s:f}", "queue", t->queue, "decode", t->decode, "preprocess",
                     t->preprocess, "forward", t->forward, "total", t->total);
}

static void warning_append(json_t *list, const char *code, const char *detail)
{
    json_array_append_new(list, json_pack("{s:s,s:s}", "code", code, "detail", detail));
}

json_t *prediction_warnings(const struct model *m, const struct prediction *p)
{
    json_t *list = json_array();

    for (size_t i = 0; i < p->gate_warnings.n; i++)
        warning_append(list, GATE_CODES[p->gate_warnings.codes[i]], p->gate_warnings.details[i]);
    for (size_t i = 0; i < p->source_warnings.n; i++)
        warning_append(list, SOURCE_CODES[p->source_warnings.codes[i]], p->source_warnings.details[i]);
    if (p->not_looked_at)
        warning_append(list, "image_not_used",
                       "this model sees no picture: the one that was sent was not looked at");
    patient_warnings(m, &p->values, p->from_file, list);
    site_warning(&p->site, list);
    return list;
}

static json_t *image_json(const struct prediction *p)
{
    json_t *image;

    if (!p->looked)
        return json_null();
    image = json_pack("{s:I,s:I,s:i,s:i}", "width", (json_int_t)p->width, "height", (json_int_t)p->height,
                      "channels", (int)p->channels, "bit_depth", (int)p->bit_depth);
    source_tell(&p->source, image);
    return image;
}

/* As a request has it. */
static json_t *input_value_json(enum input_kind kind, double value)
{
    if (kind == INPUT_AGE)
        return json_real(value);
    return json_string(kind == INPUT_SEX ? (value > 0 ? "M" : "F") : value > 0 ? "AP" : "PA");
}

/* The inputs that the model takes and that are known, where the file said one of them; NULL: it did not, and they are as asked. */
static json_t *inputs_json(const struct model *m, const struct prediction *p)
{
    const unsigned kinds = inputs_kinds(model_inputs(m));
    json_t *inputs;

    if (!(kinds & p->from_file))
        return NULL;
    inputs = json_object();
    for (size_t kind = 0; kind < INPUT_HISTORY; kind++)
        if (kinds >> kind & 1 && input_given(kind, &p->values))
            json_object_set_new(inputs, INPUT_NAMES[kind],
                                json_pack("{s:o,s:s}", "value",
                                          input_value_json((enum input_kind)kind, p->values.of[kind]), "from",
                                          p->from_file >> kind & 1 ? "file" : "request"));
    return inputs;
}

/* NULL: float32, which goes without saying. */
static const char *precision_unusual(const struct model *m)
{
    const enum precision p = model_precision(m);

    return p == PRECISION_FLOAT32 ? NULL : precision_name(p);
}

static json_t *colour_json(const uint8_t rgb[3]) { return json_pack("[i,i,i]", rgb[0], rgb[1], rgb[2]); }

static json_t *scale_json(const struct explanation *e)
{
    const struct heatmap_scale s = heatmap_scale_of(e->rows, e->columns);

    return json_pack("{s:f,s:f,s:o,s:o}", "full", s.full, "opacity", s.opacity, "raises",
                     colour_json(s.raises), "lowers", colour_json(s.lowers));
}

/* Contributions, which add up, are what the contract knew first: a reply names its method where it is another. */
static json_t *explanation_json(const struct explanation *e, const struct labels *labels)
{
    const bool occluded = e->method == EXPLAIN_OCCLUSION;
    json_t *grid = json_array();

    for (size_t y = 0; y < e->rows; y++) {
        json_t *row = json_array();

        for (size_t x = 0; x < e->columns; x++)
            json_array_append_new(row, json_real(e->grid[y * e->columns + x]));
        json_array_append_new(grid, row);
    }
    return json_pack("{s:s,s:f,s:o,s:f,s:o,s:o,s:s*}", "label", labels->names[e->label], "logit", e->logit,
                     "bias", occluded ? json_null() : json_real(e->bias), "inputs", e->inputs, "grid", grid,
                     "scale", scale_json(e), "method", occluded ? explanation_method_name(e->method) : NULL);
}

json_t *prediction_json(const struct loaded_model *m, const char *id, const struct prediction *p)
{
    return json_pack(
        "{s:s,s:s*,s:{s:s,s:s,s:s,s:o,s:o,s:o,s:s*},s:o*,s:o,s:o,s:s*,s:o*,s:o,s:o*,s:o,s:o,s:s}", "id", id,
        "prediction_id", p->id[0] ? p->id : NULL, "model", "id", m->id, "architecture",
        model_network(m->model)->architecture, "sha256", m->sha256, "job", text_or_null(m->job), "population",
        text_or_null(m->population), "warnings", model_warnings(m->model), "precision",
        precision_unusual(m->model), "profile", p->site.profile ? site_json(&p->site) : NULL, "probabilities",
        probabilities_json(m->model, p->probability), "findings", findings_json(m->model, p),
        "operating_point", p->operating.name, "explanation",
        p->explained ? explanation_json(&p->explanation, model_labels(m->model)) : NULL, "image",
        image_json(p), "inputs", inputs_json(m->model, p), "warnings", prediction_warnings(m->model, p),
        "timing_ms", timing_json(&p->timing), "intended_use", INTENDED_USE);
}
