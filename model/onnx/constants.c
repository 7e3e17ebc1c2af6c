/* model/onnx/constants.c - TensorProto as numbers, see reader.h. */
#include "reader.h"

#include <math.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "raw_data is little-endian"
#endif

size_t dims_count(const struct dims *d)
{
    size_t n = 1;

    for (size_t i = 0; i < d->rank; i++)
        n *= d->at[i];
    return n;
}

bool dims_equal(const struct dims *a, const struct dims *b)
{
    if (a->rank != b->rank)
        return false;
    for (size_t i = 0; i < a->rank; i++)
        if (a->at[i] != b->at[i])
            return false;
    return true;
}

/* Whether there can be such a tensor at all: its numbers can be counted, and there are no more than bytes in the largest file. */
static bool dims_sane(const struct dims *d)
{
    size_t n = 1;

    for (size_t i = 0; i < d->rank; i++)
        if (__builtin_mul_overflow(n, d->at[i], &n) || n > ONNX_MAX_BYTES || d->at[i] > ONNX_MAX_BYTES)
            return false;
    return true;
}

static bool constant_begin(struct reader *r, const struct dims *d, struct constant *ret)
{
    if (!dims_sane(d))
        reader_refuse(r, "a constant of it would have more than %d numbers", ONNX_MAX_BYTES);
    if (r->st != ST_OK)
        return false;
    *ret = (struct constant){ .dims = *d, .count = dims_count(d) };
    return true;
}

bool constant_floats(struct reader *r, const struct dims *d, struct constant *ret, float **ret_floats)
{
    if (!constant_begin(r, d, ret))
        return false;
    *ret_floats = reader_alloc(r, ret->count, sizeof **ret_floats);
    ret->floats = *ret_floats;
    return *ret_floats != NULL;
}

bool constant_integers(struct reader *r, const struct dims *d, struct constant *ret, int64_t **ret_integers)
{
    if (!constant_begin(r, d, ret))
        return false;
    *ret_integers = reader_alloc(r, ret->count, sizeof **ret_integers);
    ret->integers = *ret_integers;
    return *ret_integers != NULL;
}

/* ---- the types there are ---- */

/* IEEE 754's binary16. */
static float half_float(uint16_t h)
{
    const int exponent = h >> 10 & 31, fraction = h & 1023;
    float v;

    if (exponent == 31)
        v = fraction ? NAN : INFINITY;
    else
        v = exponent ? ldexpf((float)(1024 + fraction), exponent - 25) : ldexpf((float)fraction, -24);
    return h & 0x8000 ? -v : v;
}

static float brain_float(uint16_t h)
{
    const uint32_t bits = (uint32_t)h << 16;
    float v;

    memcpy(&v, &bits, sizeof v);
    return v;
}

struct number_type {
    const char *name;
    int32_t type;
    bool is_float;
    size_t size; /* bytes of a number in raw_data */
};
static const struct number_type TYPES[] = {
    { "float", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, true, 4 },
    { "double", ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE, true, 8 },
    { "float16", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16, true, 2 },
    { "bfloat16", ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16, true, 2 },
    { "int64", ONNX__TENSOR_PROTO__DATA_TYPE__INT64, false, 8 },
    { "int32", ONNX__TENSOR_PROTO__DATA_TYPE__INT32, false, 4 },
    { "uint8", ONNX__TENSOR_PROTO__DATA_TYPE__UINT8, false, 1 },
    { "bool", ONNX__TENSOR_PROTO__DATA_TYPE__BOOL, false, 1 },
};

static const struct number_type *type_of(const Onnx__TensorProto *t)
{
    for (size_t i = 0; i < sizeof TYPES / sizeof TYPES[0]; i++)
        if (t->has_data_type && TYPES[i].type == t->data_type)
            return &TYPES[i];
    return NULL;
}

/* How many numbers lie in the field that is the type's own, beside raw_data. */
static size_t count_in_field(const Onnx__TensorProto *t, const struct number_type *type)
{
    switch (type->type) {
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT: return t->n_float_data;
    case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE: return t->n_double_data;
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT64: return t->n_int64_data;
    default: return t->n_int32_data;
    }
}

