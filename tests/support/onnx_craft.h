/* tests/support/onnx_craft.h - ONNX files by hand: what exporters write, and what none does. */
#ifndef TESTS_SUPPORT_ONNX_CRAFT_H
#define TESTS_SUPPORT_ONNX_CRAFT_H

#include "cxrd/buf.h"

#include <onnx.pb-c.h>
#include <stddef.h>

enum { CRAFT_MAX = 64 };

struct craft {
    Onnx__ModelProto model;
    Onnx__GraphProto graph;
    Onnx__OperatorSetIdProto opset, *opsets[1];
    Onnx__NodeProto *nodes[CRAFT_MAX];
    Onnx__TensorProto *tensors[CRAFT_MAX];
    Onnx__ValueInfoProto *inputs[CRAFT_MAX], *outputs[CRAFT_MAX];
    Onnx__StringStringEntryProto *properties[CRAFT_MAX];
    void *blocks[64 * CRAFT_MAX];
    size_t n_blocks;
};

/* A graph with one input of float32, "image" [dims], and one output, "out". A dimension of 0 is left open. craft_release() it. */
void craft_begin(struct craft *c, size_t rank, const int64_t dims[]);
void craft_release(struct craft *c);

/* A constant: numbers between -1 and 1 that only its name decides, or those that are given. */
Onnx__TensorProto *craft_weights(struct craft *c, const char *name, size_t rank, const int64_t dims[]);
Onnx__TensorProto *craft_floats(struct craft *c, const char *name, size_t rank, const int64_t dims[],
                                const float values[]);
Onnx__TensorProto *craft_int64s(struct craft *c, const char *name, size_t rank, const int64_t dims[],
                                const int64_t values[]);

/* A node: op("a b c") -> "d e", called as its first result. Names between blanks; "-" for one that is left out. */
Onnx__NodeProto *craft_node(struct craft *c, const char *op, const char *inputs, const char *outputs);
Onnx__AttributeProto *craft_int(struct craft *c, Onnx__NodeProto *node, const char *name, int64_t value);
Onnx__AttributeProto *craft_float(struct craft *c, Onnx__NodeProto *node, const char *name, float value);
Onnx__AttributeProto *craft_ints(struct craft *c, Onnx__NodeProto *node, const char *name, size_t n,
                                 const int64_t values[]);
Onnx__AttributeProto *craft_text(struct craft *c, Onnx__NodeProto *node, const char *name, const char *value);

void craft_property(struct craft *c, const char *key, const char *value);
void *craft_alloc(struct craft *c, size_t n);

/* The file; buf_release() it. */
struct buf craft_file(const struct craft *c);

#endif
