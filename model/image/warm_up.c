/* model/image/warm_up.c - the libraries behind pictures, bound before there is one.
 *
 * Debian's zlib is not linked with -z now: a function that it calls for the first time is looked up then, and the lookup
 * keeps the vector registers on the stack of the thread that called. The bytes that memcpy() has just carried stand in them: 32
 * bytes of a picture or of a map, which nobody can overwrite afterwards. */
#include "cxrd/image.h"

enum { SIDE = 64, CHANNELS = 3, MOST_BYTES = 1 << 16 };

/* An image in colour goes through all of zlib's two ways; grey ones are inflated by libdeflate, which is bound at the start. */
enum status image_warm_up(struct error *err)
{
    uint8_t pixels[SIDE * SIDE * CHANNELS];
    struct buf png = BUF_INIT(MOST_BYTES);
    struct image image = IMAGE_INIT;
    enum status st;

    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * i >> 4);
    st = image_encode_png(pixels, SIDE, SIDE, CHANNELS, &png, err);
    if (st == ST_OK)
        st = image_decode(png.data, png.len, &IMAGE_READER_PNG, &image, err);
    image_release(&image);
    buf_release(&png);
    return st;
}
