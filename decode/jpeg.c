/* decode/jpeg.c - see jpeg.h. The markers are read here before libturbojpeg sees a byte, because it would allocate and work
 * by what they say: 5,000 scans of 40 bytes over 32 Mpixel cost it 21 s. */
#include "jpeg.h"

#include "cxrd/secret.h"

#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

/* libjpeg's own scripts for progressive files have 10 scans, other encoders' up to some 20. */
enum { MOST_SCANS = 64 };

enum {
    SOF0 = 0xC0,
    SOF1 = 0xC1,
    SOF2 = 0xC2,
    SOF9 = 0xC9,
    SOF10 = 0xCA,
    SOF15 = 0xCF,
    SOF55 = 0xF7, /* JPEG-LS, ITU-T T.87 */
    DHT = 0xC4,
    JPG = 0xC8,
    DAC = 0xCC,
    RST0 = 0xD0,
    RST7 = 0xD7,
    SOI = 0xD8,
    EOI = 0xD9,
    SOS = 0xDA,
    APP1 = 0xE1,
    TEM = 0x01,
};

struct reader {
    const uint8_t *at, *end;
};

static unsigned big16(const uint8_t *p) { return (unsigned)p[0] << 8 | p[1]; }

static bool is_frame(unsigned marker)
{
    return (marker >= SOF0 && marker <= SOF15 && marker != DHT && marker != JPG && marker != DAC) ||
           marker == SOF55;
}

/* ---- Exif: a TIFF directory, and in it the orientation ---- */

struct tiff {
    const uint8_t *bytes;
    size_t n;
    bool big;
};

static unsigned tiff16(const struct tiff *t, size_t at)
{
    return t->big ? big16(t->bytes + at) : (unsigned)t->bytes[at + 1] << 8 | t->bytes[at];
}

static size_t tiff32(const struct tiff *t, size_t at)
{
    const size_t first = tiff16(t, at), second = tiff16(t, at + 2);

    return t->big ? first << 16 | second : second << 16 | first;
}

/* 1 to 8 as in CIPA DC-008, tag 0x0112; 1 where it is missing or broken. */
static unsigned exif_orientation(const uint8_t *bytes, size_t n)
{
    const struct tiff t = { bytes + 6, n - 6, n > 6 && bytes[6] == 'M' };
    size_t at, count;

    if (t.n < 14 || (at = tiff32(&t, 4)) > t.n - 2)
        return 1;
    count = tiff16(&t, at);
    at += 2;
    for (size_t i = 0; i < count && t.n - at >= 12; i++, at += 12)
        if (tiff16(&t, at) == 0x0112 && tiff16(&t, at + 2) == 3)
            return tiff16(&t, at + 8);
    return 1;
}

static struct turn turn_of_exif(unsigned orientation)
{
    static const struct turn TURNS[9] = {
        [2] = { .mirrored = true },
        [3] = { .mirrored = true, .upside_down = true },
        [4] = { .upside_down = true },
        [5] = { .transposed = true },
        [6] = { .transposed = true, .mirrored = true },
        [7] = { .transposed = true, .mirrored = true, .upside_down = true },
        [8] = { .transposed = true, .upside_down = true },
    };

    return TURNS[orientation <= 8 ? orientation : 1];
}

/* ---- markers ---- */

/* The next marker; inside a scan everything else is skipped, between segments nothing is. 0 at the end of the bytes. Behind 0xFF,
 * 0 is a byte of a scan, and in JPEG-LS all below 0x80 are; no marker below 0xC0 may stand there. */
static unsigned next_marker(struct reader *r, bool in_scan)
{
    while (r->end - r->at >= 2) {
        if (in_scan) {
            r->at = memchr(r->at, 0xFF, (size_t)(r->end - r->at) - 1);
            if (!r->at)
                break;
        }
        if (r->at[0] != 0xFF)
            return 0;
        if (r->at[1] != 0xFF && (!in_scan || (r->at[1] >= SOF0 && (r->at[1] < RST0 || r->at[1] > RST7)))) {
            r->at += 2;
            return r->at[-1];
        }
        r->at += r->at[1] == 0xFF ? 1 : 2;
    }
    r->at = r->end;
    return 0;
}

static enum status frame_header(const uint8_t *body, size_t n, unsigned marker, struct jpeg_frame *f,
                                struct error *err)
{
    if (f->process)
        return error_set(err, ST_FORMAT, "the JPEG file is broken: it has two frame headers");
    if (n < 6 || n < 6 + 3 * (size_t)body[5])
        return error_set(err, ST_FORMAT, "the JPEG file is broken: its frame header is too short");
    f->process = (uint8_t)marker;
    f->precision = body[0];
    f->height = big16(body + 1);
    f->width = big16(body + 3);
    f->components = body[5];
    if (f->width == 0 || f->height == 0 || f->components == 0 || f->precision == 0)
        return error_set(err, ST_FORMAT, "the JPEG file has no pixels by its frame header");
    return ST_OK;
}

/* A file as far as it has been read. */
struct reading {
    struct jpeg_frame frame;
    size_t n_scanned; /* components of all scans: of a sequential frame each is in one */
};

