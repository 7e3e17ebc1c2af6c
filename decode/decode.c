/* decode/decode.c - see decode.h. */
#include "decode.h"

#include "dicom.h"
#include "dicom_file.h"
#include "grey.h"
#include "jpeg.h"
#include "pages.h"
#include "picture.h"

#include "cxrd/secret.h"

#include <stdlib.h>
#include <string.h>

bool decode_warm_up(void) { return dicom_warm_up(); }

/* ---- a JPEG file ---- */

static enum status jpeg_check(const uint8_t *in, size_t n, const struct image_limits *limits,
                              struct jpeg_frame *ret, struct error *err)
{
    const enum status st = jpeg_frame_read(in, n, ret, err);

    if (st != ST_OK)
        return st;
    if (!jpeg_is_read(ret))
        return error_set(err, ST_UNSUPPORTED,
                         "the JPEG file is of a kind that is not read here (frame %02X, %u bits); baseline "
                         "and progressive "
                         "of 8 bits are",
                         (unsigned)ret->process, ret->precision);
    if (ret->components != 1 && ret->components != 3)
        return error_reason(err,
                            error_set(err, ST_UNUSABLE,
                                      "the JPEG file has %u channels; grey and YCbCr or RGB are read",
                                      ret->components),
                            "photometric");
    return picture_limits(ret->width, ret->height, ret->components, limits, err);
}

/* The frame as grey, as it lies in the file. */
static enum status jpeg_grey(const uint8_t *in, size_t n, const struct jpeg_frame *f, uint8_t *grey,
                             double *ret_colour, struct error *err)
{
    uint8_t *rgb;
    enum status st;

    if (f->components == 1)
        return jpeg_samples(in, n, f, grey, err);
    rgb = malloc(f->width * f->height * 3);
    if (!rgb)
        return error_nomem(err);
    st = jpeg_samples(in, n, f, rgb, err);
    if (st == ST_OK)
        *ret_colour = grey_of_rgb(rgb, f->width * f->height, grey);
    secret_free(rgb);
    return st;
}

static enum status jpeg_run(const uint8_t *in, size_t n, const struct image_limits *limits,
                            struct decode_reply *ret, uint8_t *grey, struct error *err)
{
    struct jpeg_frame f;
    enum status st = jpeg_check(in, n, limits, &f, err);

    if (st == ST_OK)
        pages_ready(grey, f.width * f.height);
    if (st == ST_OK)
        st = jpeg_grey(in, n, &f, grey, &ret->colour, err);
    if (st == ST_OK)
        st = turn_in_place(&f.upright, grey, &f.width, &f.height, err);
    if (st != ST_OK)
        return st;
    ret->width = (uint32_t)f.width;
    ret->height = (uint32_t)f.height;
    ret->channels = f.components;
    ret->bit_depth = 8;
    ret->source.lossy = 1;
    ret->source.turned = !turn_is_none(&f.upright);
    return ST_OK;
}

/* ---- either ---- */

static uint32_t reason_of(const struct error *err)
{
    static const char *const REASONS[] = { [DECODE_NO_REASON] = "",
#define X(name, text) [DECODE_REASON_##name] = (text),
                                           DECODE_REASONS(X)
#undef X
    };

    for (uint32_t i = 0; err->reason && i < N_DECODE_REASONS; i++)
        if (strcmp(REASONS[i], err->reason) == 0)
            return i;
    return DECODE_NO_REASON;
}

static void refuse(struct decode_reply *ret, enum status st, const struct error *err)
{
    size_t n = 0;

    *ret = (struct decode_reply){ .status = (uint32_t)st, .reason = reason_of(err) };
    for (const char *p = err->text; *p && n < sizeof ret->text - 1; p++)
        ret->text[n++] = *p >= ' ' && *p <= '~' ? *p : '?';
}

void decode_run(const uint8_t *in, size_t n, const struct decode_request *request, struct decode_reply *ret,
                uint8_t *grey, size_t capacity)
{
    struct image_limits limits = request->limits;
    struct error err = { 0 };
    enum status st;

    if (limits.max_pixels > capacity)
        limits.max_pixels = capacity;
    *ret = (struct decode_reply){ .source.format = request->format };
    st = request->format == IMAGE_JPEG ? jpeg_run(in, n, &limits, ret, grey, &err)
                                       : dicom_file_run(in, n, &limits, ret, grey, &err);
    if (st != ST_OK)
        refuse(ret, st, &err);
}