static float float_at(const Onnx__TensorProto *t, const struct number_type *type, size_t i)
{
    const bool raw = t->raw_data.len > 0;
    uint16_t half;
    double number;

    if (type->type == ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE) {
        memcpy(&number, raw ? t->raw_data.data + i * sizeof number : (const uint8_t *)&t->double_data[i],
               sizeof number);
        return (float)number;
    }
    if (raw)
        memcpy(&half, t->raw_data.data + i * sizeof half, sizeof half);
    else
        half = (uint16_t)t->int32_data[i];
    return type->type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16 ? half_float(half) : brain_float(half);
}

static int64_t integer_at(const Onnx__TensorProto *t, const struct number_type *type, size_t i)
{
    int32_t number;

    if (t->raw_data.len == 0)
        return t->int32_data[i];
    if (type->size == 1)
        return t->raw_data.data[i];
    memcpy(&number, t->raw_data.data + i * sizeof number, sizeof number);
    return number;
}

static void numbers_convert(struct reader *r, const Onnx__TensorProto *t, const struct number_type *type,
                            struct constant *ret)
{
    const struct dims dims = ret->dims;
    float *floats;
    int64_t *integers;

    if (type->is_float && constant_floats(r, &dims, ret, &floats))
        for (size_t i = 0; i < ret->count; i++)
            floats[i] = float_at(t, type, i);
    if (!type->is_float && constant_integers(r, &dims, ret, &integers))
        for (size_t i = 0; i < ret->count; i++)
            integers[i] = integer_at(t, type, i);
}

/* Numbers that lie in memory as they are wanted are borrowed: what protobuf-c allocates is aligned for any of them. */
static void numbers_read(struct reader *r, const Onnx__TensorProto *t, const struct number_type *type,
                         struct constant *ret)
{
    static const float NO_FLOAT;
    static const int64_t NO_INTEGER;
    const void *raw = t->raw_data.len > 0 ? t->raw_data.data : NULL;

    if (type->type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT)
        ret->floats = raw ? raw : t->n_float_data ? t->float_data : &NO_FLOAT;
    else if (type->type == ONNX__TENSOR_PROTO__DATA_TYPE__INT64)
        ret->integers = raw ? raw : t->n_int64_data ? t->int64_data : &NO_INTEGER;
    else
        numbers_convert(r, t, type, ret);
}

static bool dims_read(struct reader *r, const Onnx__TensorProto *t, struct dims *ret)
{
    ret->rank = t->n_dims;
    for (size_t i = 0; i < t->n_dims && i < ONNX_MAX_RANK; i++)
        ret->at[i] = t->dims[i] < 0 ? SIZE_MAX : (size_t)t->dims[i];
    if (t->n_dims <= ONNX_MAX_RANK && dims_sane(ret))
        return true;
    reader_refuse(r, "the constant '%.60s' has a shape that no tensor of a network has",
                  t->name ? t->name : "");
    return false;
}

void constant_read(struct reader *r, const Onnx__TensorProto *t, struct constant *ret)
{
    const struct number_type *type = type_of(t);
    const char *name = t->name ? t->name : "";
    struct dims dims = { 0 };
    size_t there;

    *ret = (struct constant){ 0 };
    if (t->n_external_data > 0 || t->data_location != ONNX__TENSOR_PROTO__DATA_LOCATION__DEFAULT)
        reader_refuse(r, "the numbers of '%.60s' lie in another file; save the model as one file", name);
    if (!type)
        reader_refuse(r, "the constant '%.60s' is of type %d of ONNX's, which is not read", name,
                      (int)t->data_type);
    if (t->segment)
        reader_refuse(r, "the constant '%.60s' is a part of a tensor", name);
    if (!type || r->st != ST_OK || !dims_read(r, t, &dims))
        return;
    *ret = (struct constant){ .dims = dims, .count = dims_count(&dims) };
    there = t->raw_data.len > 0 ? t->raw_data.len / type->size : count_in_field(t, type);
    if (there != ret->count ||
        (t->raw_data.len > 0 && (t->raw_data.len % type->size != 0 || count_in_field(t, type) > 0))) {
        reader_refuse(r, "the constant '%.60s' has %zu numbers of type %s, its shape asks for %zu", name,
                      there, type->name, ret->count);
        return;
    }
    numbers_read(r, t, type, ret);
}
