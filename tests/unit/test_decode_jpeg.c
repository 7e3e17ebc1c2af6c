/* tests/unit/test_decode_jpeg.c - JPEG files made here, and broken here: what markers say, and what becomes of pixels. */
#include "decode/jpeg.h"
#include "guard.h"
#include "leaks.h"
#include "sentence.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

TestSuite(decode_jpeg, .fini = check_no_leaks);

enum { WIDTH = 37, HEIGHT = 29 };

struct jpeg {
    uint8_t bytes[1 << 16];
    size_t n;
};

/* A picture of 1 or 3 channels: a slope, and a bright corner. */
static void draw(uint8_t *pixels, unsigned channels)
{
    for (size_t y = 0; y < HEIGHT; y++)
        for (size_t x = 0; x < WIDTH; x++)
            for (unsigned c = 0; c < channels; c++)
                pixels[(y * WIDTH + x) * channels + c] =
                    (uint8_t)(x < 8 && y < 8 ? 250 - 40 * c : x * 2 + y * 3 + c * 20);
}

static void encode(struct jpeg *j, enum TJPF format, enum TJSAMP sampling, int flags)
{
    uint8_t pixels[WIDTH * HEIGHT * 4], *out = NULL;
    unsigned long n = 0;
    tjhandle handle = tjInitCompress();

    draw(pixels, (unsigned)tjPixelSize[format]);
    cr_assert_eq(tjCompress2(handle, pixels, WIDTH, 0, HEIGHT, format, &out, &n, sampling, 95, flags), 0);
    cr_assert(n <= sizeof j->bytes);
    memcpy(j->bytes, out, n);
    j->n = n;
    tjFree(out);
    tjDestroy(handle);
}

static enum status frame_of(const struct jpeg *j, struct jpeg_frame *f, struct error *err)
{
    struct guarded g = guarded_copy(j->bytes, j->n);
    const enum status st = jpeg_frame_read(g.bytes, j->n, f, err);

    guarded_release(&g);
    return st;
}

static enum status samples_of(const struct jpeg *j, uint8_t *pixels, struct jpeg_frame *f, struct error *err)
{
    struct guarded g = guarded_copy(j->bytes, j->n);
    enum status st = jpeg_frame_read(g.bytes, j->n, f, err);

    if (st == ST_OK)
        st = jpeg_samples(g.bytes, j->n, f, pixels, err);
    guarded_release(&g);
    return st;
}

static void insert(struct jpeg *j, size_t at, const void *bytes, size_t n)
{
    memmove(j->bytes + at + n, j->bytes + at, j->n - at);
    memcpy(j->bytes + at, bytes, n);
    j->n += n;
}

/* Where a marker stands first. */
static size_t marker_at(const struct jpeg *j, uint8_t marker)
{
    for (size_t i = 0; i + 1 < j->n; i++)
        if (j->bytes[i] == 0xFF && j->bytes[i + 1] == marker)
            return i;
    cr_assert_fail("there is no marker %02X", marker);
    return 0;
}

static void check_broken(const char *what, const struct jpeg *j, enum status expected, const char *word)
{
    uint8_t pixels[WIDTH * HEIGHT * 3];
    struct jpeg_frame f;
    struct error err = { 0 };
    const enum status st = samples_of(j, pixels, &f, &err);

    check_refusal(what, st, expected, &err, word);
}

