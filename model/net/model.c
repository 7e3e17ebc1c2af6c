/* model/net/model.c - see cxrd/model.h. */
#include "cxrd/model.h"

#include "model_parts.h"

#include <assert.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct model {
    atomic_size_t references;
    const struct network *net;
    struct labels labels;
    struct preprocess pre;
    enum precision precision;
    float *params;            /* [n_params + n_state of the network] */
    struct plan *plan;        /* NULL: it sees no picture */
    struct prepared prepared; /* params as the kernels read them */
    struct calibration calibration;
    struct operating_points operating;
    struct inputs inputs;
    struct trained_rows trained_rows;
    struct input_gate *gate; /* of the notes; NULL: none */
    json_t *notes;
};

static enum status tensor_check(const struct tensor *t, const float *values, struct error *err)
{
    for (size_t i = 0; i < t->count; i++) {
        if (!isfinite(values[i]))
            return error_set(err, ST_NUMERIC, "the tensor '%s' holds a value that is not a finite number",
                             t->name);
        if (t->variance && values[i] < 0)
            return error_set(err, ST_NUMERIC, "the tensor '%s' holds a variance below 0", t->name);
    }
    return ST_OK;
}

static enum status values_check(const struct network *net, const float *params, struct error *err)
{
    enum status st = ST_OK;

    for (size_t i = 0; i < net->n_tensors && st == ST_OK; i++)
        st = tensor_check(&net->tensors[i], params + net->tensors[i].offset, err);
    return st;
}

/* The notes' "calibration", or none. */
static enum status calibration_of(const json_t *notes, size_t n_labels, struct calibration *ret,
                                  struct error *err)
{
    const json_t *text = json_object_get(notes, "calibration");

    *ret = CALIBRATION_IDENTITY;
    return json_is_string(text) ? calibration_parse(json_string_value(text), n_labels, ret, err) : ST_OK;
}

/* The notes' "operating_points", or none. */
static enum status operating_of(const json_t *notes, const struct labels *labels,
                                struct operating_points *ret, struct error *err)
{
    const char *points = json_string_value(json_object_get(notes, "operating_points"));

    *ret = OPERATING_NONE;
    return points ? operating_points_parse(points, labels, ret, err) : ST_OK;
}

/* The notes' "metrics", which are only shown. */
static enum status metrics_check(const json_t *notes, struct error *err)
{
    const char *text = json_string_value(json_object_get(notes, "metrics"));

    return text ? card_note_check("metrics", text, err) : ST_OK;
}

/* The notes' "inputs", as many as the network takes. */
static enum status inputs_of(const struct network *net, const struct labels *labels, const json_t *notes,
                             struct inputs *ret, struct error *err)
{
    const json_t *text = json_object_get(notes, "inputs");
    enum status st = ST_OK;

    *ret = (struct inputs){ 0 };
    if (json_is_string(text))
        st = inputs_parse(json_string_value(text), labels, ret, err);
    if (st == ST_OK && ret->n != net->n_inputs)
        st = error_set(err, ST_FORMAT, "the metadata's 'inputs' are %zu, the network takes %zu", ret->n,
                       net->n_inputs);
    return st;
}

/* The notes' input gate, if they have one. */
static enum status gate_read(struct model *m, struct error *err)
{
    const char *text = json_string_value(json_object_get(m->notes, GATE_KEY));

    if (!text)
        return ST_OK;
    m->gate = malloc(sizeof *m->gate);
    return m->gate ? gate_parse(text, m->gate, err) : error_nomem(err);
}

/* The notes on the rows that it was trained on, if there are any. */
static enum status trained_rows_read(struct model *m, struct error *err)
{
    const char *text = json_string_value(json_object_get(m->notes, DATA_NOTE));

    return trained_rows_parse(text, &m->trained_rows) == ST_OK ? ST_OK : error_nomem(err);
}

static enum status notes_read(struct model *m, struct error *err)
{
    enum status st = calibration_of(m->notes, m->labels.n, &m->calibration, err);

    if (st == ST_OK)
        st = metrics_check(m->notes, err);
    if (st == ST_OK)
        st = operating_of(m->notes, &m->labels, &m->operating, err);
    if (st == ST_OK)
        st = inputs_of(m->net, &m->labels, m->notes, &m->inputs, err);
    if (st == ST_OK)
        st = gate_read(m, err);
    return st == ST_OK ? trained_rows_read(m, err) : st;
}

/* The most memory that a model may ask for: densenet121 at 1,024 pixels takes 0.3 GiB for a picture, VGG-16's 3x3 filters four times their size. */
enum { MAX_MEMORY = 1 << 28 /* floats */ };

/* The weights as the kernels read them. */
static enum status prepare(struct model *m, struct error *err)
{
    if (plan_new(m->net, kernels(), FOR_INFERENCE, m->precision, &m->plan) != ST_OK)
        return error_nomem(err);
    if (plan_image_floats(m->plan) > MAX_MEMORY || m->plan->n_weights > MAX_MEMORY ||
        m->plan->n_scratch > MAX_MEMORY / 8)
        return error_set(err, ST_FORMAT,
                         "the network needs more than %d MiB for its weights or for a picture",
                         MAX_MEMORY >> 18);
    if (prepared_init(&m->prepared, m->plan) != ST_OK)
        return error_nomem(err);
    prepared_update(&m->prepared, m->plan, m->params, NULL);
    return ST_OK;
}

