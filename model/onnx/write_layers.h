/* model/onnx/write_layers.h - the nodes of a network as nodes of ONNX. */
#ifndef MODEL_ONNX_WRITE_LAYERS_H
#define MODEL_ONNX_WRITE_LAYERS_H

#include "../net/layer.h"
#include "writer.h"

/* Write all nodes of a network that sees a picture, and the tensors that they read, which are borrowed.
 *   image   the name of what node 0 is, scaled
 *   values  [n_params + n_state of the network]
 *   logits  what the last result, [n][labels], is called */
void write_layers(struct writer *w, const struct network *net, const float *values, const char *image,
                  const char *logits);

/* Whether there are operators for a kind. */
bool write_knows(const struct layer_ops *kind);

#endif
