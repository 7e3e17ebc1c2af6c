/* decode/pixels.c - see pixels.h. */
#include "pixels.h"

#include "grey.h"
#include "j2k.h"
#include "jpeg.h"
#include "rle.h"

#include "cxrd/secret.h"

#include <stdlib.h>
#include <string.h>

static size_t count_of(const struct picture *p) { return p->width * p->height; }

static enum status too_short(struct error *err)
{
    return error_set(err, ST_FORMAT,
                     "the DICOM file is cut short: it has fewer pixel data than its header says");
}

/* ---- as they are ---- */

static void swap_bytes(const uint8_t *from, size_t n, uint8_t *to)
{
    for (size_t i = 0; i + 1 < n; i += 2) {
        to[i] = from[i + 1];
        to[i + 1] = from[i];
    }
}

/* Samples are taken from where they lie in the file, unless their bytes have the other order: as 16-bit values or, PS3.5 A.3, as
 * two 8-bit ones in a word. */
static enum status native_read(const struct walk_element *e, const struct syntax *syntax,
                               const struct picture *picture, struct pixels *ret, struct error *err)
{
    const size_t per_pixel = picture->halved ? 2 : picture->channels;
    const size_t n = count_of(picture) * per_pixel * (picture->allocated / 8), n_words = (n + 1) & ~(size_t)1;
    const bool words = picture->allocated == 16 || memcmp(e->vr, "OW", 2) == 0;
    const bool swapped = syntax->coding == WALK_BIG_ENDIAN && words;

    if (e->undefined)
        return error_set(err, ST_FORMAT, "the DICOM file is broken: its pixel data have no length");
    if (picture->halved && picture->width % 2)
        return error_set(err, ST_FORMAT,
                         "the DICOM file is broken: pixels in pairs, but rows of an odd number");
    if (e->n < (swapped ? n_words : n))
        return too_short(err);
    ret->values = e->value;
    if (!swapped && (picture->allocated == 8 || (uintptr_t)e->value % 2 == 0))
        return ST_OK;
    ret->values = ret->owned = malloc(n_words);
    if (!ret->owned)
        return error_nomem(err);
    if (swapped)
        swap_bytes(e->value, n_words, ret->owned);
    else
        memcpy(ret->owned, e->value, n);
    return ST_OK;
}

/* ---- through a codec ---- */

/* The fragments of the one frame, put together. */
struct stream {
    const uint8_t *bytes;
    size_t n, n_fragments;
    uint8_t *owned; /* NULL: there is one fragment, and it is taken from where it lies */
};

static enum status stream_count(void *ctx, const uint8_t *fragment, size_t n, struct error *err)
{
    struct stream *s = ctx;

    (void)err;
    s->bytes = fragment;
    s->n += n;
    s->n_fragments++;
    return ST_OK;
}

static enum status stream_append(void *ctx, const uint8_t *fragment, size_t n, struct error *err)
{
    struct stream *s = ctx;

    (void)err;
    memcpy(s->owned + s->n, fragment, n);
    s->n += n;
    return ST_OK;
}

static enum status stream_open(const struct walk_element *e, struct stream *s, struct error *err)
{
    enum status st = ST_OK;

    *s = (struct stream){ 0 };
    if (!e->undefined)
        return error_set(err, ST_FORMAT,
                         "the DICOM file is broken: its compressed pixel data are no fragments");
    st = walk_fragments(e, stream_count, s, err);
    if (st == ST_OK && s->n == 0)
        st = error_set(err, ST_FORMAT, "the DICOM file is broken: its compressed pixel data are empty");
    if (st != ST_OK || s->n_fragments == 1)
        return st;
    s->owned = malloc(s->n);
    if (!s->owned)
        return error_nomem(err);
    s->bytes = s->owned;
    s->n = 0;
    return walk_fragments(e, stream_append, s, err);
}

/* Room for samples; two bytes more, as a codec may fill up to an even number. */
static enum status samples_new(struct pixels *ret, const struct picture *picture, unsigned allocated,
                               struct error *err)
{
    ret->allocated = allocated;
    ret->values = ret->owned = calloc(count_of(picture) * picture->channels * (allocated / 8) + 2, 1);
    return ret->owned ? ST_OK : error_nomem(err);
}

static size_t samples_size(const struct pixels *p, const struct picture *picture)
{
    return (count_of(picture) * picture->channels * (p->allocated / 8) + 1) & ~(size_t)1;
}

/* A codec gives its samples from bit 0 on, and what its code stream says of their bits counts, not what the header says (PS3.5, 8.2.1):
 * where those lie above them, it is wrong about where. Of signed values the header knows alone which bit is the sign. */
static void keep_to_precision(struct pixels *p, const struct picture *picture, unsigned precision)
{
    if (p->high_bit < precision)
        return;
    if (!picture->is_signed && p->stored > precision)
        p->stored = precision;
    p->high_bit = p->stored - 1;
}

static enum status jpeg_check(const struct stream *s, const struct picture *picture, struct jpeg_frame *frame,
                              struct error *err)
{
    const enum status st = jpeg_frame_read(s->bytes, s->n, frame, err);

    if (st != ST_OK)
        return st;
    if (frame->width != picture->width || frame->height != picture->height ||
        frame->components != picture->channels || frame->precision > picture->allocated)
        return error_set(err, ST_FORMAT,
                         "the JPEG data in the DICOM file are not of the size, the channels or the bits "
                         "that its header says");
    return ST_OK;
}

