/* tests/fuzz/png_mutator.c - libFuzzer's mutations, where a PNG can bear them.
 *
 * A flipped byte breaks a checksum, and then all that is tested is the check of checksums. So most mutations here
 * change one part, a chunk's data, the deflate stream or the rows inside it, and then set right what guards it: the
 * chunks' CRCs, and the stream's Adler sum. The others leave the file as libFuzzer made it. */
#include "fuzz.h"

#include <stdbool.h>
#include <string.h>
#include <zlib.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

enum {
    SIGNATURE = 8,
    FRAME = 12,
    HEADER_END = SIGNATURE + FRAME + 13,
    MAX_ROWS = 1 << 18,
    MAX_STREAM = 1 << 16
};

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put32(uint8_t *p, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* The chunk at `at` is in the file whole. */
static bool chunk_at(const uint8_t *png, size_t size, size_t at)
{
    return size >= FRAME && at <= size - FRAME && get32(png + at) <= size - FRAME - at;
}

static void repair_crcs(uint8_t *png, size_t size)
{
    for (size_t at = SIGNATURE; chunk_at(png, size, at); at += FRAME + get32(png + at)) {
        const uint32_t n = get32(png + at);

        put32(png + at + 8 + n, (uint32_t)crc32(0, png + at + 4, n + 4));
    }
}

static uint32_t draw(unsigned *seed, uint32_t below)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % below;
}

/* All IDAT chunks' data, one after the other; returns how many bytes. Says where the first chunk begins and where the
 * last one ends. */
static size_t stream_take(const uint8_t *png, size_t size, uint8_t stream[MAX_STREAM], size_t *ret_begin,
                          size_t *ret_end)
{
    size_t n = 0;

    *ret_begin = *ret_end = 0;
    for (size_t at = SIGNATURE; chunk_at(png, size, at); at += FRAME + get32(png + at)) {
        const uint32_t length = get32(png + at);

        if (memcmp(png + at + 4, "IDAT", 4) != 0 || length > MAX_STREAM - n)
            continue;
        memcpy(stream + n, png + at + 8, length);
        n += length;
        *ret_begin = *ret_begin ? *ret_begin : at;
        *ret_end = at + FRAME + length;
    }
    return n;
}

/* Inflate what there is; returns how many bytes, and at what of the stream inflation ended. */
static size_t inflate_rows(const uint8_t *stream, size_t n, uint8_t rows[MAX_ROWS], size_t *ret_used)
{
    z_stream z = { .next_in = (Bytef *)stream, .avail_in = (uInt)n, .next_out = rows, .avail_out = MAX_ROWS };

    *ret_used = 0;
    if (n < 2 || inflateInit2(&z, -15) != Z_OK) /* without zlib's header and sum: they may be wrong */
        return 0;
    z.next_in += 2;
    z.avail_in -= 2;
    if (inflate(&z, Z_FINISH) == Z_STREAM_END)
        *ret_used = n - z.avail_in;
    inflateEnd(&z);
    return z.total_out;
}

/* Give the stream the sum that its rows have; returns its new length. */
static size_t repair_adler(uint8_t stream[MAX_STREAM], size_t n, uint8_t rows[MAX_ROWS])
{
    size_t used;
    const size_t n_rows = inflate_rows(stream, n, rows, &used);

    if (used == 0 || used + 4 > MAX_STREAM)
        return n;
    put32(stream + used, (uint32_t)adler32(1, rows, (uInt)n_rows));
    return used + 4;
}

static size_t deflate_rows(uint8_t *rows, size_t n, uint8_t stream[MAX_STREAM], unsigned *seed)
{
    z_stream z = { .next_in = rows, .avail_in = (uInt)n, .next_out = stream, .avail_out = MAX_STREAM };
    const int level = (int)draw(seed, 10), bits = draw(seed, 4) ? 15 : (int)draw(seed, 7) + 9;

    if (deflateInit2(&z, level, Z_DEFLATED, bits, 1, (int)draw(seed, 5)) != Z_OK)
        return 0;
    if (deflate(&z, Z_FINISH) != Z_STREAM_END)
        z.total_out = 0;
    deflateEnd(&z);
    return z.total_out;
}