static enum status model_make(const struct network *net, const struct labels *labels,
                              const struct preprocess *pre, const float *params, json_t *notes,
                              enum precision precision, struct model **ret_model, struct error *err)
{
    const size_t n = net->n_params + net->n_state;
    struct model *m = NULL;
    enum status st = values_check(net, params, err);

    assert(labels->n == net->n_labels);
    assert(!network_sees(net) || net->nodes[0].out.c == preprocess_channels(pre));
    if (st != ST_OK)
        goto out;
    m = calloc(1, sizeof *m);
    if (m) {
        atomic_init(&m->references, 1);
        m->net = network_ref(net);
        m->labels = *labels;
        m->pre = *pre;
        m->precision = precision;
        m->params = malloc(n * sizeof *m->params);
        m->notes = notes ? json_incref(notes) : json_object();
    }
    if (!m || !m->params || !m->notes) {
        st = error_nomem(err);
        goto out;
    }
    st = notes_read(m, err);
    if (st != ST_OK)
        goto out;
    memcpy(m->params, params, n * sizeof *params);
    if (network_sees(net))
        st = prepare(m, err);
    if (st != ST_OK)
        goto out;
    *ret_model = m;
    m = NULL;
out:
    model_unref(m);
    json_decref(notes);
    return st;
}

enum status model_new(const struct network *net, const struct labels *labels, const struct preprocess *pre,
                      const float *params, json_t *notes, struct model **ret_model, struct error *err)
{
    return model_make(net, labels, pre, params, notes, PRECISION_FLOAT32, ret_model, err);
}

enum status model_in_precision(const struct model *m, enum precision precision, struct model **ret_model,
                               struct error *err)
{
    return model_make(m->net, &m->labels, &m->pre, m->params, json_incref(m->notes), precision, ret_model,
                      err);
}

struct model *model_ref(struct model *m)
{
    atomic_fetch_add_explicit(&m->references, 1, memory_order_relaxed);
    return m;
}

void model_unref(struct model *m)
{
    if (!m || atomic_fetch_sub_explicit(&m->references, 1, memory_order_acq_rel) != 1)
        return;
    json_decref(m->notes);
    free(m->gate);
    prepared_release(&m->prepared);
    plan_free(m->plan);
    network_unref(m->net);
    free(m->params);
    free(m);
}

const struct network *model_network(const struct model *m) { return m->net; }
const struct labels *model_labels(const struct model *m) { return &m->labels; }
const struct preprocess *model_preprocess(const struct model *m) { return &m->pre; }
const float *model_params(const struct model *m) { return m->params; }
const json_t *model_notes(const struct model *m) { return m->notes; }
const struct calibration *model_calibration(const struct model *m) { return &m->calibration; }
const struct operating_points *model_operating(const struct model *m) { return &m->operating; }
const struct inputs *model_inputs(const struct model *m) { return &m->inputs; }
const struct input_gate *model_gate(const struct model *m) { return m->gate; }
const struct trained_rows *model_trained_rows(const struct model *m) { return &m->trained_rows; }
const struct plan *model_plan(const struct model *m) { return m->plan; }

size_t model_features(const struct model *m) { return m->plan ? m->plan->features : 0; }
const struct prepared *model_prepared(const struct model *m) { return &m->prepared; }

void model_bias(const struct model *m, float *ret_logits)
{
    memcpy(ret_logits, m->params + m->net->head_bias, m->labels.n * sizeof *ret_logits);
}

json_t *model_warnings(const struct model *m)
{
    json_t *list = lineage_warnings(m->trained_rows.before);

    if (inputs_look_back(&m->inputs))
        json_array_append_new(list, json_pack("{s:s,s:s}", "code", HISTORY_CODE, "detail", HISTORY_WARNING));
    return list;
}

bool model_is_backbone(const struct model *m)
{
    const char *note = json_string_value(json_object_get(m->notes, BACKBONE_NOTE));

    return note && strcmp(note, "1") == 0;
}

enum precision model_precision(const struct model *m) { return m->precision; }

bool model_sees(const struct model *m) { return network_sees(m->net); }

enum status model_add_inputs(const struct model *m, const struct input_values *values, float *logits,
                             float *ret_part)
{
    const size_t n = m->inputs.n;
    const float *w = m->params + m->net->head_inputs;
    float standard[N_INPUT_NUMBERS];
    enum status st = ST_OK;

    inputs_standardise(&m->inputs, values, standard);
    for (size_t k = 0; k < m->labels.n; k++) {
        float part = 0;

        for (size_t i = 0; i < n; i++)
            part += w[k * n + i] * standard[i];
        logits[k] += part;
        if (ret_part)
            ret_part[k] = part;
        if (!isfinite(logits[k]))
            st = ST_NUMERIC;
    }
    return st;
}

void model_probabilities(const struct model *m, size_t n, const float *logits, float *ret_prob)
{
    calibration_apply(&m->calibration, n, m->labels.n, logits, ret_prob);
}
