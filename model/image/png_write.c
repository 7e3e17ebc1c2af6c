/* model/image/png_write.c - pictures of ours as PNG: phantoms, contribution maps. */
#include "cxrd/image.h"

#include "cxrd/secret.h"

#include <assert.h>
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>

struct writer {
    png_structp png;
    png_infop info;
    struct buf *out;
};

static void on_write(png_structp png, png_bytep bytes, size_t n)
{
    buf_put(png_get_io_ptr(png), bytes, n); /* a failure sticks and is asked for at the end */
}

static void on_flush(png_structp png) { (void)png; }

static void on_error(png_structp png, png_const_charp message)
{
    (void)message; /* libpng's own handler writes to standard error */
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message) { (void)png, (void)message; }

static png_voidp on_malloc(png_structp png, png_alloc_size_t n)
{
    (void)png;
    return malloc(n);
}

static void on_free(png_structp png, png_voidp memory)
{
    (void)png;
    secret_free(memory); /* rows, and what zlib has seen of them */
}

/* The one function that libpng may jump back into: nothing it uses afterwards changes in between. */
static bool written(struct writer *w, const uint8_t *pixels, size_t width, size_t height, unsigned channels)
{
    if (setjmp(png_jmpbuf(w->png)))
        return false;
    png_set_write_fn(w->png, w->out, on_write, on_flush);
    png_set_IHDR(w->png, w->info, (png_uint_32)width, (png_uint_32)height, 8,
                 channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_compression_level(w->png,
                              3); /* of 9: half the time of the default for a few per cent more bytes */
    png_write_info(w->png, w->info);
    for (size_t y = 0; y < height; y++)
        png_write_row(w->png, pixels + y * width * channels);
    png_write_end(w->png, NULL);
    return true;
}

enum status image_encode_png(const uint8_t *pixels, size_t width, size_t height, unsigned channels,
                             struct buf *out, struct error *err)
{
    struct writer w = { .out = out };
    enum status st = ST_OK;

    assert(width > 0 && height > 0 && (channels == 1 || channels == 3));
    w.png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, NULL, on_error, on_warning, NULL, on_malloc,
                                      on_free);
    w.info = w.png ? png_create_info_struct(w.png) : NULL;
    if (!w.info || !written(&w, pixels, width, height, channels))
        st = error_nomem(err);
    else if (buf_status(out) != ST_OK)
        st = error_set(err, buf_status(out), "the picture does not fit in %zu bytes", out->max);
    png_destroy_write_struct(&w.png, &w.info);
    return st;
}
