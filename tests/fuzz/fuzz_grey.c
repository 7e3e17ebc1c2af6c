/* tests/fuzz/fuzz_grey.c - a pipeline and samples of a stranger's choice. The first bytes are the pipeline, the rest its tables and
 * samples. This holds of every picture: each sample becomes the grey of its stored value, and no other. */
#include "fuzz.h"

#include "decode/grey.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct input {
    const uint8_t *at, *end;
};

static uint64_t take(struct input *in, size_t n)
{
    uint64_t v = 0;

    for (size_t i = 0; i < n && in->at < in->end; i++)
        v |= (uint64_t)*in->at++ << 8 * i;
    return v;
}

static double take_number(struct input *in)
{
    const uint64_t bits = take(in, 8);
    double x;

    memcpy(&x, &bits, sizeof x);
    return x;
}

/* A table of up to as many entries as there are bytes; the caller frees its entries. */
static struct grey_lut take_lut(struct input *in)
{
    struct grey_lut lut = { .n = 1 + take(in, 1) % 64,
                            .first = (int16_t)take(in, 2),
                            .bits = 1 + take(in, 1) % 16 };
    uint16_t *entries = malloc(lut.n * sizeof *entries);

    FUZZ_CHECK(entries != NULL);
    for (size_t i = 0; i < lut.n; i++)
        entries[i] = (uint16_t)take(in, 2);
    lut.entries = entries;
    return lut;
}

static struct grey_pipeline take_pipeline(struct input *in)
{
    const unsigned flags = (unsigned)take(in, 1);
    struct grey_pipeline p = { .slope = 1, .inverted = flags & 1, .has_padding = flags & 2 };

    if (flags & 4)
        p.modality = take_lut(in);
    if (flags & 8)
        p.voi = take_lut(in);
    if (flags & 16) {
        p.slope = take_number(in);
        p.intercept = take_number(in);
    }
    if (flags & 32) {
        p.window.centre = take_number(in);
        p.window.width = take_number(in);
        p.window.function = (enum grey_function)(take(in, 1) % 3);
        p.has_window = grey_window_is_usable(&p.window);
    }
    p.padding_first = (int16_t)take(in, 2);
    p.padding_last = p.padding_first + (int32_t)take(in, 1);
    return p;
}

/* A table has 2^stored entries: few bits make many tries, and a flag asks for more. */
static struct grey_samples take_samples(struct input *in)
{
    const unsigned flags = (unsigned)take(in, 1);
    struct grey_samples s = { .allocated = flags & 1 ? 8 : 16 };
    const size_t width = s.allocated / 8;
    const unsigned most = s.allocated == 8 || flags & 2 ? s.allocated : 10;

    s.stored = 1 + (unsigned)take(in, 1) % most;
    s.high_bit = s.stored - 1 + (unsigned)take(in, 1) % (s.allocated - s.stored + 1);
    s.is_signed = take(in, 1) % 2;
    s.n = (size_t)(in->end - in->at) / width;
    s.values = fuzz_copy(in->at, s.n * width);
    return s;
}

static void check_picture(const struct grey_samples *s, const uint8_t *grey)
{
    const uint8_t *bytes = s->values;
    const uint16_t *words = s->values;
    static int16_t seen[65536];

    memset(seen, -1, sizeof seen[0] << s->stored);
    for (size_t i = 0; i < s->n; i++) {
        const uint32_t raw = s->allocated == 8 ? bytes[i] : words[i];
        const uint32_t v = (raw >> (s->high_bit + 1 - s->stored)) & (((uint32_t)1 << s->stored) - 1);

        FUZZ_CHECK(seen[v] == -1 || seen[v] == grey[i]);
        seen[v] = grey[i];
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, data + size };
    struct grey_pipeline p = take_pipeline(&in);
    struct grey_samples s = take_samples(&in);
    uint8_t *grey = malloc(s.n + 1);
    struct error err = { 0 };
    enum status st;

    FUZZ_CHECK(grey != NULL);
    st = grey_run(&p, &s, grey, &err);
    if (st == ST_OK)
        check_picture(&s, grey);
    else
        FUZZ_CHECK(st == ST_NUMERIC && err.text[0] &&
                   (p.slope == 0 || !isfinite(p.slope) || !isfinite(p.intercept)));
    free(grey);
    free((void *)(uintptr_t)s.values);
    free((void *)(uintptr_t)p.modality.entries);
    free((void *)(uintptr_t)p.voi.entries);
    return 0;
}
