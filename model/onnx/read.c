/* model/onnx/read.c - see cxrd/onnx.h. */
#include "cxrd/onnx.h"

#include "cxrd/decimal.h"
#include "cxrd/json.h"
#include "ends.h"
#include "own.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_OPSET = 7, MOST_OPSET = 22, SPARE_BYTES = 16 << 20 };

/* All that reading needs, from the bytes to the model. */
struct reading {
    const struct import_options *o;
    Onnx__ModelProto *file;
    struct reader r;
    struct graph g;
    struct picture picture;
    struct outputs outputs;
    struct preprocess pre;
    float one, zero;
    bool own, sigmoid;
    size_t n_inputs; /* of a file of ours: numbers beside the picture */
    json_t *notes;   /* of a file of ours */
};

bool onnx_is(const void *bytes, size_t n_bytes)
{
    const uint8_t *b = bytes;

    return n_bytes >= 2 && b[0] == 0x08 &&
           b[1] < 0x20; /* the first field of a ModelProto: ir_version, a small number */
}

/* ---- what the file says of itself ---- */

static int64_t opset_of(const Onnx__ModelProto *m)
{
    for (size_t i = 0; i < m->n_opset_import; i++) {
        const char *domain = m->opset_import[i]->domain;

        if (!domain || !domain[0] || strcmp(domain, "ai.onnx") == 0)
            return m->opset_import[i]->version;
    }
    return 0;
}

/* ---- what the caller says of it ---- */

static enum status size_find_out(struct reading *in, struct error *err)
{
    struct picture *p = &in->picture;

    if (p->size == 0)
        p->size = in->o->image_size;
    if (p->size == 0)
        return error_set(err, ST_INVALID,
                         "the file leaves the size of its picture open: 'image_size' must say it");
    if (in->o->image_size && in->o->image_size != p->size)
        return error_set(err, ST_INVALID, "'image_size' is %zu, but the file's picture has %zu pixels a side",
                         in->o->image_size, p->size);
    if (p->size < PREPROCESS_MIN_SIZE || p->size > PREPROCESS_MAX_SIZE)
        return error_set(err, ST_FORMAT, "its picture has %zu pixels a side, not %d to %d", p->size,
                         PREPROCESS_MIN_SIZE, PREPROCESS_MAX_SIZE);
    return ST_OK;
}

static enum status scaling_find_out(struct reading *in, json_t *report, struct error *err)
{
    struct import_options o = *in->o;
    enum status st;

    if (!o.scaling && !in->own)
        return error_set(
            err, ST_INVALID,
            "the file does not say what grey values become before it reads them: 'scaling' must");
    if (!o.resize && in->own)
        o.resize = own_property(in->file, "resize");
    st = foreign_preprocess(&o, "0..255", in->picture.size, "file", &in->pre, report, err);
    if (st == ST_OK && in->pre.by_channel && in->picture.channels == 1)
        return error_set(err, ST_INVALID, "'scaling' is of three channels, the file's picture has one");
    return st;
}

/* The picture that goes in. */
static enum status picture_find_out(struct reading *in, json_t *report, struct error *err)
{
    enum status st = onnx_picture(in->file->graph, &in->picture, err);

    if (st == ST_OK)
        st = size_find_out(in, err);
    return st == ST_OK ? scaling_find_out(in, report, err) : st;
}

static enum status graph_check(const struct reading *in, int64_t opset, struct error *err)
{
    const Onnx__GraphProto *graph = in->file->graph;

    if (in->o->architecture && strcmp(in->o->architecture, GRAPH_ARCHITECTURE) != 0)
        return error_set(err, ST_INVALID, "'architecture' is '%.32s', an ONNX file becomes a '%s'",
                         in->o->architecture, GRAPH_ARCHITECTURE);
    if (!graph)
        return error_set(err, ST_FORMAT, "the file has no graph");
    if (graph->n_input > ONNX_MAX_NODES || graph->n_initializer > ONNX_MAX_NODES)
        return error_set(err, ST_LIMIT, "the graph has more than %d inputs or constants", ONNX_MAX_NODES);
    if (opset < LEAST_OPSET || opset > MOST_OPSET)
        return error_set(err, ST_FORMAT, "the graph is of operator set %lld, read are %d to %d",
                         (long long)opset, LEAST_OPSET, MOST_OPSET);
    return ST_OK;
}

