/* model/torch/globals.c - the names that a pickle may ask for, and what they stand for here. A list of what is let in: whatever is
 * not on it is refused. */
#include "machine.h"

#include <string.h>

struct known {
    const char *module, *name;
    struct value value;
};

#define IS(what)                                            \
    {                                                       \
        .kind = KIND_GLOBAL, .global = {(what), DTYPE_F32 } \
    }
#define STORAGE_OF(dtype)                                          \
    {                                                              \
        .kind = KIND_GLOBAL, .global = { GLOBAL_STORAGE, (dtype) } \
    }

static const struct known KNOWN[] = {
    { "torch._utils", "_rebuild_tensor_v2", IS(GLOBAL_TENSOR) },
    { "torch._utils", "_rebuild_tensor", IS(GLOBAL_TENSOR) },
    { "torch._utils", "_rebuild_parameter", IS(GLOBAL_PARAMETER) },
    { "torch._utils", "_rebuild_parameter_with_state", IS(GLOBAL_PARAMETER) },
    { "collections", "OrderedDict", IS(GLOBAL_DICT) },
    { "torch", "FloatStorage", STORAGE_OF(DTYPE_F32) },
    { "torch", "DoubleStorage", STORAGE_OF(DTYPE_F64) },
    { "torch", "HalfStorage", STORAGE_OF(DTYPE_F16) },
    { "torch", "BFloat16Storage", STORAGE_OF(DTYPE_BF16) },
    { "torch", "LongStorage", STORAGE_OF(DTYPE_I64) },
    { "torch", "IntStorage", STORAGE_OF(DTYPE_I32) },
    { "torch", "ShortStorage", STORAGE_OF(DTYPE_I16) },
    { "torch", "CharStorage", STORAGE_OF(DTYPE_I8) },
    { "torch", "ByteStorage", STORAGE_OF(DTYPE_U8) },
    { "torch", "BoolStorage", STORAGE_OF(DTYPE_BOOL) },
    /* Objects beside the tensors of a checkpoint: settings, figures, states of optimisers. Not read. */
    { "torch", "Size", IS(GLOBAL_OTHER) },
    { "torch", "device", IS(GLOBAL_OTHER) },
    { "torch", "float32", IS(GLOBAL_OTHER) },
    { "torch", "float16", IS(GLOBAL_OTHER) },
    { "torch", "bfloat16", IS(GLOBAL_OTHER) },
    { "torch.nn.backends.thnn", "_get_thnn_function_backend", IS(GLOBAL_OTHER) },
    { "collections", "defaultdict", IS(GLOBAL_OTHER) },
    { "__builtin__", "set", IS(GLOBAL_OTHER) },
    { "builtins", "set", IS(GLOBAL_OTHER) },
    { "__builtin__", "dict", IS(GLOBAL_OTHER) },
    { "__builtin__", "getattr", IS(GLOBAL_ATTRIBUTE) }, /* a schedule's function, OneCycleLR's */
    { "builtins", "getattr", IS(GLOBAL_ATTRIBUTE) },
    { "argparse", "Namespace", IS(GLOBAL_CLASS) },
    { "_codecs", "encode", IS(GLOBAL_OTHER) },
    { "numpy", "dtype", IS(GLOBAL_OTHER) },
    { "numpy.core.multiarray", "scalar", IS(GLOBAL_OTHER) },
    { "numpy._core.multiarray", "scalar", IS(GLOBAL_OTHER) },
};

/* Modules whose classes have their tensors in _parameters and _buffers; and torch's optimisers and schedules, which have none there. */
static const char *const CLASSES_OF[] = { "torch.nn.modules.", "torch.nn.parallel.", "torchvision.models.",
                                          "torchvision.ops.",  "torchxrayvision.",   "timm.models.",
                                          "timm.layers.",      "torch.optim." };

static bool is_text(const char *at, size_t n, const char *text)
{
    return n == strlen(text) && memcmp(at, text, n) == 0;
}

/* A class's name has a capital letter, behind underscores, and no dot; a function's has none. */
static bool is_class_name(const char *name, size_t n)
{
    size_t first = 0;

    while (first < n && name[first] == '_')
        first++;
    return first < n && name[first] >= 'A' && name[first] <= 'Z' && !memchr(name, '.', n);
}

static bool is_class(const char *module, size_t n_module, const char *name, size_t n_name)
{
    for (size_t i = 0; i < sizeof CLASSES_OF / sizeof CLASSES_OF[0]; i++)
        if (n_module > strlen(CLASSES_OF[i]) && memcmp(module, CLASSES_OF[i], strlen(CLASSES_OF[i])) == 0)
            return is_class_name(name, n_name);
    return false;
}

enum status global_find(struct pickle *p, const char *module, size_t n_module, const char *name,
                        size_t n_name, struct value *ret)
{
    char a[SHOWN_SIZE], b[SHOWN_SIZE];

    for (size_t i = 0; i < sizeof KNOWN / sizeof KNOWN[0]; i++)
        if (is_text(module, n_module, KNOWN[i].module) && is_text(name, n_name, KNOWN[i].name)) {
            *ret = KNOWN[i].value;
            return ST_OK;
        }
    if (is_class(module, n_module, name, n_name)) {
        *ret = (struct value)IS(GLOBAL_CLASS);
        return ST_OK;
    }
    return error_set(p->err, ST_FORMAT,
                     "the pickle asks for '%s.%s' at byte %zu, which is not read: " NOTHING_RUNS
                     "; save model.state_dict() instead",
                     shown(module, n_module, a), shown(name, n_name, b), pickle_place(p));
}
