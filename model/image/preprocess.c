/* model/image/preprocess.c - resize and scale, see cxrd/preprocess.h.
 *
 * Area in exact integers: along an axis of `in` source pixels and `out` result pixels, give every source pixel the
 * length `out` and every result pixel the length `in`. Then all edges are integers, a weight is the length that a
 * source pixel shares with a result pixel, and the weights of a result pixel sum to `in`. */
#include "cxrd/preprocess.h"

#include <assert.h>
#include <string.h>

static const char *const RESIZE_NAMES[] = { "nearest", "area" };

const char *resize_name(enum resize r) { return RESIZE_NAMES[r]; }

bool resize_parse(const char *name, enum resize *ret_resize)
{
    for (size_t i = 0; i < sizeof RESIZE_NAMES / sizeof RESIZE_NAMES[0]; i++)
        if (strcmp(name, RESIZE_NAMES[i]) == 0) {
            *ret_resize = (enum resize)i;
            return true;
        }
    return false;
}

static size_t nearest_index(size_t i, size_t in, size_t out) { return (2 * i + 1) * in / (2 * out); }

static void resize_nearest(const struct image *img, size_t size, uint8_t *out)
{
    for (size_t y = 0; y < size; y++) {
        const uint8_t *row = img->grey + nearest_index(y, img->height, size) * img->width;

        for (size_t x = 0; x < size; x++)
            *out++ = row[nearest_index(x, img->width, size)];
    }
}

/* The source pixels first..last that result pixel `i` covers, and the weights of the two ends; those between
 * weigh `out`. One pixel (an enlarged axis, or a box inside one pixel) has the whole weight `in` in `w_first`. */
struct span {
    size_t first, last;
    uint32_t w_first, w_last;
};

static struct span span_of(size_t i, size_t in, size_t out)
{
    const size_t begin = i * in, end = begin + in;
    struct span s;

    if (in <= out) {
        s.first = s.last = nearest_index(i, in, out);
    } else {
        s.first = begin / out;
        s.last = (end - 1) / out;
    }
    if (s.first == s.last) {
        s.w_first = (uint32_t)in;
        s.w_last = 0;
    } else {
        s.w_first = (uint32_t)((s.first + 1) * out - begin);
        s.w_last = (uint32_t)(end - s.last * out);
    }
    return s;
}

/* One source row, times `weight`, added to the sums of one result row. */
static void row_add(const uint8_t *row, size_t out, uint32_t weight, const struct span *spans, uint64_t *sums)
{
    for (size_t i = 0; i < out; i++) {
        const struct span s = spans[i];
        uint32_t inner = 0;
        uint64_t sum = (uint64_t)row[s.first] * s.w_first;

        for (size_t x = s.first + 1; x < s.last; x++)
            inner += row[x];
        if (s.last > s.first)
            sum += (uint64_t)inner * out + (uint64_t)row[s.last] * s.w_last;
        sums[i] += sum * weight;
    }
}

void image_resize_area(const struct image *img, size_t width, size_t height, uint8_t *ret_grey)
{
    const uint64_t total = (uint64_t)img->width * img->height; /* all weights of one result pixel */
    struct span across[RESIZE_MAX_SIDE];
    uint64_t sums[RESIZE_MAX_SIDE];

    assert(width > 0 && width <= RESIZE_MAX_SIDE && height > 0 && height <= RESIZE_MAX_SIDE);
    for (size_t i = 0; i < width; i++)
        across[i] = span_of(i, img->width, width);
    for (size_t y = 0; y < height; y++, ret_grey += width) {
        const struct span down = span_of(y, img->height, height);

        memset(sums, 0, width * sizeof *sums);
        for (size_t r = down.first; r <= down.last; r++) {
            const uint32_t weight = r == down.first  ? down.w_first
                                    : r == down.last ? down.w_last
                                                     : (uint32_t)height;

            row_add(img->grey + r * img->width, width, weight, across, sums);
        }
        for (size_t x = 0; x < width; x++)
            ret_grey[x] = (uint8_t)((2 * sums[x] + total) / (2 * total)); /* half rounds up */
    }
    explicit_bzero(sums, width * sizeof *sums);
}

void preprocess_resize(const struct image *img, const struct preprocess *p, uint8_t *ret_grey)
{
    assert(img->width > 0 && img->height > 0 && p->size > 0 && p->size <= PREPROCESS_MAX_SIZE);
    switch (p->resize) {
    case RESIZE_NEAREST: resize_nearest(img, p->size, ret_grey); break;
    case RESIZE_AREA: image_resize_area(img, p->size, p->size, ret_grey); break;
    }
}

void preprocess_scale(const uint8_t *grey, size_t n, const struct preprocess *p, float *ret_x)
{
    for (size_t c = 0; c < preprocess_channels(p); c++, ret_x += n) {
        const float mean = p->by_channel ? p->means[c] : p->mean, std = p->by_channel ? p->stds[c] : p->std;

        for (size_t i = 0; i < n; i++)
            ret_x[i] = ((float)grey[i] - mean) / std;
    }
}
