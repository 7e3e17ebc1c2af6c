/* bench/onnx.h - a network with its weights as an ONNX file, for the runtimes that are measured beside us. */
#ifndef BENCH_ONNX_H
#define BENCH_ONNX_H

#include "cxrd/buf.h"
#include "cxrd/network.h"

/* Append a ModelProto of opset 13: "x" [n][1][S][S] -> "logits" [n][14], normalisations by their running statistics. A kind that it
 * does not know ends the program. */
void onnx_write(const struct network *net, const float *values, struct buf *out);

#endif