/* libturbojpeg is the faster one, but reads only 8 bits, and decides for itself whether three channels are YCbCr. */
static enum status jpeg_family_read(struct dicom *d, const struct stream *s, const struct syntax *syntax,
                                    const struct picture *picture, struct pixels *ret, struct error *err)
{
    struct jpeg_frame frame;
    enum status st = jpeg_check(s, picture, &frame, err);

    ret->by_plane = ret->halved = false;
    if (st == ST_OK)
        st = samples_new(ret, picture, frame.precision > 8 ? 16 : 8, err);
    if (st != ST_OK)
        return st;
    keep_to_precision(ret, picture, frame.precision);
    if (jpeg_is_read(&frame) && (picture->channels == 1 || picture->colours == PICTURE_YBR)) {
        ret->colours = picture->channels == 1 ? picture->colours : PICTURE_RGB;
        return jpeg_samples(s->bytes, s->n, &frame, ret->owned, err);
    }
    return dicom_frame(d, syntax->uid, s->bytes, s->n, ret->owned, samples_size(ret, picture), err);
}

static enum status rle_read(const struct stream *s, const struct picture *picture, struct pixels *ret,
                            struct error *err)
{
    const unsigned bytes = picture->allocated / 8;
    const enum status st = samples_new(ret, picture, picture->allocated, err);

    ret->by_plane = ret->halved = false;
    return st == ST_OK
               ? rle_samples(s->bytes, s->n, count_of(picture), picture->channels, bytes, ret->owned, err)
               : st;
}

static enum status j2k_read(const struct stream *s, const struct picture *picture, struct pixels *ret,
                            struct error *err)
{
    struct j2k_frame frame = { picture->width, picture->height, picture->channels, 0 };
    enum status st = samples_new(ret, picture, 16, err);

    ret->by_plane = ret->halved = false;
    if (st == ST_OK)
        st = j2k_samples(s->bytes, s->n, &frame, ret->owned, err);
    if (st == ST_OK)
        keep_to_precision(ret, picture, frame.precision);
    return st;
}

static enum status stream_decode(struct dicom *d, const struct stream *s, const struct syntax *syntax,
                                 const struct picture *picture, struct pixels *ret, struct error *err)
{
    switch (syntax->pixels) {
    case SYNTAX_RLE: return rle_read(s, picture, ret, err);
    case SYNTAX_JPEG_2000: return j2k_read(s, picture, ret, err);
    case SYNTAX_JPEG:
    case SYNTAX_JPEG_LS:
    case SYNTAX_NATIVE: break;
    }
    return jpeg_family_read(d, s, syntax, picture, ret, err);
}

enum status pixels_read(struct dicom *d, const struct walk_element *element, const struct syntax *syntax,
                        const struct picture *picture, struct pixels *ret, struct error *err)
{
    struct pixels p = { .allocated = picture->allocated,
                        .stored = picture->stored,
                        .high_bit = picture->high_bit,
                        .by_plane = picture->by_plane,
                        .halved = picture->halved,
                        .colours = picture->colours };
    struct stream stream = { 0 };
    enum status st;

    if (syntax->pixels == SYNTAX_NATIVE)
        st = native_read(element, syntax, picture, &p, err);
    else {
        st = stream_open(element, &stream, err);
        if (st == ST_OK)
            st = stream_decode(d, &stream, syntax, picture, &p, err);
    }
    secret_free(stream.owned);
    if (st == ST_OK)
        *ret = p;
    else
        pixels_release(&p);
    return st;
}

void pixels_release(struct pixels *p)
{
    secret_free(p->owned);
    *p = (struct pixels){ 0 };
}

/* ---- three channels ---- */

/* A sample as one of 8 bits: 2^stored - 1 is white. */
static uint8_t narrowed(const struct pixels *p, size_t at, uint32_t white)
{
    const uint32_t v =
        p->allocated == 8 ? ((const uint8_t *)p->values)[at] : ((const uint16_t *)p->values)[at];

    return (uint8_t)(v >= white ? 255 : (v * 255 + white / 2) / white);
}

/* Where the sample of a channel of a pixel lies. */
static size_t place_of(const struct pixels *p, size_t n, size_t pixel, unsigned channel)
{
    if (p->halved) /* Y Y Cb Cr */
        return pixel / 2 * 4 + (channel == 0 ? pixel % 2 : channel + 1);
    return p->by_plane ? channel * n + pixel : pixel * 3 + channel;
}

void pixels_rgb(const struct pixels *p, const struct picture *picture, uint8_t *to)
{
    const uint32_t white = ((uint32_t)1 << p->stored) - 1;
    const size_t n = count_of(picture);

    if (p->allocated == 8 && !p->halved && !p->by_plane)
        memcpy(to, p->values, n * 3);
    else
        for (size_t i = 0; i < n; i++)
            for (unsigned channel = 0; channel < 3; channel++)
                to[i * 3 + channel] = narrowed(p, place_of(p, n, i, channel), white);
    if (p->colours == PICTURE_YBR || p->colours == PICTURE_YBR_PARTIAL)
        grey_rgb_of_ybr(to, n, p->colours == PICTURE_YBR_PARTIAL);
}