Test(decode_jpeg, grey_and_colour_baseline_and_progressive_are_read)
{
    static const struct {
        enum TJPF format;
        enum TJSAMP sampling;
        int flags;
        unsigned channels;
        uint8_t process;
    } CASES[] = {
        { TJPF_GRAY, TJSAMP_GRAY, 0, 1, 0xC0 }, { TJPF_GRAY, TJSAMP_GRAY, TJFLAG_PROGRESSIVE, 1, 0xC2 },
        { TJPF_RGB, TJSAMP_444, 0, 3, 0xC0 },   { TJPF_RGB, TJSAMP_420, TJFLAG_PROGRESSIVE, 3, 0xC2 },
        { TJPF_RGB, TJSAMP_440, 0, 3, 0xC0 },
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        static struct jpeg j;
        uint8_t drawn[WIDTH * HEIGHT * 3], pixels[WIDTH * HEIGHT * 3];
        struct jpeg_frame f;
        struct error err = { 0 };

        encode(&j, CASES[i].format, CASES[i].sampling, CASES[i].flags);
        cr_assert_eq(samples_of(&j, pixels, &f, &err), ST_OK, "%zu: %s", i, err.text);
        cr_assert(f.width == WIDTH && f.height == HEIGHT && f.components == CASES[i].channels &&
                  f.precision == 8);
        cr_assert(f.process == CASES[i].process && jpeg_is_read(&f) && f.n_scans > 0 &&
                  turn_is_none(&f.upright));
        draw(drawn, CASES[i].channels);
        for (size_t k = CASES[i].channels * (20 * WIDTH + 20); k < CASES[i].channels * (20 * WIDTH + 30); k++)
            cr_assert(abs(drawn[k] - pixels[k]) < 12, "%zu: %zu: %u %u", i, k, drawn[k], pixels[k]);
    }
}

/* A decoder only warns of missing data, and fills up with grey. Of a sequential file the end marker alone may be missing. */
Test(decode_jpeg, a_file_cut_anywhere_is_refused)
{
    for (int flags = 0; flags <= TJFLAG_PROGRESSIVE; flags += TJFLAG_PROGRESSIVE) {
        static struct jpeg j;
        size_t n;

        encode(&j, TJPF_RGB, TJSAMP_420, flags);
        n = j.n - (flags ? 0 : 2);
        for (j.n = 0; j.n < n; j.n++)
            check_broken("cut", &j, ST_FORMAT, "JPEG");
    }
}

Test(decode_jpeg, a_picture_that_lacks_only_its_end_is_read_exactly)
{
    static const struct {
        enum TJPF format;
        enum TJSAMP sampling;
        unsigned channels;
    } CASES[] = { { TJPF_GRAY, TJSAMP_GRAY, 1 }, { TJPF_RGB, TJSAMP_444, 3 }, { TJPF_RGB, TJSAMP_420, 3 } };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        static struct jpeg j;
        uint8_t whole[WIDTH * HEIGHT * 3], cut[WIDTH * HEIGHT * 3];
        struct jpeg_frame f;
        struct error err = { 0 };

        encode(&j, CASES[i].format, CASES[i].sampling, 0);
        cr_assert_eq(samples_of(&j, whole, &f, &err), ST_OK, "%s", err.text);
        cr_assert_not(f.endless);
        for (int k = 1; k <= 2; k++) { /* half of the marker, all of it */
            j.n--;
            cr_assert_eq(samples_of(&j, cut, &f, &err), ST_OK, "%zu %d: %s", i, k, err.text);
            cr_assert(f.endless);
            cr_assert_arr_eq(cut, whole, (size_t)WIDTH * HEIGHT * CASES[i].channels);
        }
        insert(&j, j.n, (const uint8_t[16]){ 0 }, 16);
        check_broken("room that was not filled", &j, ST_FORMAT, "JPEG");
    }
}

/* A scan a component: after the first there would be grey where the others are. */
Test(decode_jpeg, a_file_that_ends_before_its_last_scan_is_refused)
{
    static struct jpeg j;
    size_t frame, scan;

    encode(&j, TJPF_GRAY, TJSAMP_GRAY, 0);
    j.n -= 2;
    frame = marker_at(&j, 0xC0);
    insert(&j, frame + 4 + 6 + 3, "\2\x11\0\3\x11\0", 6); /* two more components */
    j.bytes[frame + 3] = (uint8_t)(j.bytes[frame + 3] + 6);
    j.bytes[frame + 9] = 3;
    scan = marker_at(&j, 0xDA);
    cr_assert_eq(j.bytes[scan + 4], 1);
    check_broken("the other scans are missing", &j, ST_FORMAT, "end-of-image");
}

Test(decode_jpeg, an_arithmetic_file_needs_its_end)
{
    static struct jpeg j;

    encode(&j, TJPF_GRAY, TJSAMP_GRAY, 0);
    j.bytes[marker_at(&j, 0xC0) + 1] = 0xC9;
    j.n -= 2;
    check_broken("no end", &j, ST_FORMAT, "end-of-image");
}

