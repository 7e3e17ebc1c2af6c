/* model/onnx/fold_numbers.c - arithmetic of constants: what exporters write to work out shapes, see reader.h. */
#include "reader.h"

#include <math.h>

/* The place in an input that place `i` of a result reads, where the input is repeated along axes of one. */
static size_t source_place(const struct dims *out, const struct dims *in, size_t i)
{
    size_t place = 0, step = 1;

    for (size_t k = 0; k < out->rank; k++) {
        const size_t axis = out->rank - 1 - k, at = i % out->at[axis];

        i /= out->at[axis];
        if (k < in->rank) {
            place += in->at[in->rank - 1 - k] == 1 ? 0 : at * step;
            step *= in->at[in->rank - 1 - k];
        }
    }
    return place;
}

/* ---- of two ---- */

struct arithmetic {
    bool (*integers)(int64_t a, int64_t b, int64_t *ret); /* false: there is no such number */
    float (*floats)(float a, float b);
};

static void fold_pair(struct reader *r, const struct arithmetic *f)
{
    const struct constant *a = input_constant(r, 0), *b = input_constant(r, 1);
    struct constant c;
    struct dims d;
    int64_t *integers = NULL;
    float *floats = NULL;

    if (!a || !b)
        return;
    if (!a->floats != !b->floats) {
        reader_refuse(r, "its inputs are integers and floating-point numbers");
        return;
    }
    if (!broadcast_dims(r, &a->dims, &b->dims, &d))
        return;
    if (!(a->floats ? constant_floats(r, &d, &c, &floats) : constant_integers(r, &d, &c, &integers)))
        return;
    for (size_t i = 0; i < c.count && r->st == ST_OK; i++) {
        const size_t at = source_place(&d, &a->dims, i), bt = source_place(&d, &b->dims, i);

        if (floats && b->floats)
            floats[i] = f->floats(a->floats[at], b->floats[bt]);
        else if (integers && !f->integers(a->integers[at], b->integers[bt], &integers[i]))
            reader_refuse(r, "there is no such integer");
    }
    give_constant(r, &c);
}

static bool add(int64_t a, int64_t b, int64_t *ret) { return !__builtin_add_overflow(a, b, ret); }
static bool sub(int64_t a, int64_t b, int64_t *ret) { return !__builtin_sub_overflow(a, b, ret); }
static bool mul(int64_t a, int64_t b, int64_t *ret) { return !__builtin_mul_overflow(a, b, ret); }
static bool quotient(int64_t a, int64_t b, int64_t *ret)
{
    if (b == 0 || (a == INT64_MIN && b == -1))
        return false;
    *ret = a / b;
    return true;
}
static bool least(int64_t a, int64_t b, int64_t *ret)
{
    *ret = a < b ? a : b;
    return true;
}
static bool largest(int64_t a, int64_t b, int64_t *ret)
{
    *ret = a > b ? a : b;
    return true;
}
static float add_floats(float a, float b) { return a + b; }
static float sub_floats(float a, float b) { return a - b; }
static float mul_floats(float a, float b) { return a * b; }
static float quotient_floats(float a, float b) { return a / b; }

void fold_add(struct reader *r) { fold_pair(r, &(struct arithmetic){ add, add_floats }); }
void fold_sub(struct reader *r) { fold_pair(r, &(struct arithmetic){ sub, sub_floats }); }
void fold_mul(struct reader *r) { fold_pair(r, &(struct arithmetic){ mul, mul_floats }); }
void fold_div(struct reader *r) { fold_pair(r, &(struct arithmetic){ quotient, quotient_floats }); }
void fold_min(struct reader *r) { fold_pair(r, &(struct arithmetic){ least, fminf }); }
void fold_max(struct reader *r) { fold_pair(r, &(struct arithmetic){ largest, fmaxf }); }

void fold_equal(struct reader *r)
{
    const struct constant *a = input_constant(r, 0), *b = input_constant(r, 1);
    struct constant c;
    struct dims d;
    int64_t *out;

    if (!a || !b)
        return;
    if (!a->integers || !b->integers) {
        reader_refuse(r, "only integers are compared");
        return;
    }
    if (!broadcast_dims(r, &a->dims, &b->dims, &d) || !constant_integers(r, &d, &c, &out))
        return;
    for (size_t i = 0; i < c.count; i++)
        out[i] = a->integers[source_place(&d, &a->dims, i)] == b->integers[source_place(&d, &b->dims, i)];
    give_constant(r, &c);
}

