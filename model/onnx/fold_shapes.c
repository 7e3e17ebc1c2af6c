/* model/onnx/fold_shapes.c - operators that move the numbers of constants about, see reader.h. */
#include "reader.h"

#include <string.h>

/* A fresh constant of the same type. *ret is without numbers; `put` writes one. */
struct copy {
    const struct constant *from;
    struct constant made;
    float *floats;
    int64_t *integers;
};

static bool copy_begin(struct reader *r, const struct constant *from, const struct dims *d, struct copy *ret)
{
    *ret = (struct copy){ .from = from };
    return from->floats ? constant_floats(r, d, &ret->made, &ret->floats)
                        : constant_integers(r, d, &ret->made, &ret->integers);
}

static void copy_number(struct copy *c, size_t to, const struct constant *from, size_t at)
{
    if (c->floats)
        c->floats[to] = from->floats[at];
    else
        c->integers[to] = from->integers[at];
}

/* The same numbers in another shape: they are shared. */
static void give_reshaped(struct reader *r, const struct constant *c, const struct dims *d)
{
    struct constant made = *c;

    made.dims = *d;
    give_constant(r, &made);
}

/* ---- where they come from ---- */

void fold_constant(struct reader *r)
{
    const Onnx__TensorProto *t = attribute_tensor(r, "value");
    const bool list = attribute_there(r, "value_ints"), integer = attribute_there(r, "value_int");
    const int64_t *ints = NULL;
    struct constant c = { 0 };
    int64_t *integers = NULL;
    float *floats = NULL;

    if (t) {
        constant_read(r, t, &c);
    } else if (list || integer) {
        const size_t n = list ? attribute_integers(r, "value_ints", &ints) : 1;

        if (constant_integers(r, &(struct dims){ list, { n } }, &c, &integers))
            for (size_t i = 0; i < n; i++)
                integers[i] = list ? ints[i] : attribute_integer(r, "value_int", 0);
    } else if (attribute_there(r, "value_float")) {
        if (constant_floats(r, &(struct dims){ 0 }, &c, &floats))
            floats[0] = attribute_float(r, "value_float", 0);
    } else {
        reader_refuse(r, "its value is of a kind that is not read");
    }
    give_constant(r, &c);
}

/* Dimensions from a list of them. */
static bool dims_of(struct reader *r, const struct constant *c, struct dims *ret)
{
    if (!c || !c->integers || c->dims.rank > 1 || c->count > ONNX_MAX_RANK) {
        reader_refuse(r, "its shape must be a list of at most %d integers", ONNX_MAX_RANK);
        return false;
    }
    ret->rank = c->count;
    for (size_t i = 0; i < c->count; i++) {
        if (c->integers[i] < 0 || c->integers[i] > ONNX_MAX_BYTES)
            reader_refuse(r, "its shape has %lld on axis %zu", (long long)c->integers[i], i);
        ret->at[i] = (size_t)c->integers[i];
    }
    return r->st == ST_OK;
}

void fold_filled(struct reader *r)
{
    static const float ZERO[] = { 0 };
    const Onnx__TensorProto *t = attribute_tensor(r, "value");
    struct constant value = { .count = 1, .floats = ZERO };
    struct dims d = { 0 };
    struct copy c;

    if (t)
        constant_read(r, t, &value);
    if (r->st == ST_OK && value.count != 1)
        reader_refuse(r, "its value has %zu numbers, not one", value.count);
    if (!dims_of(r, input_constant(r, 0), &d) || !copy_begin(r, &value, &d, &c))
        return;
    for (size_t i = 0; i < c.made.count; i++)
        copy_number(&c, i, &value, 0);
    give_constant(r, &c.made);
}

