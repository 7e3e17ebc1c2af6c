/* model/onnx/views.c - what a node of our network gives, as ONNX sees it, see reader.h. */
#include "reader.h"

struct shape view_shape(const struct reader *r, const struct view *v)
{
    return r->g->st == ST_OK && v->node < r->g->net->n_nodes ? r->g->net->nodes[v->node].out
                                                             : (struct shape){ 1, 1, 1 };
}

struct view view_of(const struct reader *r, size_t node, struct dims dims, bool channels_last)
{
    struct view v = { node, dims, channels_last };
    const struct shape s = view_shape(r, &v);

    if (s.c == 1 || s.h * s.w == 1)
        v.channels_last = false;
    return v;
}

struct view view_planes(const struct reader *r, size_t node)
{
    const struct shape s = view_shape(r, &(struct view){ .node = node });

    return view_of(r, node, (struct dims){ 4, { r->batch, s.c, s.h, s.w } }, false);
}

size_t view_channel_axis(const struct view *v)
{
    return v->channels_last && v->dims.rank > 2 ? v->dims.rank - 1 : 1;
}

struct view view_flat(struct reader *r, struct view v)
{
    const struct shape s = view_shape(r, &v);

    if (r->st == ST_OK && v.channels_last)
        reader_refuse(r, "its input has the channels last, and is in one row");
    if (s.h * s.w == 1 || r->st != ST_OK)
        return v;
    v.node = reader_add(r, &(struct node){ .ops = &LAYER_FLATTEN, .from = { v.node } }, NULL, NULL);
    return v;
}

struct view view_by_channel(struct reader *r, struct view v)
{
    const struct shape s = view_shape(r, &v);
    const size_t axis = view_channel_axis(&v), channels = v.dims.rank > axis ? v.dims.at[axis] : 0;

    if (r->st != ST_OK || channels == s.c)
        return v;
    if (channels == shape_size(s))
        return view_flat(r, v);
    reader_refuse(r, "its input has %zu channels as it is seen here, and %zu where it is made", channels,
                  s.c);
    return v;
}
