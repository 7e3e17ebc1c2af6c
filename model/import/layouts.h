/* model/import/layouts.h - what others call the tensors of the architectures that are known here. */
#ifndef MODEL_IMPORT_LAYOUTS_H
#define MODEL_IMPORT_LAYOUTS_H

#include "cxrd/network.h"
#include "cxrd/safetensors.h"

#include <stdbool.h>
#include <stddef.h>

struct layout {
    const char *whose;        /* "torchvision", "timm" */
    const char *architecture; /* of cxrd/network.h */
    const char *mark,
        *never;        /* the end of a name that all such files have; of one that none of them has, or NULL */
    size_t results;    /* of the tensor `mark`, which tells the widths of a family apart; 0: any */
    const char *first; /* the tensor of the first convolution, as it is called here */
    bool (*ours)(const char *theirs,
                 char ret[TENSOR_NAME_BYTES]); /* NULL: the names are ours. False: it is not one of them */
};

/* The layout of these tensors, and what stands before their names: "module." and the like. NULL: none is known. */
const struct layout *layout_find(const struct array *arrays, size_t n, char ret_prefix[ARRAY_NAME_SIZE]);

/* A tensor's name here, once its prefix is gone. */
bool layout_name(const struct layout *l, const char *theirs, char ret[TENSOR_NAME_BYTES]);

/* Whether a name, without its prefix, is that of a dense layer at the end: "classifier.weight", "fc.0.bias". */
enum head_part { HEAD_NEITHER, HEAD_WEIGHT, HEAD_BIAS };
enum head_part head_part_of(const char *name);

/* Whether a name, as the file has it, is plainly that of a loss's buffer: "criterion.pos_weight". */
bool is_of_loss(const char *name);

#endif