/* Of an activation too: what its shape is, is known. */
void fold_shape(struct reader *r)
{
    const struct value *v = node_input(r, 0);
    const struct dims none = { 0 };
    const struct dims d = v && v->kind == VALUE_CONSTANT ? v->constant.dims : v ? v->view.dims : none;
    const int64_t rank = (int64_t)d.rank;
    int64_t start = attribute_integer(r, "start", 0), end = attribute_integer(r, "end", rank), *out;
    struct constant c;

    start = start < -rank ? 0 : start < 0 ? start + rank : start > rank ? rank : start;
    end = end < -rank ? 0 : end < 0 ? end + rank : end > rank ? rank : end;
    if (end < start)
        end = start;
    if (!constant_integers(r, &(struct dims){ 1, { (size_t)(end - start) } }, &c, &out))
        return;
    for (int64_t i = start; i < end; i++)
        out[i - start] = (int64_t)d.at[i];
    give_constant(r, &c);
}

/* An input that is a single number of 32 bits. */
static int64_t input_integer(struct reader *r, size_t i)
{
    const struct constant *c = input_constant(r, i);

    if (c && c->integers && c->count == 1 && c->integers[0] <= INT32_MAX && c->integers[0] >= -INT32_MAX)
        return c->integers[0];
    reader_refuse(r, "its limits must be single integers");
    return 0;
}

void fold_range(struct reader *r)
{
    const int64_t first = input_integer(r, 0), span = input_integer(r, 1) - first, step = input_integer(r, 2);
    int64_t n = 0, *out;
    struct constant c;

    if (step == 0) {
        reader_refuse(r, "its step is 0");
        return;
    }

    if ((span > 0) == (step > 0))
        n = (span + step + (step > 0 ? -1 : 1)) / step;
    if (!constant_integers(r, &(struct dims){ 1, { (size_t)n } }, &c, &out))
        return;
    for (int64_t i = 0; i < n; i++)
        out[i] = first + i * step;
    give_constant(r, &c);
}

/* ---- other shapes ---- */

void fold_same(struct reader *r)
{
    const struct constant *c = input_constant(r, 0);

    if (c)
        give_constant(r, c);
}

void fold_reshape(struct reader *r)
{
    const struct constant *c = input_constant(r, 0);
    struct dims d;

    if (c && reshaped_dims(r, &c->dims, &d))
        give_reshaped(r, c, &d);
}

void fold_squeeze(struct reader *r)
{
    const struct constant *c = input_constant(r, 0);
    struct dims d;

    if (c && squeezed_dims(r, &c->dims, &d))
        give_reshaped(r, c, &d);
}

void fold_unsqueeze(struct reader *r)
{
    const struct constant *c = input_constant(r, 0);
    struct dims d;

    if (c && unsqueezed_dims(r, &c->dims, &d))
        give_reshaped(r, c, &d);
}

/* ---- other places ---- */

/* Steps from one place of an axis to the next, in a row-major tensor. */
static void steps_of(const struct dims *d, size_t ret[ONNX_MAX_RANK])
{
    size_t step = 1;

    for (size_t i = d->rank; i-- > 0;) {
        ret[i] = step;
        step *= d->at[i];
    }
}

/* The place after `at`, row by row. */
static void next_place(const struct dims *d, size_t at[ONNX_MAX_RANK])
{
    for (size_t i = d->rank; i-- > 0;) {
        if (++at[i] < d->at[i])
            return;
        at[i] = 0;
    }
}

/* Read a tensor with steps of one's own along each axis of the result. */
static void give_strided(struct reader *r, const struct constant *from, const struct dims *d, ptrdiff_t first,
                         const ptrdiff_t step[ONNX_MAX_RANK])
{
    size_t at[ONNX_MAX_RANK] = { 0 };
    struct copy c;

    if (!copy_begin(r, from, d, &c))
        return;
    for (size_t i = 0; i < c.made.count; i++, next_place(d, at)) {
        ptrdiff_t place = first;

        for (size_t k = 0; k < d->rank; k++)
            place += (ptrdiff_t)at[k] * step[k];
        copy_number(&c, i, from, (size_t)place);
    }
    give_constant(r, &c.made);
}

void fold_transpose(struct reader *r)
{
    const struct constant *c = input_constant(r, 0);
    size_t perm[ONNX_MAX_RANK], steps[ONNX_MAX_RANK];
    ptrdiff_t step[ONNX_MAX_RANK];
    struct dims d = { 0 };

    if (!c || !permutation_of(r, c->dims.rank, perm))
        return;
    steps_of(&c->dims, steps);
    d.rank = c->dims.rank;
    for (size_t i = 0; i < d.rank; i++) {
        d.at[i] = c->dims.at[perm[i]];
        step[i] = (ptrdiff_t)steps[perm[i]];
    }
    give_strided(r, c, &d, 0, step);
}

