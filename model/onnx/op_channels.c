/* model/onnx/op_channels.c - operators that take some of an activation's channels, see reader.h. */
#include "reader.h"

/* `channels` of a view from `first` on, as result i. */
static void give_part(struct reader *r, const struct view *v, size_t i, size_t first, size_t channels)
{
    struct view part = *v;

    if (r->st != ST_OK)
        return;
    part.dims.at[view_channel_axis(v)] = channels;
    if (channels != v->dims.at[view_channel_axis(v)]) {
        part.node = reader_add(
            r,
            &(struct node){ .ops = &LAYER_SLICE, .from = { v->node }, .first = first, .channels = channels },
            NULL, NULL);
        part = view_of(r, part.node, part.dims, part.channels_last);
    }
    give_view_of(r, i, &part);
}

/* Where a slice begins or ends on an axis of n, as ONNX counts: from the end where it is below 0. */
static size_t place_of(int64_t place, size_t n)
{
    const int64_t from_0 = place < 0 ? place + (int64_t)n : place;

    return from_0 < 0 ? 0 : from_0 > (int64_t)n ? n : (size_t)from_0;
}

/* The lists of a slice. */
struct slice_lists {
    const int64_t *starts, *ends, *axes, *by; /* [n]; axes NULL: 0, 1, …; by NULL: each */
    size_t n;
};

static bool slice_read(struct reader *r, struct slice_lists *ret)
{
    struct slice_lists s = { 0 };
    size_t n_ends = 0, n_axes = 0, n_by = 0;
    const bool all =
        integers_of(r, 1, "starts", &s.n, &s.starts) && integers_of(r, 2, "ends", &n_ends, &s.ends);
    const bool has_axes = integers_of(r, 3, "axes", &n_axes, &s.axes),
               has_by = integers_of(r, 4, "steps", &n_by, &s.by);

    if (r->st == ST_OK && (!all || s.n != n_ends || (has_axes && n_axes != s.n) || (has_by && n_by != s.n)))
        reader_refuse(r, "its starts, ends, axes and steps are not equally many");
    s.axes = has_axes ? s.axes : NULL;
    s.by = has_by ? s.by : NULL;
    *ret = s;
    return r->st == ST_OK;
}

/* The one axis that a slice cuts, if it does; every other must stay whole. */
void build_slice(struct reader *r)
{
    const struct view v = view_by_channel(r, input_view(r, 0));
    struct slice_lists s;
    size_t first = 0, channels;

    if (!slice_read(r, &s))
        return;
    channels = v.dims.at[view_channel_axis(&v)];
    for (size_t i = 0; i < s.n && r->st == ST_OK; i++) {
        const size_t axis = axis_of(r, s.axes ? s.axes[i] : (int64_t)i, v.dims.rank);
        const size_t size = r->st == ST_OK ? v.dims.at[axis] : 0;
        const size_t from = place_of(s.starts[i], size), to = place_of(s.ends[i], size);
        const bool each = !s.by || s.by[i] == 1;

        if (r->st != ST_OK || (each && from == 0 && to == size))
            continue;
        if (axis != view_channel_axis(&v) || !each)
            reader_refuse(r, "it takes something else than channels in a row");
        else if (channels != size)
            reader_refuse(r, "it cuts axis %zu twice", axis);
        else if (from >= to)
            reader_refuse(r, "it takes no channel");
        first = from;
        channels = to - from;
    }
    give_part(r, &v, 0, first, channels);
}

/* Into as many parts as it has results: of the sizes that it names, or of equal ones, of which the last may be smaller. */
void build_split(struct reader *r)
{
    const struct view v = view_by_channel(r, input_view(r, 0));
    const int64_t *sizes = NULL;
    size_t n = 0, first = 0;
    const bool named = integers_of(r, 1, "split", &n, &sizes);
    const int64_t axis = attribute_integer(r, "axis", 0);
    const size_t parts = r->node->n_output;

    if (r->st == ST_OK && axis_of(r, axis, v.dims.rank) != view_channel_axis(&v))
        reader_refuse(r, "it parts something else than channels");
    if (r->st == ST_OK && named && n != parts)
        reader_refuse(r, "it names %zu sizes for %zu results", n, parts);
    if (r->st != ST_OK)
        return;
    const size_t channels = v.dims.at[view_channel_axis(&v)], equal = (channels + parts - 1) / parts;

    for (size_t i = 0; i < parts && r->st == ST_OK; i++) {
        const size_t left = channels - first, most = equal < left ? equal : left;
        const size_t size = !named ? most : sizes[i] > 0 && (uint64_t)sizes[i] <= left ? (size_t)sizes[i] : 0;

        if (size == 0)
            reader_refuse(r, "its parts are not those of %zu channels", channels);
        else
            give_part(r, &v, i, first, size);
        first += size;
    }
    if (r->st == ST_OK && first != channels)
        reader_refuse(r, "its parts are not those of %zu channels", channels);
}
