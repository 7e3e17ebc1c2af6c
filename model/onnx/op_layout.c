/* model/onnx/op_layout.c - operators that only say otherwise where the numbers of an activation lie, see reader.h. They add no
 * node: what is read next is another view of the same. */
#include "reader.h"

void build_same(struct reader *r)
{
    struct value *v = node_input(r, 0);

    if (v && v->uses > 1 && v->lazy.kind != LAZY_PAD)
        settle(r, v); /* both names would make a node of it */
    if (v && v->lazy.kind == LAZY_NONE)
        give_view(r, &v->view);
    else if (v)
        give_lazy(r, &v->view, &v->lazy);
}

/* Dropout does nothing where nobody trains. */
static void dropout_check(struct reader *r)
{
    const struct constant *training = input_constant(r, 2);

    if (node_input(r, 2) &&
        (!training || !training->integers || training->count != 1 || training->integers[0] != 0))
        reader_refuse(r, "it is in training");
}

void fold_dropout(struct reader *r)
{
    dropout_check(r);
    fold_same(r);
}

void build_dropout(struct reader *r)
{
    dropout_check(r);
    build_same(r);
}

void build_cast(struct reader *r)
{
    if (attribute_integer(r, "to", 0) != ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT)
        reader_refuse(r, "it makes something else than float32 of activations");
    build_same(r);
}

/* The same numbers in the same order by other dimensions. Channels that come last can only be put into one row. */
static void give_redimensioned(struct reader *r, const struct view *v, const struct dims *d)
{
    struct view made;

    if (r->st == ST_OK && (d->rank < 2 || d->at[0] != r->batch))
        reader_refuse(r, "its result does not begin with the batch, %zu", r->batch);
    if (r->st == ST_OK && v->channels_last && d->rank != 2 && !dims_equal(d, &v->dims))
        reader_refuse(r, "it divides rows, columns and channels anew where channels come last");
    made = view_of(r, v->node, *d, v->channels_last);
    give_view(r, &made);
}

void build_reshape(struct reader *r)
{
    const struct view v = input_view(r, 0);
    struct dims d = { 0 };

    if (attribute_integer(r, "allowzero", 0))
        reader_refuse(r, "its shape may have zeros");
    reshaped_dims(r, &v.dims, &d);
    give_redimensioned(r, &v, &d);
}

void build_flatten(struct reader *r)
{
    const struct view v = input_view(r, 0);
    struct dims d = { 0 };

    flattened_dims(r, &v.dims, &d);
    give_redimensioned(r, &v, &d);
}

void build_squeeze(struct reader *r)
{
    const struct view v = input_view(r, 0);
    struct dims d = { 0 };

    squeezed_dims(r, &v.dims, &d);
    give_redimensioned(r, &v, &d);
}

void build_unsqueeze(struct reader *r)
{
    const struct view v = input_view(r, 0);
    struct dims d = { 0 };

    unsqueezed_dims(r, &v.dims, &d);
    give_redimensioned(r, &v, &d);
}

/* ---- Transpose ---- */

/* Whether only axes of one place move, so that the numbers stay in their order. */
static bool keeps_order(const struct dims *d, const size_t perm[ONNX_MAX_RANK])
{
    size_t last = 0;

    for (size_t i = 0; i < d->rank; i++) {
        if (d->at[perm[i]] == 1)
            continue;
        if (perm[i] < last)
            return false;
        last = perm[i];
    }
    return true;
}

/* Whether a view has the dimensions of its node: batch, channels, rows, columns. */
static bool is_whole(const struct reader *r, const struct view *v)
{
    const struct shape s = view_shape(r, v);

    return v->dims.at[1] == s.c && v->dims.at[2] == s.h && v->dims.at[3] == s.w;
}

static bool perm_is(const size_t perm[ONNX_MAX_RANK], size_t b, size_t c, size_t d)
{
    return perm[0] == 0 && perm[1] == b && perm[2] == c && perm[3] == d;
}

/* Whether channels that were parted into [groups][channels of each] become the other way round. */
static bool swaps_parts(const struct reader *r, const struct view *v, const size_t perm[ONNX_MAX_RANK])
{
    const size_t rank = v->dims.rank;

    if (v->channels_last || rank < 3 || !perm_is(perm, 2, 1, perm[3]) ||
        v->dims.at[1] * v->dims.at[2] != view_shape(r, v).c)
        return false;
    for (size_t i = 3; i < rank; i++)
        if (perm[i] != i)
            return false;
    return true;
}

void build_transpose(struct reader *r)
{
    struct view v = input_view(r, 0);
    size_t perm[ONNX_MAX_RANK] = { 0 };
    struct dims d = { .rank = v.dims.rank };

    if (!permutation_of(r, v.dims.rank, perm))
        return;
    for (size_t i = 0; i < d.rank; i++)
        d.at[i] = v.dims.at[perm[i]];
    if (d.rank == 4 && !v.channels_last && is_whole(r, &v) && perm_is(perm, 2, 3, 1))
        v.channels_last = true;
    else if (d.rank == 4 && v.channels_last && perm_is(perm, 3, 1, 2))
        v.channels_last = false;
    else if (swaps_parts(r, &v, perm))
        v.node =
            reader_add(r, &(struct node){ .ops = &LAYER_SHUFFLE, .from = { v.node }, .groups = v.dims.at[1] },
                       NULL, NULL);
    else if (!(keeps_order(&v.dims, perm) && (!v.channels_last || dims_equal(&d, &v.dims))))
        reader_refuse(r, "it moves numbers otherwise than between [channels, rows, columns] and [rows, "
                         "columns, channels]");
    if (r->st == ST_OK && d.at[0] != r->batch)
        reader_refuse(r, "its result does not begin with the batch, %zu", r->batch);
    v = view_of(r, v.node, d, v.channels_last);
    give_view(r, &v);
}
