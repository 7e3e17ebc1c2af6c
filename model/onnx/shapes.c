/* model/onnx/shapes.c - what becomes of a shape, of constants and of activations alike, see reader.h. */
#include "reader.h"

static void dims_add(struct reader *r, struct dims *d, size_t n)
{
    if (d->rank == ONNX_MAX_RANK)
        reader_refuse(r, "its result has more than %d axes", ONNX_MAX_RANK);
    else
        d->at[d->rank++] = n;
}

/* One axis of Reshape's: 0 keeps what was there. -1 is left to the end, as 1. */
static size_t reshaped_axis(struct reader *r, const struct dims *from, size_t i, int64_t wanted)
{
    if (wanted == 0 && i < from->rank)
        return from->at[i];
    if (wanted == -1)
        return 1;
    if (wanted <= 0 || wanted > ONNX_MAX_BYTES)
        reader_refuse(r, "its shape has %lld on axis %zu", (long long)wanted, i);
    return (size_t)wanted;
}

bool reshaped_dims(struct reader *r, const struct dims *from, struct dims *ret)
{
    const size_t count = dims_count(from);
    const int64_t *wanted = NULL;
    size_t n = 0, open = SIZE_MAX, known = 1;

    *ret = (struct dims){ 0 };
    if (!integers_of(r, 1, "shape", &n, &wanted))
        reader_refuse(r, "it has no shape to give");
    for (size_t i = 0; i < n && r->st == ST_OK; i++) {
        if (wanted[i] == -1 && open != SIZE_MAX)
            reader_refuse(r, "its shape leaves two axes open");
        if (wanted[i] == -1)
            open = i;
        dims_add(r, ret, reshaped_axis(r, from, i, wanted[i]));
        if (r->st == ST_OK && (__builtin_mul_overflow(known, ret->at[i], &known) || known > ONNX_MAX_BYTES))
            reader_refuse(r, "its shape is too large");
    }
    if (r->st == ST_OK && open != SIZE_MAX && known > 0)
        ret->at[open] = count / known;
    if (r->st == ST_OK && dims_count(ret) != count)
        reader_refuse(r, "its shape has not as many places as there are numbers, %zu", count);
    return r->st == ST_OK;
}

bool squeezed_dims(struct reader *r, const struct dims *from, struct dims *ret)
{
    bool gone[ONNX_MAX_RANK] = { false };
    const int64_t *axes = NULL;
    size_t n = 0;
    const bool told = integers_of(r, 1, "axes", &n, &axes);

    *ret = (struct dims){ 0 };
    for (size_t i = 0; i < n && r->st == ST_OK; i++)
        gone[axis_of(r, axes[i], from->rank)] = true;
    for (size_t i = 0; i < from->rank && r->st == ST_OK; i++) {
        if (gone[i] && from->at[i] != 1)
            reader_refuse(r, "axis %zu has %zu places, not one", i, from->at[i]);
        if (told ? !gone[i] : from->at[i] != 1)
            dims_add(r, ret, from->at[i]);
    }
    return r->st == ST_OK;
}

bool unsqueezed_dims(struct reader *r, const struct dims *from, struct dims *ret)
{
    bool fresh[ONNX_MAX_RANK] = { false };
    const int64_t *axes = NULL;
    size_t n = 0, k = 0;

    *ret = (struct dims){ 0 };
    if (!integers_of(r, 1, "axes", &n, &axes))
        reader_refuse(r, "it has no axes to add");
    if (r->st == ST_OK && from->rank + n > ONNX_MAX_RANK)
        reader_refuse(r, "its result has more than %d axes", ONNX_MAX_RANK);
    for (size_t i = 0; i < n && r->st == ST_OK; i++) {
        const size_t axis = axis_of(r, axes[i], from->rank + n);

        if (fresh[axis])
            reader_refuse(r, "it adds axis %zu twice", axis);
        fresh[axis] = true;
    }
    for (size_t i = 0; i < from->rank + n && r->st == ST_OK; i++)
        dims_add(r, ret, fresh[i] ? 1 : from->at[k++]);
    return r->st == ST_OK;
}

bool flattened_dims(struct reader *r, const struct dims *from, struct dims *ret)
{
    const int64_t axis = attribute_integer(r, "axis", 1);
    const size_t at = axis == (int64_t)from->rank ? from->rank : axis_of(r, axis, from->rank);

    *ret = (struct dims){ 2, { 1, 1 } };
    for (size_t i = 0; i < from->rank; i++)
        ret->at[i >= at] *= from->at[i];
    return r->st == ST_OK;
}

bool permutation_of(struct reader *r, size_t rank, size_t ret_perm[ONNX_MAX_RANK])
{
    bool taken[ONNX_MAX_RANK] = { false };
    const int64_t *perm = NULL;
    const size_t n = attribute_integers(r, "perm", &perm);

    if (r->st == ST_OK && attribute_there(r, "perm") && n != rank)
        reader_refuse(r, "it orders %zu axes, there are %zu", n, rank);
    for (size_t i = 0; i < rank && r->st == ST_OK; i++) {
        ret_perm[i] = n == 0 ? rank - 1 - i : axis_of(r, perm[i] < 0 ? (int64_t)rank : perm[i], rank);
        if (taken[ret_perm[i]])
            reader_refuse(r, "it takes axis %zu twice", ret_perm[i]);
        taken[ret_perm[i]] = true;
    }
    return r->st == ST_OK;
}

/* An axis counted from the last one, as shapes are laid beside each other. */
static size_t from_the_end(const struct dims *d, size_t i)
{
    return i < d->rank ? d->at[d->rank - 1 - i] : 1;
}

bool broadcast_dims(struct reader *r, const struct dims *a, const struct dims *b, struct dims *ret)
{
    struct dims made = { .rank = a->rank > b->rank ? a->rank : b->rank }; /* `ret` may be one of the two */

    for (size_t i = 0; i < made.rank; i++) {
        const size_t x = from_the_end(a, i), y = from_the_end(b, i);

        if (x != y && x != 1 && y != 1) {
            reader_refuse(r, "its inputs do not fit: %zu and %zu on an axis", x, y);
            return false;
        }
        made.at[made.rank - 1 - i] = x == 1 ? y : x;
    }
    *ret = made;
    return r->st == ST_OK;
}
