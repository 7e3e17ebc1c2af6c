/* decode/dicom_file.c - see dicom_file.h. */
#include "dicom_file.h"

#include "inflate.h"
#include "pages.h"
#include "pipeline.h"
#include "syntax.h"
#include "tags.h"
#include "turn.h"
#include "walk.h"

#include "cxrd/secret.h"

#include <stdlib.h>
#include <string.h>

struct dicom_file {
    const struct syntax *syntax;
    enum walk_coding coding;
    struct walk_element pixel_data;
    bool has_pixels, has_floats;
    uint8_t *inflated; /* the data set, where it was deflated */
    uint8_t *elements; /* copies of the elements that are wanted, [n_elements] bytes of [n_room] */
    size_t n_elements, n_room;
    struct dicom *dicom;
    struct image_source source;
    struct picture picture;
    struct pixels pixels;
};

/* ---- the elements that are wanted ---- */

static enum status element_keep(struct dicom_file *f, const struct walk_element *e, struct error *err)
{
    const size_t n = (size_t)(e->value + e->n - e->begin);

    if (f->n_room - f->n_elements < n) {
        const size_t n_room = 2 * f->n_room + n;
        uint8_t *elements = realloc(f->elements, n_room);

        if (!elements)
            return error_nomem(err);
        f->elements = elements;
        f->n_room = n_room;
    }
    memcpy(f->elements + f->n_elements, e->begin, n);
    f->n_elements += n;
    return ST_OK;
}

static enum status element_visit(void *ctx, const struct walk_element *e, struct error *err)
{
    struct dicom_file *f = ctx;
    bool is_sequence;
    enum status st = ST_OK;

    if (e->tag == TAG_PIXELS) {
        if (f->has_pixels)
            return error_set(err, ST_FORMAT, "the DICOM file is broken: it has pixel data twice");
        f->pixel_data = *e;
        f->has_pixels = true;
    }
    f->has_floats = f->has_floats || e->tag == TAG_PIXELS_FLOAT || e->tag == TAG_PIXELS_DOUBLE;
    if (!tags_wanted(e->tag, &is_sequence))
        return ST_OK;
    if (is_sequence)
        st = walk_sequence(e, f->coding, err);
    return st == ST_OK ? element_keep(f, e, err) : st;
}

/* ---- opening ---- */

/* A data set may inflate to a picture of the greatest size and this much else. */
enum { MOST_HEADER = 16 << 20 };

static enum status syntax_read(const char *uid, const struct syntax **ret, struct error *err)
{
    *ret = syntax_find(uid);
    if (*ret)
        return ST_OK;
    return error_reason(
        err,
        error_set(err, ST_UNSUPPORTED, "the transfer syntax of the DICOM file, %s, is not read here", uid),
        "transfer_syntax");
}

static enum status data_set_read(struct dicom_file *f, const uint8_t *in, size_t n,
                                 const struct image_limits *limits, struct error *err)
{
    struct walk_file file;
    enum status st = walk_file_read(in, n, &file, err);

    if (st == ST_OK)
        st = syntax_read(file.transfer_syntax, &f->syntax, err);
    if (st == ST_OK && f->syntax->deflated) {
        st = inflate_all(file.data, file.n, limits->max_bytes + MOST_HEADER, &f->inflated, &file.n, err);
        file.data = f->inflated;
    }
    if (st == ST_OK)
        st = walk_coding_read(file.data, file.n, f->syntax->coding, &f->coding, err);
    if (st == ST_OK)
        st = walk_data_set(file.data, file.n, f->coding, element_visit, f, err);
    return st == ST_OK ? dicom_open(f->elements, f->n_elements, f->coding, &f->dicom, err) : st;
}

enum status dicom_file_open(const uint8_t *in, size_t n, const struct image_limits *limits,
                            struct dicom_file **ret, struct error *err)
{
    struct dicom_file *f = calloc(1, sizeof *f);
    enum status st;

    if (!f)
        return error_nomem(err);
    st = data_set_read(f, in, n, limits, err);
    if (st == ST_OK) {
        tags_source(f->dicom, f->syntax, &f->source);
        st = picture_read(f->dicom, &f->source, f->has_pixels, f->has_floats, limits, &f->picture, err);
    }
    if (st == ST_OK)
        st = pixels_read(f->dicom, &f->pixel_data, f->syntax, &f->picture, &f->pixels, err);
    if (st == ST_OK) {
        *ret = f;
        f = NULL;
    }
    dicom_file_close(f);
    return st;
}

