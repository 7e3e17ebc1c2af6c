/* model/onnx/write.c - a model as an ONNX file, see cxrd/onnx.h. */
#include "cxrd/onnx.h"

#include "cxrd/json.h"
#include "cxrd/version.h"
#include "cxrd/weights.h"
#include "write_ends.h"
#include "write_layers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    IR_VERSION = 7, /* the one that operator set 13 came with: who reads either reads both */
    OPERATOR_SET = 13,
};

static const char UNKNOWN[] =
    "NaN: not known; it is taken as the mean of the training rows, half of a history as what it is on the "
    "average beside the other half";

/* ---- the graph ---- */

static void put_image(struct writer *w, const struct model *m, const char *logits)
{
    const size_t size = model_preprocess(m)->size;

    writer_input(w, "image", 4, (size_t[]){ 0, 1, size, size },
                 "grey values in 0..255, resized as the metadata's 'resize' says; the graph scales them");
    write_layers(w, model_network(m), model_params(m), write_scaling(w, m), logits);
}

static void put_graph(struct writer *w, const struct model *m)
{
    const size_t n_labels = model_labels(m)->n;
    const bool takes = model_inputs(m)->n > 0, sees = model_sees(m);
    /* Of a model that is asked nothing there is one answer. */
    const size_t outputs[] = { takes || sees ? 0 : 1, n_labels };

    if (sees)
        put_image(w, m, takes ? LOGITS_BY_PICTURE : LOGITS);
    if (takes)
        writer_input(
            w, "inputs", 2, (size_t[]){ 0, model_inputs(m)->n },
            "in the order of the metadata's 'inputs', not standardised: age in years; sex 1 for M, 0 for F; "
            "view 1 for AP, 0 for PA; of a history 1 or 0; NaN where one is not known");
    write_answer(w, m);
    writer_output(w, "probabilities", 2, outputs, "of each finding on its own, calibrated");
    writer_output(w, LOGITS, 2, outputs, "of each finding, before the calibration");
}

/* ---- the metadata ---- */

/* From which probability on each finding is called positive, as a prediction says it: {"Mass":0.12,"Hernia":null}. */
static char *thresholds_text(const struct model *m)
{
    const struct labels *labels = model_labels(m);
    const float *t = model_operating(m)->threshold[OPERATE_YOUDEN];
    json_t *object;
    char *text;

    json_watch();
    object = json_object();
    for (size_t k = 0; k < labels->n; k++)
        json_object_set_new(object, labels->names[k], isnan(t[k]) ? json_null() : json_real((double)t[k]));
    text = json_built(object, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(object);
    return text;
}

/* Those of the weights file, but for what the graph has; and what a reader beside us must know. An object of strings;
 * NULL without memory. */
static json_t *metadata_make(const struct model *m)
{
    json_t *metadata = weights_metadata(m);
    char *thresholds = thresholds_text(m);
    bool ok = metadata && thresholds;

    if (ok) {
        static const char *const ELSEWHERE[] = { "format", "graph", "input_mean", "input_std" };

        for (size_t i = 0; i < sizeof ELSEWHERE / sizeof ELSEWHERE[0]; i++)
            json_object_del(metadata, ELSEWHERE[i]);
        ok = json_object_set_new(metadata, "intended_use", json_string(INTENDED_USE)) == 0 &&
             json_object_set_new(metadata, "thresholds", json_string(thresholds)) == 0 &&
             (model_inputs(m)->n == 0 ||
              json_object_set_new(metadata, "inputs_unknown", json_string(UNKNOWN)) == 0);
    }
    free(thresholds);
    if (ok)
        return metadata;
    json_decref(metadata);
    return NULL;
}

/* Its texts stay the metadata's. */
static void put_metadata(struct writer *w, const json_t *metadata, Onnx__ModelProto *ret)
{
    const size_t n = json_object_size(metadata);
    const char *key;
    json_t *value;

    ret->metadata_props = writer_alloc(w, n * sizeof(Onnx__StringStringEntryProto *));
    json_object_foreach ((json_t *)metadata, key, value) {
        Onnx__StringStringEntryProto *entry = writer_alloc(w, sizeof *entry);

        if (!entry)
            return;
        *entry = (Onnx__StringStringEntryProto)ONNX__STRING_STRING_ENTRY_PROTO__INIT;
        entry->key = (char *)key;
        entry->value = (char *)json_string_value(value);
        ret->metadata_props[ret->n_metadata_props++] = entry;
    }
}

/* ---- the file ---- */

/* In one piece: protobuf-c's way of writing to a stream copies every message that is inside another. */
static enum status pack(const Onnx__ModelProto *model, struct buf *out, struct error *err)
{
    const size_t n = protobuf_c_message_get_packed_size(&model->base);
    char *to = buf_extend(out, n);

    if (!to)
        return error_set(err, buf_status(out), "the ONNX file does not fit");
    protobuf_c_message_pack(&model->base, (uint8_t *)to);
    return ST_OK;
}

enum status onnx_write(const struct model *m, struct buf *out, struct error *err)
{
    Onnx__OperatorSetIdProto operators = ONNX__OPERATOR_SET_ID_PROTO__INIT, *imports = &operators;
    Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;
    json_t *metadata;
    enum status st = ST_OK;
    struct writer w;

    if (model_is_backbone(m)) /* nobody else would know that its probabilities mean nothing */
        return error_set(err, ST_CONFLICT, BACKBONE_REFUSED);
    metadata = metadata_make(m);
    writer_init(&w, model_network(m)->architecture);
    put_graph(&w, m);
    put_metadata(&w, metadata, &model);
    operators.domain = "";
    operators.has_version = true;
    operators.version = OPERATOR_SET;
    model.has_ir_version = true;
    model.ir_version = IR_VERSION;
    model.n_opset_import = 1;
    model.opset_import = &imports;
    model.producer_name = "cxrd";
    model.producer_version = CXRD_VERSION;
    model.doc_string = INTENDED_USE;
    model.graph = &w.graph;
    st = metadata && writer_status(&w) == ST_OK ? pack(&model, out, err) : error_nomem(err);
    writer_release(&w);
    json_decref(metadata);
    return st;
}