Test(decode_jpeg, data_that_were_cut_out_are_refused)
{
    static struct jpeg j;
    const size_t end[] = { 40, 100 };

    for (size_t i = 0; i < 2; i++) {
        encode(&j, TJPF_GRAY, TJSAMP_GRAY, 0);
        memmove(j.bytes + j.n - end[i], j.bytes + j.n - 2, 2); /* the end of the image, earlier */
        j.n -= end[i] - 2;
        check_broken("a piece is missing", &j, ST_FORMAT, "JPEG");
    }
}

Test(decode_jpeg, what_lies_behind_the_end_does_not_matter)
{
    static struct jpeg j;
    uint8_t pixels[WIDTH * HEIGHT];
    struct jpeg_frame f;
    struct error err = { 0 };

    encode(&j, TJPF_GRAY, TJSAMP_GRAY, 0);
    insert(&j, j.n, "\xff\xd8\xff\xda rubbish", 12);
    cr_assert_eq(samples_of(&j, pixels, &f, &err), ST_OK, "%s", err.text);
}

Test(decode_jpeg, headers_that_lie_are_refused)
{
    static struct jpeg j;
    size_t sof;

    j.n = 0;
    check_broken("nothing", &j, ST_FORMAT, "start-of-image");
    insert(&j, 0, "\xff\xd8\xff\xd9", 4);
    check_broken("no picture", &j, ST_FORMAT, "no picture");

    encode(&j, TJPF_GRAY, TJSAMP_GRAY, 0);
    sof = marker_at(&j, 0xC0);
    insert(&j, sof, j.bytes + sof, 13);
    check_broken("two frames", &j, ST_FORMAT, "two frame headers");

    encode(&j, TJPF_GRAY, TJSAMP_GRAY, 0);
    memset(j.bytes + sof + 5, 0, 2); /* the height follows the first scan, in a DNL segment */
    check_broken("no height", &j, ST_FORMAT, "no pixels");

    encode(&j, TJPF_GRAY, TJSAMP_GRAY, 0);
    j.bytes[sof + 3] = 4;
    check_broken("a short frame header", &j, ST_FORMAT, "too short");

    encode(&j, TJPF_GRAY, TJSAMP_GRAY, 0);
    j.bytes[sof + 1] = 0xFE; /* a comment now */
    check_broken("no frame", &j, ST_FORMAT, "before the frame header");
}

Test(decode_jpeg, kinds_that_are_not_read_are_known_before_decoding)
{
    static const uint8_t OTHERS[] = { 0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7 };
    static struct jpeg j;
    struct jpeg_frame f;
    struct error err = { 0 };
    size_t sof;

    encode(&j, TJPF_GRAY, TJSAMP_GRAY, 0);
    sof = marker_at(&j, 0xC0);
    for (size_t i = 0; i < sizeof OTHERS; i++) {
        j.bytes[sof + 1] = OTHERS[i];
        cr_assert_eq(frame_of(&j, &f, &err), ST_OK, "%s", err.text);
        cr_assert(f.process == OTHERS[i] && !jpeg_is_read(&f));
    }
    j.bytes[sof + 1] = 0xC1;
    j.bytes[sof + 4] = 12;
    cr_assert_eq(frame_of(&j, &f, &err), ST_OK, "%s", err.text);
    cr_assert(f.precision == 12 && !jpeg_is_read(&f));
}

/* Scans of no data: each costs a pass over the picture. */
Test(decode_jpeg, scans_are_counted)
{
    static struct jpeg j;
    uint8_t scan[64];
    size_t sos, length;
    struct jpeg_frame f;
    struct error err = { 0 };

    encode(&j, TJPF_GRAY, TJSAMP_GRAY, TJFLAG_PROGRESSIVE);
    sos = marker_at(&j, 0xDA);
    length = 2 + j.bytes[sos + 3];
    memcpy(scan, j.bytes + sos, length);
    cr_assert_eq(frame_of(&j, &f, &err), ST_OK, "%s", err.text);
    for (size_t n = f.n_scans; n < 64; n++)
        insert(&j, sos, scan, length);
    cr_assert_eq(frame_of(&j, &f, &err), ST_OK, "%s", err.text);
    cr_assert_eq(f.n_scans, 64);
    insert(&j, sos, scan, length);
    check_refusal("one more", frame_of(&j, &f, &err), ST_LIMIT, &err, "scans");
}