static enum status begin(struct reading *in, const void *bytes, size_t n_bytes, json_t *report,
                         struct error *err)
{
    enum status st = onnx_unpack(bytes, n_bytes, &in->file, err);
    int64_t opset;

    if (st != ST_OK)
        return st;
    in->own = own_is(in->file);
    if (in->own)
        st = foreign_nothing_given(in->o, err);
    opset = opset_of(in->file);
    if (st == ST_OK)
        st = graph_check(in, opset, err);
    if (st != ST_OK)
        return st;
    in->r = (struct reader){
        .graph = in->file->graph, .opset = opset, .bytes_left = n_bytes + SPARE_BYTES, .err = err
    };
    if (in->own)
        st = own_notes(in->file, &in->notes, err);
    if (st == ST_OK && in->own)
        st = own_outputs(in->file, &in->outputs, &in->n_inputs, report, err);
    return st == ST_OK && !(in->own && !own_sees(in->file)) ? picture_find_out(in, report, err) : st;
}

/* ---- the network ---- */

/* Node 0 is a grey picture, of which the file may want three equal ones, or three that are scaled each by its own. */
static struct onnx_input picture_put(struct reading *in)
{
    const struct picture *p = &in->picture;
    struct reader *r = &in->r;
    struct dims d = { 4, { p->batch, p->channels, p->size, p->size } };
    size_t node = 0;

    if (p->channels > 1 && !in->pre.by_channel)
        node = reader_add(r, &(struct node){ .ops = &LAYER_REPLICATE, .channels = p->channels }, NULL, NULL);
    if (p->channels_last)
        d = (struct dims){ 4, { p->batch, p->size, p->size, p->channels } };
    in->one = 1;
    r->image = node;
    r->image_alone = true;
    r->image_scale = &in->one;
    r->image_shift = &in->zero;
    return (struct onnx_input){ p->name, view_of(r, node, d, p->channels_last) };
}

/* The divisor: of the numbers whose inverse is this float32 the shortest decimal, since 63 is what its author wrote and not
 * 62.999996. */
static float divisor_of(float inverse)
{
    enum { MOST_DIGITS = 9 };
    char text[DECIMAL_TEXT];
    float v = 1 / inverse;

    for (int digits = 1; digits <= MOST_DIGITS; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)(1 / inverse));
        v = strtof(text, NULL);
        if (1 / v == inverse)
            break;
    }
    return v;
}

/* One channel's numbers: s (g - mean) / std + t = (g - (mean - t std / s)) / (std / s). False: they are not such a scaling. */
static bool scaling_compose(const struct reader *r, float *mean, float *std)
{
    const float scale = r->image_scale[0], shift = r->image_shift[0];

    *mean -= shift * *std / scale;
    *std *= divisor_of(scale);
    return *std > 0 && isfinite(*std) && isfinite((0 - *mean) / *std) && isfinite((255 - *mean) / *std);
}

/* The graph's first operations on its input, done to grey values. */
static void scaling_finish(struct reading *in)
{
    struct preprocess *p = &in->pre;
    bool ok = scaling_compose(&in->r, &p->mean, &p->std);

    for (size_t i = 0; i < PREPROCESS_CHANNELS && p->by_channel; i++)
        ok = scaling_compose(&in->r, &p->means[i], &p->stds[i]) && ok;
    if (!ok)
        reader_refuse(&in->r, "what the graph does to its picture first makes no numbers of grey values");
}

/* The outputs, as far as they are known, become the head. Errors: r->st. */
static void head_find_out(struct reading *in, struct value *v, json_t *report)
{
    struct reader *r = &in->r;
    const struct output_sayings s = { .n = onnx_outputs(r, v) };

    if (r->st == ST_OK && !in->own && !in->sigmoid && s.n > 0 && onnx_is_of_sigmoids(r, v))
        reader_refuse(
            r, "the graph's output is made of what a sigmoid gives, and is neither that nor its logits: "
               "let it end in one of them");
    if (r->st == ST_OK && !in->own)
        r->st = foreign_outputs(in->o, &s, &in->outputs, report, r->err);
    else if (in->own && s.n != in->outputs.labels.n)
        reader_refuse(r, "the metadata's 'labels' are %zu, the graph has %zu outputs", in->outputs.labels.n,
                      s.n);
    if (r->st != ST_OK)
        return;
    in->g.net->n_labels = in->outputs.labels.n;
    onnx_head_add(r, v, &in->outputs);
}