void fold_expand(struct reader *r)
{
    const struct constant *c = input_constant(r, 0);
    size_t steps[ONNX_MAX_RANK];
    ptrdiff_t step[ONNX_MAX_RANK] = { 0 };
    struct dims shape, d;

    if (!c || !dims_of(r, input_constant(r, 1), &shape) || !broadcast_dims(r, &c->dims, &shape, &d))
        return;
    steps_of(&c->dims, steps);
    for (size_t i = 0; i < c->dims.rank; i++)
        step[d.rank - c->dims.rank + i] = c->dims.at[i] == 1 ? 0 : (ptrdiff_t)steps[i];
    give_strided(r, c, &d, 0, step);
}

struct slice {
    struct dims dims;
    ptrdiff_t first, step[ONNX_MAX_RANK];
};

static int64_t clamped(int64_t v, int64_t least, int64_t most)
{
    return v < least ? least : v > most ? most : v;
}

/* Take `start` to `end` of one axis, every `by`th, as ONNX counts. */
static void slice_axis(struct reader *r, struct slice *s, size_t axis, int64_t start, int64_t end, int64_t by)
{
    const int64_t n = (int64_t)s->dims.at[axis];
    int64_t count = 0;

    if (by == 0 || by > INT32_MAX || by < -INT32_MAX) {
        reader_refuse(r, "its step is %lld", (long long)by);
        return;
    }
    start = clamped(start < 0 ? start + n : start, by > 0 ? 0 : -1, by > 0 ? n : n - 1);
    end = clamped(end < 0 ? end + n : end, by > 0 ? 0 : -1, by > 0 ? n : n - 1);
    if (by > 0 && end > start)
        count = (end - start + by - 1) / by;
    if (by < 0 && end < start)
        count = (start - end - by - 1) / -by;
    s->first += count > 0 ? (ptrdiff_t)start * s->step[axis] : 0;
    s->step[axis] *= (ptrdiff_t)by;
    s->dims.at[axis] = (size_t)count;
}

void fold_slice(struct reader *r)
{
    const struct constant *c = input_constant(r, 0);
    const int64_t *starts = NULL, *ends = NULL, *axes = NULL, *by = NULL;
    size_t n = 0, n_ends = 0, n_axes = 0, n_by = 0, steps[ONNX_MAX_RANK];
    bool taken[ONNX_MAX_RANK] = { false };
    struct slice s = { 0 };

    if (!integers_of(r, 1, "starts", &n, &starts) || !integers_of(r, 2, "ends", &n_ends, &ends))
        reader_refuse(r, "it does not say from where to where");
    const bool has_axes = integers_of(r, 3, "axes", &n_axes, &axes),
               has_by = integers_of(r, 4, "steps", &n_by, &by);

    if (r->st == ST_OK && (n_ends != n || (has_axes && n_axes != n) || (has_by && n_by != n)))
        reader_refuse(r, "its starts, ends, axes and steps are not equally many");
    if (!c || !starts || !ends || r->st != ST_OK)
        return;
    s.dims = c->dims;
    steps_of(&c->dims, steps);
    for (size_t i = 0; i < c->dims.rank; i++)
        s.step[i] = (ptrdiff_t)steps[i];
    for (size_t i = 0; i < n && r->st == ST_OK; i++) {
        const size_t axis = axis_of(r, has_axes ? axes[i] : (int64_t)i, c->dims.rank);

        if (r->st == ST_OK && taken[axis])
            reader_refuse(r, "it cuts axis %zu twice", axis);
        if (r->st == ST_OK)
            slice_axis(r, &s, axis, starts[i], ends[i], has_by ? by[i] : 1);
        taken[axis] = true;
    }
    give_strided(r, c, &s.dims, s.first, s.step);
}