/* ---- Exif ---- */

static void put_exif(struct jpeg *j, bool big, uint16_t orientation)
{
    uint8_t segment[38] = { 0xFF, 0xE1, 0, 36, 'E', 'x', 'i', 'f' }, *tiff = segment + 10;
    static const uint8_t LITTLE[] = { 'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0 };
    static const uint8_t BIG[] = { 'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1 };

    memcpy(tiff, big ? BIG : LITTLE, 18);
    tiff[18] = (uint8_t)(big ? orientation >> 8 : orientation);
    tiff[19] = (uint8_t)(big ? orientation : orientation >> 8);
    insert(j, 2, segment, sizeof segment);
}

/* Where the pixels of 2 x 3 lie in the file for each orientation of CIPA DC-008, so that they are upright as 1 2 3 4 5 6. */
static const struct {
    size_t width, height;
    uint8_t file[6];
} TURNED[9] = {
    [1] = { 2, 3, { 1, 2, 3, 4, 5, 6 } }, [2] = { 2, 3, { 2, 1, 4, 3, 6, 5 } },
    [3] = { 2, 3, { 6, 5, 4, 3, 2, 1 } }, [4] = { 2, 3, { 5, 6, 3, 4, 1, 2 } },
    [5] = { 3, 2, { 1, 3, 5, 2, 4, 6 } }, [6] = { 3, 2, { 2, 4, 6, 1, 3, 5 } },
    [7] = { 3, 2, { 6, 4, 2, 5, 3, 1 } }, [8] = { 3, 2, { 5, 3, 1, 6, 4, 2 } },
};

Test(decode_jpeg, exif_says_what_is_up)
{
    for (uint16_t orientation = 0; orientation < 12; orientation++)
        for (int big = 0; big < 2; big++) {
            static const uint8_t UPRIGHT[] = { 1, 2, 3, 4, 5, 6 };
            static struct jpeg j;
            const uint16_t meant = orientation >= 1 && orientation <= 8 ? orientation : 1;
            size_t width = TURNED[meant].width, height = TURNED[meant].height;
            uint8_t pixels[6];
            struct jpeg_frame f;
            struct error err = { 0 };

            encode(&j, TJPF_GRAY, TJSAMP_GRAY, 0);
            put_exif(&j, big, orientation);
            cr_assert_eq(frame_of(&j, &f, &err), ST_OK, "%s", err.text);
            memcpy(pixels, TURNED[meant].file, 6);
            cr_assert_eq(turn_in_place(&f.upright, pixels, &width, &height, &err), ST_OK);
            cr_assert(width == 2 && height == 3, "%u", orientation);
            cr_assert_arr_eq(pixels, UPRIGHT, 6, "%u", orientation);
        }
}

Test(decode_jpeg, exif_that_is_broken_says_nothing)
{
    static const uint8_t FIRST[] = { 0xFF, 0xFF, 0xFF, 0xFF };
    static struct jpeg j;
    struct jpeg_frame f;
    struct error err = { 0 };

    for (uint8_t length = 2; length <= 36; length++) { /* each cut of it */
        encode(&j, TJPF_GRAY, TJSAMP_GRAY, 0);
        put_exif(&j, false, 6);
        memmove(j.bytes + 2 + 2 + length, j.bytes + 2 + 38, j.n - 40);
        j.bytes[5] = length;
        j.n -= 36u - length;
        cr_assert_eq(frame_of(&j, &f, &err), ST_OK, "%u: %s", length, err.text);
    }
    encode(&j, TJPF_GRAY, TJSAMP_GRAY, 0);
    put_exif(&j, false, 6);
    memcpy(j.bytes + 16, FIRST, 4); /* the directory is said to be elsewhere */
    cr_assert_eq(frame_of(&j, &f, &err), ST_OK);
    cr_assert(turn_is_none(&f.upright));
}
