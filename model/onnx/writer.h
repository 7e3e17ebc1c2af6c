/* model/onnx/writer.h - an ONNX graph while it is written: nodes and constants are added one after the other.
 *
 * All messages lie in blocks that writer_release() frees; the values of tensors are borrowed and never copied. Names are the
 * writer's own (writer_name()) or literals. After the first failure, which can only be that memory is lacking, every call does
 * nothing that matters, and writer_status() tells of it; so who writes need not look. */
#ifndef MODEL_ONNX_WRITER_H
#define MODEL_ONNX_WRITER_H

#include "cxrd/status.h"

#include <onnx.pb-c.h>
#include <stdbool.h>
#include <stddef.h>

enum { WRITER_MAX_RANK = 4 };

struct writer {
    Onnx__GraphProto graph;
    struct writer_block *blocks;       /* all that was allocated, newest first */
    size_t room_nodes, room_constants; /* allocated, of the graph's lists */
    bool failed;
};

void writer_init(struct writer *w, const char *name); /* the graph's name */
void writer_release(struct writer *w);
MUST_USE enum status writer_status(const struct writer *w);

/* Zeroed memory that lives as long as the writer; NULL: none. */
void *writer_alloc(struct writer *w, size_t n);

/* A text, formatted; "" without memory. */
const char *writer_name(struct writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Add a node: op(inputs) -> output. Of `inputs` [n] the names count. Returns the output's name. The calls below add attributes to
 * the latest node. */
const char *writer_node(struct writer *w, const char *op, const char *output, size_t n,
                        const char *const inputs[]);
void writer_int(struct writer *w, const char *attribute, int64_t value);
void writer_float(struct writer *w, const char *attribute, float value);
void writer_ints(struct writer *w, const char *attribute, size_t n, const int64_t values[]);

/* Add a constant of these dimensions; the values are borrowed. Returns its name. */
const char *writer_floats(struct writer *w, const char *name, const float *values, size_t rank,
                          const size_t dims[]);
const char *writer_int64s(struct writer *w, const char *name, const int64_t *values, size_t rank,
                          const size_t dims[]);

/* One number; the same constant each time that it is asked for. */
const char *writer_number(struct writer *w, float value);

/* Inputs and outputs: float32 of these dimensions, a batch of them where `dims[0]` is 0.
 *   doc  a sentence for readers */
void writer_input(struct writer *w, const char *name, size_t rank, const size_t dims[], const char *doc);
void writer_output(struct writer *w, const char *name, size_t rank, const size_t dims[], const char *doc);

#endif
