/* decode/picture.c - see picture.h. */
#include "picture.h"

#include "tags.h"

#include <string.h>

static enum status unusable(struct error *err, const char *reason, const char *text)
{
    return error_reason(err, error_set(err, ST_UNUSABLE, "%s", text), reason);
}

static unsigned word(struct dicom *d, uint32_t tag, unsigned otherwise)
{
    uint16_t value;

    return dicom_word(d, tag, &value) ? value : otherwise;
}

/* ---- whether it is one radiograph ---- */

#define CLASS "1.2.840.10008.5.1.4.1.1."

static bool begins_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static bool is_one_of(const char *text, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(text, words[i]) == 0)
            return true;
    return false;
}

/* Of one frame or of several; 77 and beyond are other classes: photographs, charts. */
static bool is_secondary_capture(const struct image_source *source)
{
    return strcmp(source->sop_class_uid, CLASS "7") == 0 || begins_with(source->sop_class_uid, CLASS "7.");
}

/* CR and DX, and what older devices write for them. A secondary capture may be called by what was captured from; where nothing is
 * said, the class says it. */
static bool is_radiograph(const struct image_source *source)
{
    static const char *const RADIOGRAPHS[] = { "CR", "DX", "DR", "RG" };
    static const char *const CAPTURES[] = { "OT", "SC", "" };
    static const char *const CLASSES[] = { CLASS "1", CLASS "1.1" };

    if (is_one_of(source->modality, RADIOGRAPHS, sizeof RADIOGRAPHS / sizeof RADIOGRAPHS[0]))
        return true;
    if (is_secondary_capture(source))
        return is_one_of(source->modality, CAPTURES, sizeof CAPTURES / sizeof CAPTURES[0]);
    return !source->modality[0] &&
           is_one_of(source->sop_class_uid, CLASSES, sizeof CLASSES / sizeof CLASSES[0]);
}

/* Whether an object of this class always is a picture. */
static bool is_picture_class(const struct image_source *source)
{
    return strcmp(source->sop_class_uid, CLASS "1") == 0 || begins_with(source->sop_class_uid, CLASS "1.") ||
           is_secondary_capture(source);
}

static bool is_for_processing(struct dicom *d, const struct image_source *source)
{
    char intent[17];

    dicom_text_of(d, TAG_INTENT, intent, sizeof intent);
    return strcmp(intent, "FOR PROCESSING") == 0 || strcmp(source->sop_class_uid, CLASS "1.1.1") == 0;
}

/* Number of Frames is a text; where it is no number there is one, as where there is no such element. */
static bool has_several_frames(struct dicom *d)
{
    char text[17];
    double n;

    return dicom_text_of(d, TAG_FRAMES, text, sizeof text) && tags_number(text, &n) && n > 1;
}

/* A picture that cxrd itself wrote into an archive says so: an archive that sends on whatever comes in must not have it scored. */
static bool is_own_result(struct dicom *d)
{
    char manufacturer[65];

    return dicom_text_of(d, TAG_MANUFACTURER, manufacturer, sizeof manufacturer) &&
           strcmp(manufacturer, "cxrd") == 0;
}

static enum status kind_check(struct dicom *d, const struct image_source *source, bool has_pixels,
                              bool has_floats, struct error *err)
{
    if (is_own_result(d))
        return unusable(err, "own_result", "the DICOM file is a result of cxrd's own");
    if (!has_pixels && !has_floats && is_picture_class(source) && word(d, TAG_ROWS, 0) == 0)
        return error_set(err, ST_FORMAT,
                         "the DICOM file is cut short: it has neither rows nor pixels of its picture");
    if (!has_pixels && !has_floats)
        return unusable(err, "no_picture", "the DICOM file holds no picture");
    if (!is_radiograph(source))
        return error_reason(err,
                            error_set(err, ST_UNUSABLE,
                                      "the DICOM file is no radiograph: its modality is '%s'",
                                      source->modality),
                            "modality");
    if (is_for_processing(d, source))
        return unusable(
            err, "for_processing",
            "the DICOM file holds raw values of a detector (FOR PROCESSING), which are not for the eye");
    if (has_several_frames(d))
        return unusable(err, "multi_frame", "the DICOM file holds more than one frame");
    if (!has_pixels)
        return unusable(err, "pixels", "the pixels of the DICOM file are no integers");
    return ST_OK;
}

/* ---- its pixels ---- */

static const struct kind {
    const char *photometric;
    unsigned channels;
    enum picture_colours colours;
    bool inverted, halved;
} KINDS[] = {
    { "MONOCHROME2", 1, PICTURE_GREY, false, false },
    { "MONOCHROME1", 1, PICTURE_GREY, true, false },
    { "PALETTE COLOR", 1, PICTURE_PALETTE, false, false },
    { "RGB", 3, PICTURE_RGB, false, false },
    { "YBR_FULL", 3, PICTURE_YBR, false, false },
    { "YBR_FULL_422", 3, PICTURE_YBR, false, true },
    { "YBR_PARTIAL_422", 3, PICTURE_YBR_PARTIAL, false, true },
    { "YBR_RCT", 3, PICTURE_RGB, false, false },
    { "YBR_ICT", 3, PICTURE_RGB, false, false },
};

