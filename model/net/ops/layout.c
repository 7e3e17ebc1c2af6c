/* model/net/ops/layout.c - the layouts there are, see op.h. */
#include "op.h"

struct layout layout_planes(struct shape s)
{
    return (struct layout){
        .row = s.w, .pixel = 1, .group = 1, .panel = s.h * s.w, .image = sums_lines(shape_size(s))
    };
}

struct layout layout_pixels(struct shape s)
{
    return (
        struct layout){ .row = s.w * s.c, .pixel = s.c, .group = s.c, .image = sums_lines(shape_size(s)) };
}

struct layout layout_panels(struct shape s, size_t P)
{
    const size_t panel = s.h * s.w * P;

    return (struct layout){
        .row = s.w * P, .pixel = P, .group = P, .panel = panel, .image = (s.c + P - 1) / P * panel
    };
}

struct layout layout_half_panel(struct shape s, size_t P)
{
    struct layout l = layout_panels(s, P / 2);

    l.group = P;
    return l;
}

static size_t in_tiles(size_t side) { return (side + WINOGRAD_TILE - 1) / WINOGRAD_TILE * WINOGRAD_TILE; }

struct layout layout_bordered(struct shape s)
{
    const size_t row = (in_tiles(s.w) + 2) * s.c;

    return (struct layout){
        .origin = row + s.c, .row = row, .pixel = s.c, .group = s.c, .image = (in_tiles(s.h) + 2) * row
    };
}
