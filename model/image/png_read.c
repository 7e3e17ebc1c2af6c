/* model/image/png_read.c - PNG to 8-bit grey through libpng's row API.
 *
 * Everything a stranger's file could use against us is bounded before libpng sees it: dimensions and decoded size
 * are read from the header by hand and checked first, libpng gets the same limits, ancillary chunks are skipped
 * unread, and what libpng would let pass with a warning or unseen (a bad Adler sum, surplus data) is an error, since a
 * damaged radiograph must not get a prediction. The common kind of radiograph is read by png_grey8.c, faster. libpng
 * reports errors by longjmp; all state that lives across it is in `struct reader`, never in a local. */
#include "png.h"

#include "png_grey8.h"
#include "png_stream.h"

#include "cxrd/secret.h"

#include <png.h> /* NOLINT(readability-duplicate-include): libpng's, not ours */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

enum { SIGNATURE_SIZE = 8, IHDR_END = SIGNATURE_SIZE + 8 + 13 };

struct reader {
    const uint8_t *bytes;
    size_t size, at; /* what libpng has taken so far */
    png_structp png;
    png_infop info;
    struct image img;     /* being filled */
    uint8_t *rows;        /* one row, or all of an interlaced picture, as libpng delivers them */
    size_t row_bytes;     /* of one of these rows */
    unsigned channels;    /* in these rows, after expansion */
    bool wide;            /* 16 bit samples, big-endian */
    bool palette;         /* samples are indices into grey_of */
    unsigned n_palette;   /* entries the file has */
    uint8_t grey_of[256]; /* palette index -> grey */
    bool is_coloured[256];
    size_t coloured;   /* pixels that are not grey, so far */
    bool no_memory;    /* an allocation failed: what libpng makes of it may read otherwise */
    char message[128]; /* libpng's, when it gives up */
};

static unsigned channels_of(uint8_t colour_type)
{
    switch (colour_type) {
    case PNG_COLOR_TYPE_GRAY:
    case PNG_COLOR_TYPE_PALETTE: return 1;
    case PNG_COLOR_TYPE_GRAY_ALPHA: return 2;
    case PNG_COLOR_TYPE_RGB: return 3;
    case PNG_COLOR_TYPE_RGB_ALPHA: return 4;
    default: return 0;
    }
}

/* Bits a sample that go with a colour type, as a set: bit 8 stands for 8 bits (ISO/IEC 15948, table 11.1). */
static unsigned depths_of(uint8_t colour_type)
{
    switch (colour_type) {
    case PNG_COLOR_TYPE_GRAY: return 1u << 1 | 1u << 2 | 1u << 4 | 1u << 8 | 1u << 16;
    case PNG_COLOR_TYPE_PALETTE: return 1u << 1 | 1u << 2 | 1u << 4 | 1u << 8;
    default: return 1u << 8 | 1u << 16;
    }
}

/* Is there a picture of this kind? libpng refuses the others too, but does not say why. */
static enum status kind_check(const uint8_t *ihdr_data, struct error *err)
{
    const uint8_t depth = ihdr_data[8], colour = ihdr_data[9];

    if (channels_of(colour) == 0)
        return error_set(err, ST_FORMAT, "broken PNG: there is no colour type %d", colour);
    if (depth > 16 || (depths_of(colour) >> depth & 1) == 0)
        return error_set(err, ST_FORMAT, "broken PNG: %d bits a sample do not go with colour type %d", depth,
                         colour);
    if (ihdr_data[10] != PNG_COMPRESSION_TYPE_BASE)
        return error_set(err, ST_FORMAT, "broken PNG: there is no compression method %d", ihdr_data[10]);
    if (ihdr_data[11] != PNG_FILTER_TYPE_BASE)
        return error_set(err, ST_FORMAT, "broken PNG: there is no filter method %d", ihdr_data[11]);
    if (ihdr_data[12] >= PNG_INTERLACE_LAST)
        return error_set(err, ST_FORMAT, "broken PNG: there is no interlace method %d", ihdr_data[12]);
    return ST_OK;
}

/* The header's numbers, before they size anything. */
static enum status header_check(const uint8_t *bytes, size_t n_bytes, const struct image_limits *limits,
                                struct error *err)
{
    const uint8_t *ihdr = bytes + SIGNATURE_SIZE;
    uint64_t width, height, stored;
    enum status st;