/* Numbers before, on and behind an axis. */
static size_t before(const struct dims *d, size_t axis)
{
    size_t n = 1;

    for (size_t i = 0; i < axis; i++)
        n *= d->at[i];
    return n;
}
static size_t behind(const struct dims *d, size_t axis)
{
    size_t n = 1;

    for (size_t i = axis + 1; i < d->rank; i++)
        n *= d->at[i];
    return n;
}

static void gathered_dims(const struct dims *data, const struct dims *places, size_t axis, struct dims *ret)
{
    size_t n = 0;

    for (size_t i = 0; i < axis; i++)
        ret->at[n++] = data->at[i];
    for (size_t i = 0; i < places->rank; i++)
        ret->at[n++] = places->at[i];
    for (size_t i = axis + 1; i < data->rank; i++)
        ret->at[n++] = data->at[i];
    ret->rank = n;
}

void fold_gather(struct reader *r)
{
    const struct constant *c = input_constant(r, 0), *places = input_constant(r, 1);
    const int64_t wanted = attribute_integer(r, "axis", 0);
    struct dims d = { 0 };
    struct copy copy;
    size_t axis, out = 0;

    if (!c || !places)
        return;
    if (!places->integers || c->dims.rank + places->dims.rank > ONNX_MAX_RANK) {
        reader_refuse(r, "its places must be integers");
        return;
    }
    axis = axis_of(r, wanted, c->dims.rank);
    if (r->st != ST_OK)
        return;
    gathered_dims(&c->dims, &places->dims, axis, &d);
    if (!copy_begin(r, c, &d, &copy))
        return;
    for (size_t i = 0; i < before(&c->dims, axis) && copy.made.count > 0; i++)
        for (size_t k = 0; k < places->count; k++) {
            const size_t place = axis_of(r, places->integers[k], c->dims.at[axis]),
                         size = behind(&c->dims, axis);

            for (size_t j = 0; j < size && r->st == ST_OK; j++)
                copy_number(&copy, out++, c, (i * c->dims.at[axis] + place) * size + j);
        }
    give_constant(r, &copy.made);
}

/* One input of Concat's against the first one. */
static void concat_check(struct reader *r, const struct constant *first, const struct constant *c,
                         size_t axis)
{
    if (!first->floats != !c->floats || first->dims.rank != c->dims.rank) {
        reader_refuse(r, "its inputs differ in type or in axes");
        return;
    }
    for (size_t k = 0; k < c->dims.rank; k++)
        if (k != axis && c->dims.at[k] != first->dims.at[k])
            reader_refuse(r, "its inputs differ on axis %zu", k);
}

/* The numbers of one input go to the places from `first` on of the axis. */
static void concat_copy(struct copy *to, const struct constant *c, size_t axis, size_t first)
{
    const size_t size = c->dims.at[axis] * behind(&c->dims, axis),
                 step = to->made.dims.at[axis] * behind(&c->dims, axis),
                 begin = first * behind(&c->dims, axis);

    for (size_t i = 0; i < c->count; i++)
        copy_number(to, i / size * step + begin + i % size, c, i);
}

void fold_concat(struct reader *r)
{
    const struct constant *first = input_constant(r, 0), *c;
    const size_t n = r->node->n_input;
    size_t axis, place = 0;
    struct copy copy;
    struct dims d;

    if (!first)
        return;
    axis = axis_of(r, attribute_integer(r, "axis", 1), first->dims.rank);
    d = first->dims;
    for (size_t i = 1; i < n && r->st == ST_OK; i++) {
        c = input_constant(r, i);
        if (!c) {
            reader_refuse(r, "its input %zu is left out", i);
            return;
        }
        concat_check(r, first, c, axis);
        if (r->st == ST_OK && __builtin_add_overflow(d.at[axis], c->dims.at[axis], &d.at[axis]))
            reader_refuse(r, "its result is too large");
    }
    if (r->st != ST_OK || !copy_begin(r, first, &d, &copy))
        return;
    for (size_t i = 0; i < n; i++) {
        c = input_constant(r, i);
        if (!c)
            return;
        concat_copy(&copy, c, axis, place);
        place += c->dims.at[axis];
    }
    give_constant(r, &copy.made);
}
