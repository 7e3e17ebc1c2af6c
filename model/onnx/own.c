/* model/onnx/own.c - see own.h. */
#include "own.h"

#include "cxrd/json.h"
#include "write_ends.h"

#include <stdlib.h>
#include <string.h>

/* ---- what the file says ---- */

const char *own_property(const Onnx__ModelProto *m, const char *key)
{
    for (size_t i = 0; i < m->n_metadata_props; i++)
        if (m->metadata_props[i]->key && strcmp(m->metadata_props[i]->key, key) == 0)
            return m->metadata_props[i]->value;
    return NULL;
}

bool own_is(const Onnx__ModelProto *m)
{
    return m->producer_name && strcmp(m->producer_name, "cxrd") == 0 && own_property(m, "labels");
}

bool own_sees(const Onnx__ModelProto *m) { return own_property(m, "image_size"); }

const char *own_logits(const Onnx__ModelProto *m)
{
    return own_property(m, "inputs") ? LOGITS_BY_PICTURE : LOGITS;
}

/* The members that become notes: all that the model's own parts do not say. */
static bool is_note(const char *key)
{
    static const char *const PARTS[] = { "format",  "architecture", "graph",        "image_size",
                                         "resize",  "input_mean",   "input_std",    "labels",
                                         "head",    "thresholds",   "intended_use", "inputs_unknown",
                                         "channels" };

    for (size_t i = 0; i < sizeof PARTS / sizeof PARTS[0]; i++)
        if (strcmp(key, PARTS[i]) == 0)
            return false;
    return key[strspn(key, "abcdefghijklmnopqrstuvwxyz_")] == '\0';
}

enum status own_notes(const Onnx__ModelProto *m, json_t **ret, struct error *err)
{
    *ret = json_object();
    for (size_t i = 0; i < m->n_metadata_props && *ret; i++) {
        const Onnx__StringStringEntryProto *p = m->metadata_props[i];

        if (p->key && p->value && is_note(p->key) &&
            json_object_set_new(*ret, p->key, json_any_text(p->value)) != 0)
            return error_nomem(err);
    }
    return *ret ? ST_OK : error_nomem(err);
}

enum status own_outputs(const Onnx__ModelProto *m, struct outputs *ret, size_t *ret_inputs, json_t *report,
                        struct error *err)
{
    const char *text = own_property(m, "inputs");
    struct inputs in = { 0 };
    struct error why;
    json_t *list;

    *ret = (struct outputs){ .fresh = false };
    if (labels_parse(own_property(m, "labels"), &ret->labels, &why) != ST_OK)
        return error_set(err, ST_FORMAT, "the metadata's 'labels': %.200s", why.text);
    if (text) {
        const enum status st = inputs_parse(text, &ret->labels, &in, err);

        if (st != ST_OK)
            return st;
    }
    *ret_inputs = in.n;
    json_watch();
    list = json_array();
    for (size_t k = 0; k < ret->labels.n; k++) {
        ret->from[k] = k;
        json_array_append_new(list, json_pack("{s:I,s:s,s:s}", "output", (json_int_t)k, "name",
                                              ret->labels.names[k], "label", ret->labels.names[k]));
    }
    json_object_set_new(report, "outputs", list);
    json_object_set_new(report, "labels_from", json_string("file"));
    json_object_set_new(report, "head", json_string("kept"));
    return json_ran_out() ? error_nomem(err) : ST_OK;
}

/* ---- what has no node ---- */

enum status own_blind(const struct outputs *o, size_t n_inputs, const struct network **ret_net,
                      struct error *err)
{
    return network_new(
        &(struct network_spec){ .architecture = "logistic", .n_labels = o->labels.n, .n_inputs = n_inputs },
        ret_net, err);
}

static void tensor_fill(struct reader *r, const struct tensor *t, float *ret_values)
{
    const Onnx__TensorProto *from = NULL;
    struct constant c;

    for (size_t i = 0; i < r->graph->n_initializer && !from; i++)
        if (r->graph->initializer[i]->name && strcmp(r->graph->initializer[i]->name, t->name) == 0)
            from = r->graph->initializer[i];
    if (!from) {
        reader_refuse(r, "the constant '%s' is missing", t->name);
        return;
    }
    constant_read(r, from, &c);
    if (r->st == ST_OK && (!c.floats || c.count != t->count))
        reader_refuse(r, "the constant '%s' is not what the metadata say: %zu numbers", t->name, t->count);
    if (r->st == ST_OK && c.floats)
        memcpy(ret_values + t->offset, c.floats, t->count * sizeof *ret_values);
}

void own_fill(struct reader *r, const struct network *net, float *ret_values)
{
    for (size_t i = 0; i < net->n_tensors; i++)
        if (!network_sees(net) || (net->n_inputs > 0 && net->tensors[i].offset == net->head_inputs))
            tensor_fill(r, &net->tensors[i], ret_values);
}

/* ---- whether the graph says the same ---- */

static bool same(const ProtobufCMessage *a, const ProtobufCMessage *b, bool *ret_nomem)
{
    const size_t n = protobuf_c_message_get_packed_size(a);
    uint8_t *bytes;
    bool alike;

    if (n != protobuf_c_message_get_packed_size(b))
        return false;
    bytes = malloc(2 * n + 1);
    if (!bytes) {
        *ret_nomem = true;
        return false;
    }
    protobuf_c_message_pack(a, bytes);
    protobuf_c_message_pack(b, bytes + n);
    alike = memcmp(bytes, bytes + n, n) == 0;
    free(bytes);
    return alike;
}

/* The file's node that gives a value. */
static const Onnx__NodeProto *maker_of(const Onnx__GraphProto *graph, const char *value)
{
    for (size_t i = 0; i < graph->n_node; i++)
        if (graph->node[i]->n_output == 1 && strcmp(graph->node[i]->output[0], value) == 0)
            return graph->node[i];
    return NULL;
}

static const Onnx__TensorProto *constant_of(const Onnx__GraphProto *graph, const char *name)
{
    for (size_t i = 0; i < graph->n_initializer; i++)
        if (graph->initializer[i]->name && strcmp(graph->initializer[i]->name, name) == 0)
            return graph->initializer[i];
    return NULL;
}

/* The first node or constant that the file does not have as it must be; NULL: it has all. */
static const char *difference(const Onnx__GraphProto *file, const Onnx__GraphProto *must, bool *ret_nomem)
{
    for (size_t i = 0; i < must->n_initializer; i++) {
        const Onnx__TensorProto *c = constant_of(file, must->initializer[i]->name);

        if (!c || !same(&c->base, &must->initializer[i]->base, ret_nomem))
            return must->initializer[i]->name;
    }
    for (size_t i = 0; i < must->n_node; i++) {
        const Onnx__NodeProto *node = maker_of(file, must->node[i]->output[0]);

        if (!node || !same(&node->base, &must->node[i]->base, ret_nomem))
            return must->node[i]->output[0];
    }
    return NULL;
}

enum status own_check(const Onnx__ModelProto *file, const struct model *m, struct error *err)
{
    struct writer w;
    const char *other = NULL;
    bool nomem = false;
    enum status st;

    writer_init(&w, "");
    write_answer(&w, m);
    if (writer_status(&w) == ST_OK)
        other = difference(file->graph, &w.graph, &nomem);
    if (nomem || writer_status(&w) != ST_OK)
        st = error_nomem(err);
    else if (other)
        st = error_set(err, ST_FORMAT,
                       "the file is one of cxrd's, but its '%.80s' is not what its metadata make of it",
                       other);
    else
        st = ST_OK;
    writer_release(&w);
    return st;
}