    if (n_bytes < IHDR_END || big_endian32(ihdr) != 13 || memcmp(ihdr + 4, "IHDR", 4) != 0)
        return error_set(err, ST_FORMAT, "broken PNG: it does not begin with a header");
    width = big_endian32(ihdr + 8);
    height = big_endian32(ihdr + 12);
    if (width == 0 || height == 0)
        return error_set(err, ST_FORMAT, "broken PNG: %ju x %ju pixels", (uintmax_t)width, (uintmax_t)height);
    st = kind_check(ihdr + 8, err);
    if (st != ST_OK)
        return st;
    if (width > limits->max_side || height > limits->max_side)
        return error_set(err, ST_LIMIT, "the image has %ju x %ju pixels, the limit is %zu a side",
                         (uintmax_t)width, (uintmax_t)height, limits->max_side);
    if (width * height > limits->max_pixels)
        return error_set(err, ST_LIMIT, "the image has %ju pixels, the limit is %zu",
                         (uintmax_t)(width * height), limits->max_pixels);
    stored = width * height * channels_of(ihdr[17]) * (ihdr[16] > 8 ? 2 : 1);
    if (stored > limits->max_bytes)
        return error_set(err, ST_LIMIT, "the image decodes to %ju bytes, the limit is %zu", (uintmax_t)stored,
                         limits->max_bytes);
    return ST_OK;
}

static void on_read(png_structp png, png_bytep to, size_t n)
{
    struct reader *r = png_get_io_ptr(png);

    if (n > r->size - r->at)
        png_error(png, "it ends early");
    memcpy(to, r->bytes + r->at, n);
    r->at += n;
}

static void on_error(png_structp png, png_const_charp message)
{
    struct reader *r = png_get_error_ptr(png);

    if (strcmp(message, "IEND: out of place") == 0)
        message = "there are no pixels in it";
    snprintf(r->message, sizeof r->message, "%s", message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message) { (void)png, (void)message; }

static png_voidp on_malloc(png_structp png, png_alloc_size_t n)
{
    struct reader *r = png_get_mem_ptr(png);
    void *memory = malloc(n);

    r->no_memory |= !memory;
    return memory;
}

static void on_free(png_structp png, png_voidp memory)
{
    (void)png;
    secret_free(memory); /* rows, and what zlib has seen of them */
}

static bool reader_init(struct reader *r)
{
    r->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, r, on_error, on_warning, r, on_malloc, on_free);
    r->info = r->png ? png_create_info_struct(r->png) : NULL;
    return r->info != NULL;
}