void fold_where(struct reader *r)
{
    const struct constant *which = input_constant(r, 0), *a = input_constant(r, 1), *b = input_constant(r, 2);
    struct constant c;
    struct dims d;
    int64_t *out;

    if (!which || !a || !b)
        return;
    if (!which->integers || !a->integers || !b->integers) {
        reader_refuse(r, "it chooses between integers only");
        return;
    }
    if (!broadcast_dims(r, &a->dims, &b->dims, &d) || !broadcast_dims(r, &d, &which->dims, &d) ||
        !constant_integers(r, &d, &c, &out))
        return;
    for (size_t i = 0; i < c.count; i++)
        out[i] = which->integers[source_place(&d, &which->dims, i)]
                     ? a->integers[source_place(&d, &a->dims, i)]
                     : b->integers[source_place(&d, &b->dims, i)];
    give_constant(r, &c);
}

/* ---- of one ---- */

void fold_neg(struct reader *r)
{
    const struct constant *c = input_constant(r, 0);
    struct constant made;
    float *floats = NULL;
    int64_t *integers = NULL;

    if (!c || !(c->floats ? constant_floats(r, &c->dims, &made, &floats)
                          : constant_integers(r, &c->dims, &made, &integers)))
        return;
    for (size_t i = 0; i < c->count && r->st == ST_OK; i++)
        if (floats)
            floats[i] = -c->floats[i];
        else if (__builtin_sub_overflow(0, c->integers[i], &integers[i]))
            reader_refuse(r, "there is no such integer");
    give_constant(r, &made);
}

static void fold_each(struct reader *r, float (*f)(float))
{
    const struct constant *c = input_weights(r, 0, "what it reads");
    struct constant made;
    float *floats;

    if (!c || !constant_floats(r, &c->dims, &made, &floats))
        return;
    for (size_t i = 0; i < c->count; i++)
        floats[i] = f(c->floats[i]);
    give_constant(r, &made);
}

void fold_sqrt(struct reader *r) { fold_each(r, sqrtf); }
void fold_floor(struct reader *r) { fold_each(r, floorf); }
void fold_ceil(struct reader *r) { fold_each(r, ceilf); }

static void cast_to_integers(struct reader *r, const struct constant *c, bool truth)
{
    struct constant made;
    int64_t *out;

    if (!constant_integers(r, &c->dims, &made, &out))
        return;
    for (size_t i = 0; i < c->count && r->st == ST_OK; i++) {
        if (c->floats && !(fabsf(c->floats[i]) < 9e18f))
            reader_refuse(r, "there is no such integer");
        else
            out[i] = c->floats ? (int64_t)c->floats[i] : c->integers[i];
        if (truth && r->st == ST_OK)
            out[i] = c->floats ? c->floats[i] != 0 : c->integers[i] != 0;
    }
    give_constant(r, &made);
}

static void cast_to_floats(struct reader *r, const struct constant *c)
{
    struct constant made;
    float *out;

    if (!constant_floats(r, &c->dims, &made, &out))
        return;
    for (size_t i = 0; i < c->count; i++)
        out[i] = c->floats ? c->floats[i] : (float)c->integers[i];
    give_constant(r, &made);
}

void fold_cast(struct reader *r)
{
    const struct constant *c = input_constant(r, 0);
    const int64_t to = attribute_integer(r, "to", 0);

    if (!c)
        return;
    if (to == ONNX__TENSOR_PROTO__DATA_TYPE__INT64 || to == ONNX__TENSOR_PROTO__DATA_TYPE__INT32 ||
        to == ONNX__TENSOR_PROTO__DATA_TYPE__BOOL)
        cast_to_integers(r, c, to == ONNX__TENSOR_PROTO__DATA_TYPE__BOOL);
    else if (to == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT || to == ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE)
        cast_to_floats(r, c);
    else
        reader_refuse(r, "it casts to type %lld of ONNX's", (long long)to);
}
