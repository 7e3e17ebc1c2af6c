/* model/onnx/operators.c - the operators that are read, see reader.h. */
#include "reader.h"

#include <string.h>

enum { MANY = 512 }; /* the last layer of DenseNet-264's largest block joins 65 */

/* Operators that are known and still refused, because they would mean something else. */
static void refuse_softmax(struct reader *r)
{
    reader_refuse(
        r, "its results exclude each other, findings do not: a model for one class of many is not read");
}

static const struct operator OPERATORS[] = {
    { "Add", 2, 2, "", fold_add, build_add },
    { "AveragePool", 1, 1, "auto_pad ceil_mode count_include_pad dilations kernel_shape pads strides", NULL,
      build_average_pool },
    { "BatchNormalization", 5, 5, "epsilon momentum spatial training_mode", NULL, build_norm },
    { "Cast", 1, 1, "to saturate", fold_cast, build_cast },
    { "Ceil", 1, 1, "", fold_ceil, NULL },
    { "Clip", 1, 3, "min max", NULL, build_clip },
    { "Concat", 1, MANY, "axis", fold_concat, build_concat },
    { "Constant", 0, 0, "value value_float value_floats value_int value_ints", fold_constant, NULL },
    { "ConstantOfShape", 1, 1, "value", fold_filled, NULL },
    { "Conv", 2, 3, "auto_pad dilations group kernel_shape pads strides", NULL, build_conv },
    { "Div", 2, 2, "", fold_div, build_div },
    { "Dropout", 1, 3, "ratio seed", fold_dropout, build_dropout },
    { "Equal", 2, 2, "", fold_equal, NULL },
    { "Expand", 2, 2, "", fold_expand, build_expand },
    { "Flatten", 1, 1, "axis", NULL, build_flatten },
    { "Floor", 1, 1, "", fold_floor, NULL },
    { "Gather", 2, 2, "axis", fold_gather, NULL },
    { "Gemm", 2, 3, "alpha beta transA transB", NULL, build_gemm },
    { "GlobalAveragePool", 1, 1, "", NULL, build_global_average },
    { "GlobalMaxPool", 1, 1, "", NULL, build_global_max },
    { "HardSigmoid", 1, 1, "alpha beta", NULL, build_hard_sigmoid },
    { "HardSwish", 1, 1, "", NULL, build_hard_swish },
    { "Identity", 1, 1, "", fold_same, build_same },
    { "LeakyRelu", 1, 1, "alpha", NULL, build_leaky_relu },
    { "LogSoftmax", 1, 1, "axis", NULL, refuse_softmax },
    { "MatMul", 2, 2, "", NULL, build_matmul },
    { "Max", 2, 2, "", fold_max, build_max },
    { "MaxPool", 1, 1, "auto_pad ceil_mode dilations kernel_shape pads storage_order strides", NULL,
      build_max_pool },
    { "Min", 2, 2, "", fold_min, build_min },
    { "Mul", 2, 2, "", fold_mul, build_mul },
    { "Neg", 1, 1, "", fold_neg, build_neg },
    { "Pad", 1, 4, "mode pads value", NULL, build_pad },
    { "Range", 3, 3, "", fold_range, NULL },
    { "ReduceMax", 1, 2, "axes keepdims noop_with_empty_axes", NULL, build_reduce_max },
    { "ReduceMean", 1, 2, "axes keepdims noop_with_empty_axes", NULL, build_reduce_mean },
    { "Relu", 1, 1, "", NULL, build_relu },
    { "Reshape", 2, 2, "allowzero", fold_reshape, build_reshape },
    { "Shape", 1, 1, "start end", fold_shape, fold_shape },
    { "Sigmoid", 1, 1, "", NULL, build_sigmoid },
    { "Slice", 1, 5, "starts ends axes", fold_slice, build_slice },
    { "Softmax", 1, 1, "axis", NULL, refuse_softmax },
    { "Split", 1, 2, "axis num_outputs split", NULL, build_split, true },
    { "Sqrt", 1, 1, "", fold_sqrt, NULL },
    { "Squeeze", 1, 2, "axes", fold_squeeze, build_squeeze },
    { "Sub", 2, 2, "", fold_sub, build_sub },
    { "Sum", 1, MANY, "", NULL, build_sum },
    { "Tile", 2, 2, "", NULL, build_tile },
    { "Transpose", 1, 1, "perm", fold_transpose, build_transpose },
    { "Unsqueeze", 1, 2, "axes", fold_unsqueeze, build_unsqueeze },
    { "Where", 3, 3, "", fold_where, NULL },
};

const struct operator* operator_find(const char *name)
{
    for (size_t i = 0; i < sizeof OPERATORS / sizeof OPERATORS[0]; i++)
        if (strcmp(OPERATORS[i].name, name) == 0)
            return &OPERATORS[i];
    return NULL;
}