static const struct kind *kind_of(const char *photometric)
{
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++)
        if (strcmp(KINDS[i].photometric, photometric) == 0)
            return &KINDS[i];
    return NULL;
}

/* A presentation LUT shape of INVERSE beside MONOCHROME1 is the same inversion, not a second one. */
static bool is_inverted(struct dicom *d, const struct kind *kind)
{
    char shape[17];

    dicom_text_of(d, TAG_LUT_SHAPE, shape, sizeof shape);
    return kind->inverted || (kind->colours == PICTURE_GREY && strcmp(shape, "INVERSE") == 0);
}

static enum status bits_check(const struct picture *p, struct error *err)
{
    if (p->allocated != 8 && p->allocated != 16)
        return error_reason(err,
                            error_set(err, ST_UNUSABLE,
                                      "a pixel of the DICOM file has %u bits; 8 and 16 are read",
                                      p->allocated),
                            "bits");
    if (p->stored == 0 || p->high_bit + 1 < p->stored || p->high_bit >= p->allocated)
        return error_set(err, ST_FORMAT,
                         "the DICOM file is broken: of %u bits it says that %u are stored, up to bit %u",
                         p->allocated, p->stored, p->high_bit);
    return ST_OK;
}

enum status picture_limits(size_t width, size_t height, size_t bytes_per_pixel,
                           const struct image_limits *limits, struct error *err)
{
    enum status st = ST_OK;

    if (width > limits->max_side || height > limits->max_side)
        st = error_set(err, ST_LIMIT, "the image has %zu x %zu pixels, the limit is %zu a side", width,
                       height, limits->max_side);
    else if (width * height > limits->max_pixels)
        st = error_set(err, ST_LIMIT, "the image has %zu pixels, the limit is %zu", width * height,
                       limits->max_pixels);
    else if (width * height * bytes_per_pixel > limits->max_bytes)
        st = error_set(err, ST_LIMIT, "the image decodes to %zu bytes, the limit is %zu",
                       width * height * bytes_per_pixel, limits->max_bytes);
    return st == ST_OK ? ST_OK : error_reason(err, st, "limit");
}

static enum status size_check(const struct picture *p, const struct image_limits *limits, struct error *err)
{
    if (p->width == 0 || p->height == 0)
        return error_set(err, ST_FORMAT, "the DICOM file has no pixels: its rows or columns are 0");
    return picture_limits(p->width, p->height, (size_t)p->channels * (p->allocated / 8), limits, err);
}

/* Whether a sentence may repeat it. */
static bool is_plain(const char *photometric)
{
    return strspn(photometric, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_ ") == strlen(photometric);
}

static enum status photometric_check(struct dicom *d, const struct picture *p, const struct kind *kind,
                                     const char *photometric, struct error *err)
{
    const unsigned channels = word(d, TAG_SAMPLES, 1);

    if (!photometric[0])
        return unusable(err, "photometric", "the DICOM file does not say its photometric interpretation");
    if (!kind)
        return error_reason(
            err,
            error_set(err, ST_UNUSABLE,
                      "the photometric interpretation of the DICOM file, '%s', is not read here",
                      is_plain(photometric) ? photometric : ""),
            "photometric");
    if (channels != kind->channels)
        return error_reason(err,
                            error_set(err, ST_UNUSABLE,
                                      "the DICOM file has %u samples a pixel, but its photometric "
                                      "interpretation has %u",
                                      channels, kind->channels),
                            "photometric");
    if (p->channels == 3 && (p->is_signed || p->stored < 8 || p->high_bit + 1 != p->stored))
        return unusable(err, "photometric", "the DICOM file has colours of a coding that is not read here");
    return ST_OK;
}

enum status picture_read(struct dicom *d, const struct image_source *source, bool has_pixels, bool has_floats,
                         const struct image_limits *limits, struct picture *ret, struct error *err)
{
    char photometric[17];
    const struct kind *kind =
        dicom_text_of(d, TAG_PHOTOMETRIC, photometric, sizeof photometric) ? kind_of(photometric) : NULL;
    struct picture p = { .width = word(d, TAG_COLUMNS, 0),
                         .height = word(d, TAG_ROWS, 0),
                         .channels = kind ? kind->channels : 1,
                         .allocated = word(d, TAG_ALLOCATED, 0),
                         .is_signed = word(d, TAG_SIGNED, 0) == 1,
                         .by_plane = word(d, TAG_PLANAR, 0) == 1 };
    enum status st = kind_check(d, source, has_pixels, has_floats, err);

    p.stored = word(d, TAG_STORED, p.allocated);
    p.high_bit = word(d, TAG_HIGH_BIT, p.stored ? p.stored - 1 : 0);
    if (kind) {
        p.colours = kind->colours;
        p.halved = kind->halved;
        p.inverted = is_inverted(d, kind);
    }
    if (st == ST_OK)
        st = bits_check(&p, err);
    if (st == ST_OK)
        st = size_check(&p, limits, err);
    if (st == ST_OK)
        st = photometric_check(d, &p, kind, photometric, err);
    if (st == ST_OK)
        *ret = p;
    return st;
}
