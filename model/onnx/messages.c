/* model/onnx/messages.c - see messages.h. A message is a list of fields: a key, number << 3 | type, then what the type says
 * (protobuf.dev, "Encoding"). */
#include "messages.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

enum {
    MAX_DEPTH = 12,         /* the deepest that a network needs is a dimension of a value's type: 6 */
    MAX_FIELDS = 1 << 20,   /* DenseNet-121's has 22,000 */
    SPARE_BYTES = 64 << 20, /* for the structs themselves, beside what the file's bytes become */
};
enum { WIRE_VARINT, WIRE_8_BYTES, WIRE_BYTES, WIRE_4_BYTES = 5 };

struct walk {
    const uint8_t *begin;
    size_t n_fields;
    struct error *err;
};

static enum status malformed(const struct walk *w, const uint8_t *at)
{
    return error_set(w->err, ST_FORMAT,
                     "this is no ONNX model, or only a part of one: its byte %zu is not understood",
                     (size_t)(at - w->begin));
}

static bool varint(const uint8_t **at, const uint8_t *end, uint64_t *ret)
{
    *ret = 0;
    for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
        const uint8_t byte = *(*at)++;

        *ret |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return true;
    }
    return false;
}

/* Step over a field's value; *ret_n bytes at *at are what is in it, of one that has a length. */
static bool value_at(const uint8_t **at, const uint8_t *end, unsigned type, size_t *ret_n)
{
    uint64_t n = 0;

    *ret_n = 0;
    if (type == WIRE_VARINT)
        return varint(at, end, &n);
    if (type == WIRE_8_BYTES || type == WIRE_4_BYTES)
        n = type == WIRE_8_BYTES ? 8 : 4;
    else if (type != WIRE_BYTES || !varint(at, end, &n))
        return false;
    if (n > (size_t)(end - *at))
        return false;
    if (type == WIRE_BYTES)
        *ret_n = (size_t)n;
    else
        *at += n;
    return true;
}

static enum status message_walk(struct walk *w, const ProtobufCMessageDescriptor *d, const uint8_t *at,
                                const uint8_t *end, size_t depth);

/* The kind of a field: a message is walked, anything else is bytes. */
static enum status inside(struct walk *w, const ProtobufCMessageDescriptor *d,
                          const ProtobufCFieldDescriptor *field, const uint8_t *at, size_t n, size_t depth)
{
    if (!field || field->type != PROTOBUF_C_TYPE_MESSAGE)
        return ST_OK;
    if (d == &onnx__attribute_proto__descriptor && field->descriptor == &onnx__graph_proto__descriptor)
        return error_set(w->err, ST_FORMAT,
                         "a node of the graph holds a graph of its own: control flow is not read");
    return message_walk(w, field->descriptor, at, at + n, depth + 1);
}

static enum status message_walk(struct walk *w, const ProtobufCMessageDescriptor *d, const uint8_t *at,
                                const uint8_t *end, size_t depth)
{
    uint64_t seen = 0, key;
    enum status st = ST_OK;

    assert(d->n_fields <= 64);
    if (depth > MAX_DEPTH)
        return error_set(w->err, ST_FORMAT, "its messages lie more than %d deep in each other", MAX_DEPTH);
    while (at < end && st == ST_OK) {
        const uint8_t *begin = at;
        const ProtobufCFieldDescriptor *field = NULL;
        size_t n;

        if (!varint(&at, end, &key) || key >> 3 == 0 || key >> 32 != 0 || !value_at(&at, end, key & 7, &n))
            return malformed(w, begin);
        if (++w->n_fields > MAX_FIELDS)
            return error_set(w->err, ST_LIMIT, "it has more than %d fields", MAX_FIELDS);
        field = protobuf_c_message_descriptor_get_field(d, (unsigned)(key >> 3));
        if (field && field->label != PROTOBUF_C_LABEL_REPEATED) {
            const uint64_t bit = (uint64_t)1 << (field - d->fields);

            if (seen & bit)
                return error_set(w->err, ST_FORMAT, "byte %zu: the field '%s' is there twice",
                                 (size_t)(begin - w->begin), field->name);
            seen |= bit;
        }
        st = inside(w, d, field, at, n, depth);
        at += n;
    }
    return st;
}

/* ---- what protobuf-c may allocate ---- */

struct budget {
    size_t left;
    bool spent, no_memory;
};

static void *budget_alloc(void *context, size_t n)
{
    struct budget *b = context;
    void *p = NULL;

    if (n > b->left) {
        b->spent = true;
        return NULL;
    }
    b->left -= n;
    p = malloc(n ? n : 1);
    b->no_memory |= p == NULL;
    return p;
}

static void budget_free(void *context, void *p)
{
    (void)context;
    free(p);
}

enum status onnx_unpack(const void *bytes, size_t n_bytes, Onnx__ModelProto **ret, struct error *err)
{
    struct walk walk = { .begin = bytes, .err = err };
    struct budget budget = { .left = n_bytes + SPARE_BYTES };
    ProtobufCAllocator allocator = { budget_alloc, budget_free, &budget };
    enum status st;

    if (n_bytes == 0)
        return error_set(err, ST_FORMAT, "the file is empty");
    if (n_bytes > ONNX_MAX_BYTES)
        return error_set(err, ST_LIMIT, "the file is larger than %d MiB", ONNX_MAX_BYTES >> 20);
    st = message_walk(&walk, &onnx__model_proto__descriptor, bytes, walk.begin + n_bytes, 0);
    if (st != ST_OK)
        return st;
    *ret = onnx__model_proto__unpack(&allocator, n_bytes, bytes);
    if (*ret)
        return ST_OK;
    if (budget.no_memory)
        return error_nomem(err);
    if (budget.spent)
        return error_set(err, ST_LIMIT, "it would need far more memory than a network of its size");
    return error_set(err, ST_FORMAT, "this is no ONNX model: protobuf-c does not read it");
}

void onnx_free(Onnx__ModelProto *m)
{
    if (m)
        onnx__model_proto__free_unpacked(m, NULL);
}
