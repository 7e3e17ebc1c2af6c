/* decode/j2k.c - see j2k.h. */
#include "j2k.h"

#include <openjpeg.h>
#include <string.h>

enum { MOST_PRECISION = 16 };

struct memory {
    const uint8_t *bytes;
    size_t n, at;
};

static OPJ_SIZE_T memory_read(void *to, OPJ_SIZE_T n, void *user)
{
    struct memory *m = user;

    if (m->at == m->n)
        return (OPJ_SIZE_T)-1;
    if (n > m->n - m->at)
        n = m->n - m->at;
    memcpy(to, m->bytes + m->at, n);
    m->at += n;
    return n;
}

static OPJ_OFF_T memory_skip(OPJ_OFF_T n, void *user)
{
    struct memory *m = user;

    if (n < 0 || (size_t)n > m->n - m->at)
        return -1;
    m->at += (size_t)n;
    return n;
}

static OPJ_BOOL memory_seek(OPJ_OFF_T to, void *user)
{
    struct memory *m = user;

    if (to < 0 || (size_t)to > m->n)
        return OPJ_FALSE;
    m->at = (size_t)to;
    return OPJ_TRUE;
}

static opj_stream_t *stream_open(struct memory *m)
{
    opj_stream_t *s = opj_stream_default_create(OPJ_TRUE);

    if (!s)
        return NULL;
    opj_stream_set_read_function(s, memory_read);
    opj_stream_set_skip_function(s, memory_skip);
    opj_stream_set_seek_function(s, memory_seek);
    opj_stream_set_user_data(s, m, NULL);
    opj_stream_set_user_data_length(s, m->n);
    return s;
}

static opj_codec_t *codec_open(const struct memory *m)
{
    static const char JP2[] = "jP  ";
    const bool is_file = m->n >= 8 && memcmp(m->bytes + 4, JP2, 4) == 0;
    opj_codec_t *codec = opj_create_decompress(is_file ? OPJ_CODEC_JP2 : OPJ_CODEC_J2K);
    opj_dparameters_t parameters;

    if (!codec)
        return NULL;
    opj_set_default_decoder_parameters(&parameters);
    if (opj_setup_decoder(codec, &parameters) && opj_decoder_set_strict_mode(codec, OPJ_TRUE))
        return codec;
    opj_destroy_codec(codec);
    return NULL;
}

/* Whether the picture, by its header or as decoded, is what it is said to be: then each component has a value for each pixel. */
static bool is_as_said(const opj_image_t *image, const struct j2k_frame *f)
{
    if (image->numcomps != f->components || image->x1 - image->x0 != f->width ||
        image->y1 - image->y0 != f->height)
        return false;
    for (unsigned i = 0; i < image->numcomps; i++) {
        const opj_image_comp_t *c = &image->comps[i];

        if (c->dx != 1 || c->dy != 1 || c->prec == 0 || c->prec > MOST_PRECISION ||
            c->prec != image->comps[0].prec)
            return false;
    }
    return true;
}

static bool is_decoded(const opj_image_t *image, const struct j2k_frame *f)
{
    for (unsigned i = 0; i < image->numcomps; i++)
        if (!image->comps[i].data || image->comps[i].w != f->width || image->comps[i].h != f->height)
            return false;
    return true;
}

static void interleave(const opj_image_t *image, const struct j2k_frame *f, uint16_t *to)
{
    for (unsigned k = 0; k < f->components; k++) {
        const OPJ_INT32 *from = image->comps[k].data;

        for (size_t i = 0; i < f->width * f->height; i++)
            to[i * f->components + k] = (uint16_t)from[i];
    }
}

/* The header, and then the picture, where it is what it is said to be. */
static enum status frame_decode(opj_stream_t *stream, opj_codec_t *codec, const struct j2k_frame *frame,
                                opj_image_t **ret, struct error *err)
{
    const bool has_header = opj_read_header(stream, codec, ret);

    if (has_header && !is_as_said(*ret, frame))
        return error_set(
            err, ST_FORMAT,
            "the JPEG 2000 data are not of the size, the channels or the bits that the file says");
    if (!has_header || !opj_decode(codec, stream, *ret) || !opj_end_decompress(codec, stream) ||
        !is_decoded(*ret, frame))
        return error_set(err, ST_FORMAT, "the JPEG 2000 data are broken or cut short");
    return ST_OK;
}

enum status j2k_samples(const uint8_t *in, size_t n, struct j2k_frame *frame, uint16_t *to, struct error *err)
{
    struct memory memory = { in, n, 0 };
    opj_stream_t *stream = stream_open(&memory);
    opj_codec_t *codec = codec_open(&memory);
    opj_image_t *image = NULL;
    enum status st = ST_OK;

    if (!stream || !codec)
        st = error_nomem(err);
    else
        st = frame_decode(stream, codec, frame, &image, err);
    if (st == ST_OK) {
        frame->precision = image->comps[0].prec;
        interleave(image, frame, to);
    }
    if (image)
        opj_image_destroy(image);
    if (codec)
        opj_destroy_codec(codec);
    if (stream)
        opj_stream_destroy(stream);
    return st;
}
