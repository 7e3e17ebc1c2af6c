/* decode/rle.c - see rle.h. */
#include "rle.h"

#include <stdbool.h>
#include <string.h>

enum { HEADER = 64, MOST_SEGMENTS = 15 };

static uint32_t little32(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static void spread(uint8_t *to, size_t stride, size_t count, const uint8_t *from, size_t step)
{
    for (size_t i = 0; i < count; i++)
        to[i * stride] = from[i * step];
}

/* Runs and literals until there are `count` bytes, each `stride` behind the one before. A last run may be too long. */
static bool segment_read(const uint8_t *at, const uint8_t *end, size_t count, size_t stride, uint8_t *to)
{
    while (count > 0) {
        size_t n;
        bool literal;

        if (at == end)
            return false;
        if (*at == 128) { /* nothing */
            at++;
            continue;
        }
        literal = *at < 128;
        n = literal ? *at + 1u : 257u - *at;
        at++;
        if ((size_t)(end - at) < (literal ? n : 1))
            return false;
        if (n > count)
            n = count;
        spread(to, stride, n, at, literal ? 1 : 0);
        at += literal ? n : 1;
        to += n * stride;
        count -= n;
    }
    return true;
}

static enum status broken(struct error *err)
{
    return error_set(err, ST_FORMAT, "the run-length encoded data are broken or cut short");
}

enum status rle_samples(const uint8_t *in, size_t n, size_t n_pixels, unsigned channels, unsigned bytes,
                        uint8_t *to, struct error *err)
{
    const size_t n_segments = (size_t)channels * bytes;

    if (n < HEADER || n_segments > MOST_SEGMENTS || little32(in) != n_segments)
        return broken(err);
    for (size_t i = 0; i < n_segments; i++) {
        const size_t begin = little32(in + 4 + 4 * i),
                     end = i + 1 < n_segments ? little32(in + 8 + 4 * i) : n;
        const size_t channel = i / bytes, byte = bytes - 1 - i % bytes;

        if (begin < HEADER || begin > end || end > n)
            return broken(err);
        if (!segment_read(in + begin, in + end, n_pixels, n_segments, to + channel * bytes + byte))
            return broken(err);
    }
    return ST_OK;
}