static void reader_limit(struct reader *r, const struct image_limits *limits)
{
    png_set_read_fn(r->png, r, on_read);
    png_set_user_limits(r->png, (png_uint_32)limits->max_side, (png_uint_32)limits->max_side);
    png_set_chunk_malloc_max(r->png,
                             0); /* none is kept, so none is too large: what is not the picture is skipped */
    png_set_chunk_cache_max(r->png, 16);
    png_set_keep_unknown_chunks(r->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1); /* also the known ancillary ones */
    png_set_crc_action(r->png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_set_benign_errors(r->png, 0);
}

static void reader_release(struct reader *r)
{
    png_destroy_read_struct(&r->png, &r->info, NULL);
    secret_free(r->rows);
    image_release(&r->img);
}

static uint8_t over_black(unsigned v, unsigned alpha) { return (uint8_t)((v * alpha + 127) / 255); }

static uint8_t luma(unsigned red, unsigned green, unsigned blue)
{
    return (uint8_t)((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16);
}

enum { MOST_GREY = 16 }; /* how far the channels of a pixel that counts as grey may lie apart */

static bool is_coloured(uint8_t red, uint8_t green, uint8_t blue)
{
    const uint8_t most = red > green ? red : green, least = red < green ? red : green;

    return (most > blue ? most : blue) - (least < blue ? least : blue) > MOST_GREY;
}

/* One grey value for each palette entry, so that the picture itself is a table look-up. */
static void palette_load(struct reader *r)
{
    png_colorp colours = NULL;
    png_bytep alphas = NULL;
    int n_colours = 0, n_alphas = 0;

    png_get_PLTE(r->png, r->info, &colours, &n_colours);
    png_get_tRNS(r->png, r->info, &alphas, &n_alphas, NULL);
    r->n_palette = (unsigned)n_colours;
    for (int i = 0; i < n_colours && i < 256; i++) {
        const unsigned alpha = i < n_alphas ? alphas[i] : 255;
        const uint8_t red = over_black(colours[i].red, alpha), green = over_black(colours[i].green, alpha);
        const uint8_t blue = over_black(colours[i].blue, alpha);

        r->grey_of[i] = luma(red, green, blue);
        r->is_coloured[i] = is_coloured(red, green, blue);
    }
}

/* 16-bit samples become 8-bit ones, in place; the greatest of them that is no alpha is kept. */
static void row_narrow(struct reader *r, uint8_t *row)
{
    for (size_t i = 0; i < r->img.width * r->channels; i++) {
        const uint32_t v = (uint32_t)row[2 * i] << 8 | row[2 * i + 1];
        const bool is_alpha = r->channels % 2 == 0 && i % r->channels == r->channels - 1;

        if (v > r->img.greatest && !is_alpha)
            r->img.greatest = v;
        row[i] = (uint8_t)((v * 255 + 32767) / 65535);
    }
}

static void row_look_up(struct reader *r, const uint8_t *row, uint8_t *grey)
{
    for (size_t x = 0; x < r->img.width; x++) {
        if (row[x] >= r->n_palette)
            png_error(r->png, "a pixel's palette index has no entry");
        grey[x] = r->grey_of[row[x]];
        r->coloured += r->is_coloured[row[x]];
    }
}

static void row_to_grey(struct reader *r, uint8_t *row, uint8_t *grey)
{
    const size_t width = r->img.width;
    size_t coloured = 0;

    if (r->wide)
        row_narrow(r, row);
    if (r->palette) {
        row_look_up(r, row, grey);
        return;
    }
    switch (r->channels) {
    case 1: memcpy(grey, row, width); break;
    case 2:
        for (size_t x = 0; x < width; x++, row += 2)
            grey[x] = over_black(row[0], row[1]);
        break;
    case 3:
        for (size_t x = 0; x < width; x++, row += 3) {
            grey[x] = luma(row[0], row[1], row[2]);
            coloured += is_coloured(row[0], row[1], row[2]);
        }
        break;
    default:
        for (size_t x = 0; x < width; x++, row += 4) {
            const uint8_t red = over_black(row[0], row[3]), green = over_black(row[1], row[3]);
            const uint8_t blue = over_black(row[2], row[3]);

            grey[x] = luma(red, green, blue);
            coloured += is_coloured(red, green, blue);
        }
        break;
    }
    r->coloured += coloured;
}

/* Read up to the pixels and settle how rows will arrive: 8 or 16 bit samples, tRNS as an alpha channel, palettes
 * as one index a byte. Returns the number of passes. */
static int header_read(struct reader *r)
{
    int passes;

    png_read_info(r->png, r->info);
    r->img.width = png_get_image_width(r->png, r->info);
    r->img.height = png_get_image_height(r->png, r->info);
    r->img.channels = png_get_channels(r->png, r->info);
    r->img.bit_depth = png_get_bit_depth(r->png, r->info);
    r->palette = png_get_color_type(r->png, r->info) == PNG_COLOR_TYPE_PALETTE;
    if (r->palette) {
        palette_load(r);
        png_set_packing(r->png);
    } else {
        png_set_expand(r->png);
    }
    passes = png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
    r->channels = png_get_channels(r->png, r->info);
    r->wide = png_get_bit_depth(r->png, r->info) == 16;
    r->row_bytes = png_get_rowbytes(r->png, r->info);
    return passes;
}

static void pixels_read(struct reader *r, int passes)
{
    const size_t n_rows = passes > 1 ? r->img.height : 1;

    r->rows = malloc(n_rows * r->row_bytes);
    r->img.grey = malloc(r->img.width * r->img.height);
    if (!r->rows || !r->img.grey) {
        r->no_memory = true;
        png_error(r->png, "out of memory");
    }
    for (int pass = 0; pass < passes; pass++)
        for (size_t y = 0; y < r->img.height; y++) {
            uint8_t *row = r->rows + (n_rows > 1 ? y : 0) * r->row_bytes;

            png_read_row(r->png, row, NULL);
            if (pass == passes - 1)
                row_to_grey(r, row, r->img.grey + y * r->img.width);
        }
    png_read_end(r->png, NULL);
    r->img.colour = (double)r->coloured / ((double)r->img.width * (double)r->img.height);
}

/* The one function that libpng may jump back into: it has no locals. */
static bool decoded(struct reader *r, const struct image_limits *limits)
{
    if (setjmp(png_jmpbuf(r->png)))
        return false;
    reader_limit(r, limits);
    pixels_read(r, header_read(r));
    return true;
}

/* Bytes of the uncompressed stream: a filter type a row, then the row's samples; interlaced, seven smaller pictures. */
static uint64_t stream_size(const uint8_t *ihdr_data)
{
    static const struct {
        uint32_t x, y, dx, dy;
    } ADAM7[] = { { 0, 0, 8, 8 }, { 4, 0, 8, 8 }, { 0, 4, 4, 8 }, { 2, 0, 4, 4 },
                  { 0, 2, 2, 4 }, { 1, 0, 2, 2 }, { 0, 1, 1, 2 } };
    const uint32_t width = big_endian32(ihdr_data), height = big_endian32(ihdr_data + 4);
    const uint64_t bits = (uint64_t)ihdr_data[8] * channels_of(ihdr_data[9]);
    uint64_t size = 0;

    if (ihdr_data[12] == PNG_INTERLACE_NONE)
        return height * (1 + (width * bits + 7) / 8);
    for (size_t i = 0; i < 7; i++) {
        const uint64_t columns =
            width > ADAM7[i].x ? (width - ADAM7[i].x + ADAM7[i].dx - 1) / ADAM7[i].dx : 0;
        const uint64_t rows = height > ADAM7[i].y ? (height - ADAM7[i].y + ADAM7[i].dy - 1) / ADAM7[i].dy : 0;

        size += columns ? rows * (1 + (columns * bits + 7) / 8) : 0;
    }
    return size;
}

static enum status decode_by_libpng(const uint8_t *bytes, size_t n_bytes, const struct image_limits *limits,
                                    struct image *ret_image, struct error *err)
{
    struct reader r = { .bytes = bytes, .size = n_bytes };
    enum status st = ST_OK;

    if (!reader_init(&r)) {
        st = error_nomem(err);
    } else if (!decoded(&r, limits)) {
        st = r.no_memory ? error_nomem(err) : error_set(err, ST_FORMAT, "broken PNG: %s", r.message);
    } else {
        *ret_image = r.img; /* commit */
        r.img = (struct image)IMAGE_INIT;
    }
    reader_release(&r);
    return st;
}

/* By libpng, between two looks at the stream. libpng would inflate a surplus to its end, and it may be thousands of times
 * what the file is, before it says that there is one; and it lets other faults pass.
 *   in_order  the stream is whole */
static enum status decode_and_check(const uint8_t *bytes, size_t n_bytes, const struct image_limits *limits,
                                    const struct png_stream *stream, bool in_order, struct image *ret_image,
                                    struct error *err)
{
    struct error why = { 0 };
    const enum status found = png_stream_check(stream, stream_size(bytes + SIGNATURE_SIZE + 8), &why);
    enum status st;

    if (found == ST_NOMEM)
        return error_nomem(err);
    if (found == ST_LIMIT)
        return error_set(err, ST_FORMAT, "%s", why.text);
    st = decode_by_libpng(bytes, n_bytes, limits, ret_image, err);
    return st == ST_OK && in_order && found != ST_OK ? error_set(err, found, "%s", why.text) : st;
}

enum status png_decode(const uint8_t *bytes, size_t n_bytes, const struct image_limits *limits,
                       bool only_libpng, struct image *ret_image, struct error *err)
{
    struct png_stream stream = PNG_STREAM_INIT;
    struct image img = IMAGE_INIT;
    enum status st = header_check(bytes, n_bytes, limits, err);

    if (st != ST_OK)
        return st;
    st = png_stream_read(bytes, n_bytes, &stream);
    if (st == ST_NOMEM)
        return error_nomem(err);
    if (st != ST_OK || only_libpng || !png_grey8_decode(bytes, &stream, &img))
        st = decode_and_check(bytes, n_bytes, limits, &stream, st == ST_OK, &img, err);
    png_stream_release(&stream);
    if (st == ST_OK)
        *ret_image = img;
    else
        image_release(&img);
    return st;
}