void dicom_file_close(struct dicom_file *f)
{
    if (!f)
        return;
    pixels_release(&f->pixels);
    dicom_close(f->dicom);
    secret_free(f->elements);
    secret_free(f->inflated);
    secret_free(f);
}

const struct picture *dicom_file_picture(const struct dicom_file *f) { return &f->picture; }
const struct pixels *dicom_file_pixels(const struct dicom_file *f) { return &f->pixels; }

/* ---- grey ---- */

static struct grey_samples samples_of(const struct dicom_file *f)
{
    return (struct grey_samples){ .values = f->pixels.values,
                                  .n = f->picture.width * f->picture.height,
                                  .allocated = f->pixels.allocated,
                                  .stored = f->pixels.stored,
                                  .high_bit = f->pixels.high_bit,
                                  .is_signed = f->picture.is_signed };
}

static enum status grey_of_monochrome(struct dicom_file *f, uint8_t *grey, struct error *err)
{
    const struct grey_samples samples = samples_of(f);
    struct pipeline p;
    enum status st = pipeline_read(f->dicom, &f->picture, &p, err);

    if (st != ST_OK)
        return st;
    st = grey_run(&p.steps, &samples, grey, err);
    f->source.voi = grey_voi(&p.steps, &samples);
    f->source.rescaled = p.modality || p.steps.slope != 1 || p.steps.intercept != 0;
    pipeline_release(&p);
    return st;
}

static enum status grey_of_colours(struct dicom_file *f, uint8_t *grey, double *ret_colour, struct error *err)
{
    const size_t n = f->picture.width * f->picture.height;
    uint8_t *rgb = malloc(n * 3);

    if (!rgb)
        return error_nomem(err);
    pixels_rgb(&f->pixels, &f->picture, rgb);
    *ret_colour = grey_of_rgb(rgb, n, grey);
    f->source.voi = IMAGE_VOI_IDENTITY;
    secret_free(rgb);
    return ST_OK;
}

static enum status grey_of_indices(struct dicom_file *f, uint8_t *grey, double *ret_colour, struct error *err)
{
    const struct grey_samples samples = samples_of(f);
    struct palette p;
    const enum status st = palette_read(f->dicom, &f->picture, &p, err);

    if (st != ST_OK)
        return st;
    *ret_colour = grey_of_palette(&p.colours, &samples, grey);
    f->source.voi = IMAGE_VOI_IDENTITY;
    palette_release(&p);
    return ST_OK;
}

static enum status file_grey(struct dicom_file *f, uint8_t *grey, double *ret_colour, struct error *err)
{
    switch (f->picture.colours) {
    case PICTURE_PALETTE: return grey_of_indices(f, grey, ret_colour, err);
    case PICTURE_RGB:
    case PICTURE_YBR:
    case PICTURE_YBR_PARTIAL: return grey_of_colours(f, grey, ret_colour, err);
    case PICTURE_GREY: break;
    }
    return grey_of_monochrome(f, grey, err);
}

enum status dicom_file_run(const uint8_t *in, size_t n, const struct image_limits *limits,
                           struct decode_reply *ret, uint8_t *grey, struct error *err)
{
    struct dicom_file *f = NULL;
    size_t width, height;
    struct turn turn;
    enum status st = dicom_file_open(in, n, limits, &f, err);

    if (st != ST_OK)
        return st;
    width = f->picture.width;
    height = f->picture.height;
    turn = tags_turn(f->dicom);
    pages_ready(grey, width * height);
    st = file_grey(f, grey, &ret->colour, err);
    if (st == ST_OK)
        st = turn_in_place(&turn, grey, &width, &height, err);
    if (st == ST_OK) {
        f->source.turned = !turn_is_none(&turn);
        ret->width = (uint32_t)width;
        ret->height = (uint32_t)height;
        ret->channels = f->picture.channels;
        ret->bit_depth = f->picture.allocated;
        ret->source = f->source;
    }
    dicom_file_close(f);
    return st;
}