static enum status graph_make(struct reading *in, const struct network **ret_net, json_t *report,
                              struct error *err)
{
    struct reader *r = &in->r;
    const char *output = in->own ? own_logits(in->file) : onnx_output(r->graph, &in->sigmoid);
    struct onnx_input input;
    struct value *v;

    if (!output)
        return error_set(err, ST_FORMAT, "the graph has no output");
    r->batch = in->picture.batch;
    r->g = &in->g;
    graph_begin(r->g, GRAPH_ARCHITECTURE, in->picture.size, preprocess_channels(&in->pre), 1, err);
    r->st = in->g.st;
    r->fills = calloc(NETWORK_MAX_NODES, sizeof *r->fills);
    if (!r->fills)
        reader_nomem(r);
    input = picture_put(in);
    v = reader_build(r, &input, 1, output);
    if (v && v->kind != VALUE_ACTIVATION)
        reader_refuse(r, "the graph's output '%.60s' does not depend on its input", output);
    else if (v)
        head_find_out(in, v, report);
    if (r->st == ST_OK)
        scaling_finish(in);
    if (r->st != ST_OK)
        in->g.st = r->st; /* so that it is given up, with the status of what was said of the node */
    return graph_finish(r->g, in->n_inputs, ret_net);
}

/* ---- the report ---- */

static enum status report_make(const struct reading *in, const struct network *net, json_t *report,
                               struct error *err)
{
    const Onnx__ModelProto *m = in->file;
    json_t *operators = json_object(), *more;

    for (size_t i = 0; i < in->r.graph->n_node && operators; i++) {
        const char *op = in->r.graph->node[i]->op_type;

        if (op && operator_find(op))
            json_object_set_new(operators, op,
                                json_integer(json_integer_value(json_object_get(operators, op)) + 1));
    }
    more = json_pack("{s:s,s:I,s:o,s:o,s:i,s:b,s:i,s:I}", "format", "onnx", "opset", (json_int_t)in->r.opset,
                     "producer", json_any_text(m->producer_name ? m->producer_name : ""), "operators",
                     operators, "channels", (int)in->picture.channels, "sigmoid_dropped", in->sigmoid,
                     "nodes", (int)net->n_nodes, "parameters", (json_int_t)net->n_params);
    if (!more || json_object_update(report, more) != 0) {
        json_decref(more);
        return error_nomem(err);
    }
    json_decref(more);
    return ST_OK;
}

/* The model of what was read. `values` has room for all of the network's. */
static enum status model_of(struct reading *in, const struct network *net, float *values, json_t *report,
                            struct model **ret, struct error *err)
{
    struct model *m = NULL;
    enum status st;

    reader_fill(&in->r, net, values);
    if (!in->own)
        return foreign_model(net, &in->outputs, &in->pre, values, report, ret, err);
    own_fill(&in->r, net, values);
    st = in->r.st;
    if (st == ST_OK)
        st = model_new(net, &in->outputs.labels, &in->pre, values, json_incref(in->notes), &m, err);
    if (st == ST_OK)
        st = own_check(in->file, m, err);
    if (st == ST_OK) {
        *ret = m;
        return ST_OK;
    }
    model_unref(m);
    return st;
}

enum status onnx_read(const void *bytes, size_t n_bytes, const struct import_options *o,
                      struct model **ret_model, json_t *ret_report, struct error *err)
{
    struct reading in = { .o = o };
    const struct network *net = NULL;
    float *values = NULL;
    enum status st = begin(&in, bytes, n_bytes, ret_report, err);

    if (st == ST_OK && in.own && !own_sees(in.file))
        st = own_blind(&in.outputs, in.n_inputs, &net, err);
    else if (st == ST_OK)
        st = graph_make(&in, &net, ret_report, err);
    if (st != ST_OK)
        goto out;
    values = malloc((net->n_params + net->n_state) * sizeof *values);
    st = values ? report_make(&in, net, ret_report, err) : error_nomem(err);
    if (st == ST_OK)
        st = model_of(&in, net, values, ret_report, ret_model, err);
out:
    network_unref(net);
    free(values);
    json_decref(in.notes);
    reader_release(&in.r);
    onnx_free(in.file);
    return st;
}
