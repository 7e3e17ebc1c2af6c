/* tests/support/png_truth.c - see png_truth.h. */
#include "png_truth.h"

#include <assert.h>
#include <math.h>
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

struct source {
    const uint8_t *bytes;
    size_t left;
};

static void on_read(png_structp png, png_bytep to, size_t n)
{
    struct source *s = png_get_io_ptr(png);

    if (n > s->left)
        png_error(png, "end of file");
    memcpy(to, s->bytes, n);
    s->bytes += n;
    s->left -= n;
}

static void on_error(png_structp png, png_const_charp message)
{
    (void)message;
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message) { (void)png, (void)message; }

static double rounded(double v) { return floor(v + 0.5); }

/* Sample `k` of a row as an 8-bit value. */
static double sample(const uint8_t *row, size_t k, bool wide)
{
    return wide ? rounded((row[2 * k] * 256.0 + row[2 * k + 1]) * 255 / 65535) : row[k];
}

static double grey_of(const uint8_t *row, size_t x, unsigned channels, bool wide)
{
    const bool colour = channels >= 3, transparent = channels % 2 == 0;
    const double alpha = transparent ? sample(row, x * channels + channels - 1, wide) / 255 : 1;
    double c[3];

    for (size_t k = 0; k < 3; k++)
        c[k] = rounded(sample(row, x * channels + (colour ? k : 0), wide) * alpha);
    return colour ? rounded((19595 * c[0] + 38470 * c[1] + 7471 * c[2]) / 65536) : c[0];
}

static void pixels_take(struct png_truth *t, png_bytepp rows, unsigned channels, bool wide)
{
    for (size_t y = 0; y < t->height; y++)
        for (size_t x = 0; x < t->width; x++) {
            t->grey[y * t->width + x] = (uint8_t)grey_of(rows[y], x, channels, wide);
            t->red[y * t->width + x] = (uint8_t)sample(rows[y], x * channels, wide);
        }
}

/* The one function that libpng may jump back into: it has no locals. */
static bool picture_read(png_structp png, png_infop info, struct source *s)
{
    if (setjmp(png_jmpbuf(png)))
        return false;
    png_set_read_fn(png, s, on_read);
    png_set_user_limits(png, 1u << 20, 1u << 20);
    png_read_png(png, info, PNG_TRANSFORM_EXPAND, NULL);
    return true;
}

bool png_truth_init(struct png_truth *t, const void *bytes, size_t n)
{
    struct source s = { bytes, n };
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, on_warning);
    png_infop info = png_create_info_struct(png);
    const uint8_t *ihdr = (const uint8_t *)bytes + 16;
    static const unsigned CHANNELS[] = { 1, 0, 3, 1, 2, 0, 4 };
    const bool read = picture_read(png, info, &s);

    *t = (struct png_truth){ 0 };
    if (read) {
        t->width = png_get_image_width(png, info);
        t->height = png_get_image_height(png, info);
        t->bit_depth = ihdr[8];
        t->channels = CHANNELS[ihdr[9]];
        t->grey = malloc(t->width * t->height);
        t->red = malloc(t->width * t->height);
        assert(t->grey && t->red);
        pixels_take(t, png_get_rows(png, info), png_get_channels(png, info),
                    png_get_bit_depth(png, info) == 16);
    }
    png_destroy_read_struct(&png, &info, NULL);
    return read;
}

void png_truth_release(struct png_truth *t)
{
    free(t->grey);
    free(t->red);
    *t = (struct png_truth){ 0 };
}