/* Put `stream` in place of the IDAT chunks between begin and end, as one chunk or two; 0 where it does not fit. */
static size_t stream_put(uint8_t *png, size_t size, size_t max_size, size_t begin, size_t end,
                         const uint8_t *stream, size_t n, unsigned *seed)
{
    const size_t first = n > 1 && draw(seed, 4) == 0 ? draw(seed, (uint32_t)n) : n;
    const size_t needed = n + FRAME + (first < n ? FRAME : 0), tail = size - end;
    uint8_t *at = png + begin;

    if (begin == 0 || begin + needed + tail > max_size)
        return 0;
    memmove(at + needed, png + end, tail);
    for (size_t from = 0; from < n || from == 0;) {
        const size_t length = from == 0 ? first : n - from;

        put32(at, (uint32_t)length);
        memcpy(at + 4, "IDAT", 4);
        memcpy(at + 8, stream + from, length);
        at += FRAME + length;
        if (length == 0 || from + length == n)
            break;
        from += length;
    }
    return (size_t)(at - (png + begin)) == needed ? begin + needed + tail : 0;
}

/* Change the rows, or the deflate stream itself. */
static size_t mutate_pixels(uint8_t *png, size_t size, size_t max_size, unsigned *seed)
{
    static uint8_t stream[MAX_STREAM], rows[MAX_ROWS];
    size_t begin, end, used, n = stream_take(png, size, stream, &begin, &end);

    if (n == 0)
        return 0;
    if (draw(seed, 2)) {
        n = LLVMFuzzerMutate(stream, n, n + 64 < MAX_STREAM ? n + 64 : MAX_STREAM);
        n = repair_adler(stream, n, rows);
    } else {
        size_t n_rows = inflate_rows(stream, n, rows, &used);

        if (n_rows == 0)
            return 0;
        n_rows = draw(seed, 4) ? LLVMFuzzerMutate(rows, n_rows, n_rows) : n_rows;
        n = deflate_rows(rows, n_rows, stream, seed);
    }
    return n ? stream_put(png, size, max_size, begin, end, stream, n, seed) : 0;
}

/* Change one chunk's data, its length staying. */
static size_t mutate_chunk(uint8_t *png, size_t size, unsigned *seed)
{
    size_t n_chunks = 0, chosen;

    for (size_t at = SIGNATURE; chunk_at(png, size, at); at += FRAME + get32(png + at))
        n_chunks++;
    if (n_chunks == 0)
        return 0;
    chosen = draw(seed, (uint32_t)n_chunks);
    for (size_t at = SIGNATURE; chunk_at(png, size, at); at += FRAME + get32(png + at))
        if (chosen-- == 0 && get32(png + at) > 0)
            LLVMFuzzerMutate(png + at + 8, get32(png + at), get32(png + at));
    return size;
}

/* Put the rows' number and width to what the stream holds: a picture that is whole after its header was changed. */
static void fit_height(uint8_t *png, size_t size)
{
    static uint8_t stream[MAX_STREAM], rows[MAX_ROWS];
    size_t begin, end, used, n;

    if (size < HEADER_END || png[SIGNATURE + 16] != 8 || png[SIGNATURE + 17] != 0)
        return;
    n = inflate_rows(stream, stream_take(png, size, stream, &begin, &end), rows, &used);
    if (n > 0 && get32(png + 16) < n)
        put32(png + 20, (uint32_t)(n / (get32(png + 16) + 1)));
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    size_t changed = 0;

    switch (draw(&seed, 8)) {
    case 0: return LLVMFuzzerMutate(data, size, max_size);
    case 1: changed = LLVMFuzzerMutate(data, size, max_size); break;
    case 2:
    case 3: changed = mutate_chunk(data, size, &seed); break;
    default: changed = mutate_pixels(data, size, max_size, &seed); break;
    }
    if (changed == 0)
        changed = LLVMFuzzerMutate(data, size, max_size);
    if (draw(&seed, 4) == 0)
        fit_height(data, changed);
    repair_crcs(data, changed);
    return changed;
}
