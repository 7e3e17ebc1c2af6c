/* jobs/training/augment.c - see augment.h. */
#include "augment.h"

#include "cxrd/preprocess.h"
#include "cxrd/rng.h"

#include <assert.h>
#include <math.h>

enum { STREAM = 0x61 }; /* of the seed's streams; the picture's number makes it one of its own */

static double between(struct rng *r, double low, double high) { return low + (high - low) * rng_unit(r); }

void augmentation_draw(uint64_t seed, uint64_t number, struct augmentation *ret)
{
    struct rng r;

    rng_seed(&r, seed, (number + 1) << 8 | STREAM);
    ret->zoom = exp(between(&r, log(0.9), log(1.1)));
    ret->right = between(&r, -0.06, 0.06);
    ret->down = between(&r, -0.06, 0.06);
    ret->contrast = between(&r, 0.85, 1.15);
    ret->grey = between(&r, -16, 16);
}

/* Where the pixels of a row or column of the result come from: between `at` and `next`, `part` of the way. */
struct source {
    size_t at, next;
    float part;
};

static void sources(size_t size, double zoom, double shift, struct source *ret)
{
    const double middle = (double)size / 2, last = (double)size - 1;

    for (size_t i = 0; i < size; i++) {
        const double from = ((double)i + 0.5 - middle - shift * (double)size) / zoom + middle - 0.5;
        const double inside = fmin(fmax(from, 0), last);

        ret[i].at = (size_t)inside;
        ret[i].next = ret[i].at + 1 < size ? ret[i].at + 1 : ret[i].at;
        ret[i].part = (float)(inside - (double)ret[i].at);
    }
}

void augment(const uint8_t *from, size_t size, const struct augmentation *a, uint8_t *to)
{
    struct source columns[PREPROCESS_MAX_SIZE], rows[PREPROCESS_MAX_SIZE];
    const float contrast = (float)a->contrast, offset = (float)(128 - 128 * a->contrast + a->grey);

    assert(size <= PREPROCESS_MAX_SIZE);
    sources(size, a->zoom, a->right, columns);
    sources(size, a->zoom, a->down, rows);
    for (size_t y = 0; y < size; y++) {
        const uint8_t *above = from + rows[y].at * size, *below = from + rows[y].next * size;
        const float down = rows[y].part;

        for (size_t x = 0; x < size; x++, to++) {
            const struct source s = columns[x];
            const float top = above[s.at] + s.part * (float)(above[s.next] - above[s.at]);
            const float bottom = below[s.at] + s.part * (float)(below[s.next] - below[s.at]);
            const float v = contrast * (top + down * (bottom - top)) + offset;

            *to = (uint8_t)(fminf(fmaxf(v, 0), 255) + 0.5f);
        }
    }
}
