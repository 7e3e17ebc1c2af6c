/* decode/inflate.c - see inflate.h. */
#include "inflate.h"

#include "cxrd/secret.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { FIRST_SIZE = 1 << 20 };

/* Twice the room, or `most`; what was there is overwritten where it was. */
static uint8_t *grown(uint8_t *old, size_t n, size_t size)
{
    uint8_t *new = malloc(size);

    if (new)
        memcpy(new, old, n);
    secret_free(old);
    return new;
}

static enum status limit(size_t most, struct error *err)
{
    return error_reason(err, error_set(err, ST_LIMIT, "the DICOM file inflates to more than %zu bytes", most),
                        "limit");
}

static enum status inflate_to(z_stream *z, size_t most, uint8_t **out, size_t *ret_n, struct error *err)
{
    size_t size = most < FIRST_SIZE ? most : FIRST_SIZE;
    int rc = Z_OK;

    *out = malloc(size);
    for (*ret_n = 0; *out && rc == Z_OK;) {
        if (*ret_n == size && size == most)
            return limit(most, err);
        if (*ret_n == size) {
            size = size < most / 2 ? 2 * size : most;
            *out = grown(*out, *ret_n, size);
            continue;
        }
        z->next_out = *out + *ret_n;
        z->avail_out = (uInt)(size - *ret_n);
        rc = inflate(z, Z_NO_FLUSH);
        *ret_n = size - z->avail_out;
    }
    if (!*out || rc == Z_MEM_ERROR)
        return error_nomem(err);
    return rc == Z_STREAM_END ? ST_OK
                              : error_set(err, ST_FORMAT, "the deflated DICOM file is broken or cut short");
}

enum status inflate_all(const uint8_t *in, size_t n, size_t most, uint8_t **ret, size_t *ret_n,
                        struct error *err)
{
    z_stream z = { .next_in = (z_const Bytef *)in, .avail_in = (uInt)n };
    uint8_t *out = NULL;
    size_t n_out = 0;
    enum status st;

    if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
        return error_nomem(err);
    st = inflate_to(&z, most, &out, &n_out, err);
    inflateEnd(&z);
    if (st != ST_OK) {
        secret_free(out);
        return st;
    }
    *ret = out;
    *ret_n = n_out;
    return ST_OK;
}