static enum status scan_header(const uint8_t *body, size_t n, struct reading *x, struct error *err)
{
    if (!x->frame.process)
        return error_set(err, ST_FORMAT, "the JPEG file is broken: a scan stands before the frame header");
    if (++x->frame.n_scans > MOST_SCANS)
        return error_reason(
            err,
            error_set(err, ST_LIMIT, "the JPEG file has more than %d scans, which is the limit", MOST_SCANS),
            "limit");
    x->n_scanned += n ? body[0] : 0;
    return ST_OK;
}

static enum status segment(unsigned marker, const uint8_t *body, size_t n, struct reading *x,
                           struct error *err)
{
    if (is_frame(marker))
        return frame_header(body, n, marker, &x->frame, err);
    if (marker == APP1 && n > 6 && memcmp(body, "Exif\0", 6) == 0)
        x->frame.upright = turn_of_exif(exif_orientation(body, n));
    return marker == SOS ? scan_header(body, n, x, err) : ST_OK;
}

static enum status cut_short(struct error *err)
{
    return error_set(err, ST_FORMAT, "the JPEG file is broken or cut short: it has no end-of-image marker");
}

/* Whether a file may end where its bytes do, in a scan. Of an arithmetic code a decoder cannot tell that some are missing, of a
 * progressive file that a later scan is. */
static bool may_end(const struct reading *x)
{
    return (x->frame.process == SOF0 || x->frame.process == SOF1) && x->n_scanned == x->frame.components;
}

/* The segments, up to the end of the image. */
static enum status segments(struct reader *r, struct reading *x, struct error *err)
{
    unsigned marker = SOI, last = SOI;

    while ((marker = next_marker(r, last == SOS)) != EOI) {
        size_t length;
        enum status st;

        if (marker == 0 && last == SOS && r->at == r->end && may_end(x)) {
            x->frame.endless = true;
            return ST_OK;
        }
        if (marker == TEM)
            continue;
        if (marker == 0 || marker == SOI || r->end - r->at < 2 || (length = big16(r->at)) < 2 ||
            length > (size_t)(r->end - r->at))
            return cut_short(err);
        st = segment(marker, r->at + 2, length - 2, x, err);
        if (st != ST_OK)
            return st;
        r->at += length;
        last = marker;
    }
    return ST_OK;
}

enum status jpeg_frame_read(const uint8_t *in, size_t n, struct jpeg_frame *ret_frame, struct error *err)
{
    struct reader r = { in, in + n };
    struct reading x = { .n_scanned = 0 };
    enum status st;

    if (next_marker(&r, false) != SOI)
        return error_set(err, ST_FORMAT,
                         "this is not a JPEG file: it does not begin with a start-of-image marker");
    st = segments(&r, &x, err);
    if (st == ST_OK && x.frame.n_scans == 0)
        st = error_set(err, ST_FORMAT, "the JPEG file has no picture in it");
    if (st == ST_OK)
        *ret_frame = x.frame;
    return st;
}

bool jpeg_is_read(const struct jpeg_frame *f)
{
    const uint8_t p = f->process;

    return f->precision == 8 && (p == SOF0 || p == SOF1 || p == SOF2 || p == SOF9 || p == SOF10);
}

/* ---- pixels ---- */

/* libturbojpeg's own sentence may quote nothing of the file but numbers of markers. */
static enum status broken(tjhandle handle, struct error *err)
{
    return error_set(err, ST_FORMAT, "the JPEG data are broken: %s", tjGetErrorStr2(handle));
}

static enum status decompress(const uint8_t *in, size_t n, const struct jpeg_frame *frame, uint8_t *to,
                              struct error *err)
{
    const bool grey = frame->components == 1;
    const int flags = TJFLAG_LIMITSCANS | TJFLAG_STOPONWARNING | TJFLAG_ACCURATEDCT;
    tjhandle handle = tjInitDecompress();
    enum status st = ST_OK;

    if (!handle)
        return error_nomem(err);
    if (tjDecompress2(handle, in, n, to, (int)frame->width, 0, (int)frame->height,
                      grey ? TJPF_GRAY : TJPF_RGB, flags) != 0)
        st = broken(handle, err);
    tjDestroy(handle);
    return st;
}

/* With the marker that is missing. The decoder reads ahead, and warns at the end of the bytes whether it needs more or not; at a
 * marker only where it does. */
static enum status decompress_ended(const uint8_t *in, size_t n, const struct jpeg_frame *frame, uint8_t *to,
                                    struct error *err)
{
    uint8_t *ended = malloc(n + 2);
    enum status st;

    if (!ended)
        return error_nomem(err);
    memcpy(ended, in, n);
    ended[n] = 0xFF;
    ended[n + 1] = EOI;
    st = decompress(ended, n + 2, frame, to, err);
    secret_free(ended);
    return st;
}

enum status jpeg_samples(const uint8_t *in, size_t n, const struct jpeg_frame *frame, uint8_t *to,
                         struct error *err)
{
    return (frame->endless ? decompress_ended : decompress)(in, n, frame, to, err);
}
