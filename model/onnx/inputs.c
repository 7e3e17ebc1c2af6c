/* model/onnx/inputs.c - what the node that is read reads, as nodes of our network, see reader.h. */
#include "reader.h"

struct view input_view(struct reader *r, size_t i)
{
    struct value *v = node_input(r, i);

    if (v && v->kind == VALUE_CONSTANT)
        reader_refuse(r, "its input %zu is a constant", i);
    if (v && r->st == ST_OK)
        settle(r, v);
    return v && r->st == ST_OK ? v->view : (struct view){ .dims = { 2, { 1, 1 } } };
}

struct view input_planes(struct reader *r, size_t i)
{
    const struct view v = view_by_channel(r, input_view(r, i));
    const struct shape s = view_shape(r, &v);

    if (r->st == ST_OK && (v.dims.rank != 4 || v.channels_last || v.dims.at[2] != s.h || v.dims.at[3] != s.w))
        reader_refuse(r, "its input is no picture of [batch, channels, rows, columns]");
    return v;
}
