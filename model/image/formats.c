/* model/image/formats.c - which format a file has, and what decodes it. The formats are a table: one that can be read
 * has a decoder, the others are there so that a refusal can name what was sent. */
#include "cxrd/image.h"

#include "png.h"

#include "cxrd/decoder.h"

#include <string.h>

/* The signature was chosen to be hurt by what hurts files: seven bits, other line ends. */
static enum status signature_damaged(const uint8_t *bytes, size_t n_bytes, const struct image_reader *reader,
                                     struct image *ret_image, struct error *err)
{
    (void)bytes, (void)n_bytes, (void)reader, (void)ret_image;
    return error_set(err, ST_UNSUPPORTED,
                     "this looks like a PNG file whose signature, its first 8 bytes, is damaged; a whole one "
                     "is read here");
}

static enum status decode_png(const uint8_t *bytes, size_t n_bytes, const struct image_reader *reader,
                              struct image *ret_image, struct error *err)
{
    return png_decode(bytes, n_bytes, reader->limits, false, ret_image, err);
}

static enum status decode_outside(enum image_format format, const uint8_t *bytes, size_t n_bytes,
                                  const struct image_reader *reader, struct image *ret_image,
                                  struct error *err)
{
    const struct decoder_file file = { format, bytes, n_bytes, reader->shared, reader->shared_at };

    return decoder_run(reader->decoder, &file, reader->limits, ret_image, err);
}

static enum status decode_jpeg(const uint8_t *bytes, size_t n_bytes, const struct image_reader *reader,
                               struct image *ret_image, struct error *err)
{
    return decode_outside(IMAGE_JPEG, bytes, n_bytes, reader, ret_image, err);
}

static enum status decode_dicom(const uint8_t *bytes, size_t n_bytes, const struct image_reader *reader,
                                struct image *ret_image, struct error *err)
{
    return decode_outside(IMAGE_DICOM, bytes, n_bytes, reader, ret_image, err);
}

static const struct format {
    const char *name;
    size_t offset; /* where the magic number stands */
    size_t n_magic;
    const char *magic;
    bool outside; /* by the reader's decoder */
    enum status (*decode)(const uint8_t *bytes, size_t n_bytes, const struct image_reader *reader,
                          struct image *ret_image, struct error *err);
} FORMATS[] = {
    { "PNG", 0, 8, "\x89PNG\r\n\x1a\n", false, decode_png },
    { "damaged PNG", 1, 3, "PNG", false, signature_damaged },
    { "damaged PNG", 12, 4, "IHDR", false, signature_damaged },
    { "JPEG", 0, 3, "\xff\xd8\xff", true, decode_jpeg },
    { "DICOM", 128, 4, "DICM", true, decode_dicom },
    { "GIF", 0, 4, "GIF8", false, NULL },
    { "TIFF", 0, 4, "II*\0", false, NULL },
    { "TIFF", 0, 4, "MM\0*", false, NULL },
    { "WebP", 8, 4, "WEBP", false, NULL },
    { "BMP", 0, 2, "BM", false, NULL },
    { "JPEG 2000", 4, 4, "jP  ", false, NULL },
    { "HEIF", 4, 4, "ftyp", false, NULL },
    { "PDF", 0, 5, "%PDF-", false, NULL },
    { "gzip", 0, 2, "\x1f\x8b", false, NULL },
    { "ZIP", 0, 4, "PK\x03\x04", false, NULL },
};

/* Pictures that a client has put into texts: JSON, a data URL, or base64 of a PNG, a JPEG or a DICOM file's preamble. */
static bool is_wrapped(const uint8_t *bytes, size_t n)
{
    static const char *const BEGINNINGS[] = { "{", "[{", "data:", "iVBORw0KGgo", "/9j/", "AAAAAAAAAAAAAAAA" };

    while (n > 0 && strchr(" \t\r\n\"", *bytes) && *bytes) {
        bytes++;
        n--;
    }
    for (size_t i = 0; i < sizeof BEGINNINGS / sizeof BEGINNINGS[0]; i++) {
        const size_t length = strlen(BEGINNINGS[i]);

        if (n >= length && memcmp(bytes, BEGINNINGS[i], length) == 0)
            return true;
    }
    return false;
}

static const struct format *format_of(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < sizeof FORMATS / sizeof FORMATS[0]; i++) {
        const struct format *f = &FORMATS[i];

        if (n >= f->offset + f->n_magic && memcmp(bytes + f->offset, f->magic, f->n_magic) == 0)
            return f;
    }
    return NULL;
}

bool image_is_outside(const void *bytes, size_t n_bytes, bool said_dicom)
{
    const struct format *f = format_of(bytes, n_bytes);

    return f ? f->outside : said_dicom && n_bytes > 0;
}

static enum status decode_by(const struct format *f, const void *bytes, size_t n_bytes,
                             const struct image_reader *reader, struct image *ret_image, struct error *err)
{
    const char *read = reader->decoder ? "PNG, JPEG and DICOM are" : "PNG is";

    if (!f && is_wrapped(bytes, n_bytes))
        return error_set(err, ST_UNSUPPORTED,
                         "this is a text, JSON or base64: send the picture's own bytes; %s read here", read);
    if (!f)
        return error_set(err, ST_UNSUPPORTED, "this is not an image in a known format; %s read here", read);
    if (!f->decode || (f->outside && !reader->decoder))
        return error_set(err, ST_UNSUPPORTED, "this is a %s file; %s read here", f->name, read);
    return f->decode(bytes, n_bytes, reader, ret_image, err);
}

enum status image_decode(const void *bytes, size_t n_bytes, const struct image_reader *reader,
                         struct image *ret_image, struct error *err)
{
    const struct format *f = format_of(bytes, n_bytes);

    if (n_bytes == 0)
        return error_set(err, ST_FORMAT, "the image is empty");
    if (!f && reader->said_dicom && reader->decoder)
        return decode_dicom(bytes, n_bytes, reader, ret_image, err);
    return decode_by(f, bytes, n_bytes, reader, ret_image, err);
}
