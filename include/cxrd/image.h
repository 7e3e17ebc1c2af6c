/* include/cxrd/image.h - an 8-bit grey image, and the only way strangers' bytes become one. */
#ifndef CXRD_IMAGE_H
#define CXRD_IMAGE_H

#include "cxrd/buf.h"
#include "cxrd/shared.h"
#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum image_format {
    IMAGE_PNG,
    IMAGE_JPEG,
    IMAGE_DICOM,
};
enum { N_IMAGE_FORMATS = IMAGE_DICOM + 1 };

/* How stored values became grey (DICOM PS3.3, C.11.2, "VOI LUT module"). */
enum image_voi {
    IMAGE_VOI_NONE,     /* more than 8 bits and nothing said: the least value is black, the greatest white */
    IMAGE_VOI_LUT,      /* the first item of the VOI LUT Sequence */
    IMAGE_VOI_WINDOW,   /* the first window */
    IMAGE_VOI_IDENTITY, /* up to 8 bits and nothing said: as they are */
};
enum { N_IMAGE_VOIS = IMAGE_VOI_IDENTITY + 1 };

/* The identifiers that a result must repeat so that an archive files it with its picture (PS3.3, C.7.1.1 and C.7.2.1): the raw bytes of the
 * file in its character set, without padding; "" where a value is missing or longer than its VR allows. It names a patient. Only
 * what writes DICOM reads it; it is never logged, kept, audited or sent as anything else. */
struct image_study {
    char character_set[129];  /* CS, all its values with a backslash between them */
    char patient_name[771];   /* PN: three groups of 64 characters, of up to four bytes each */
    char patient_id[257];     /* LO: 64 characters */
    char patient_birth[9];    /* DA */
    char patient_sex[17];     /* CS */
    char study_date[9];       /* DA */
    char study_time[17];      /* TM */
    char study_id[65];        /* SH: 16 characters */
    char accession[65];       /* SH */
    char referring_name[771]; /* PN */
};

/* Where a picture comes from, as far as its file says so. All zero: nothing is said, as of every PNG. Flags are 0 or 1, and not
 * `bool`, as they come from another process and are checked. */
struct image_source {
    enum image_format format;

    /* Of DICOM only. UIDs have digits and dots, the three words A-Z 0-9 blank _ - \ alone. */
    char sop_class_uid[65], sop_instance_uid[65], study_uid[65], series_uid[65], transfer_syntax[65];
    char modality[17], body_part[17], view_text[17];
    char view[3];     /* "PA", "AP" or "" */
    char sex;         /* 'M', 'F' or 0 */
    uint8_t lateral;  /* the view or the orientation says that it is no frontal picture */
    uint8_t is_chest; /* body_part, where there is one, names the chest */
    uint8_t age_known;
    double age; /* years, 0 to 150 */
    enum image_voi voi;
    uint8_t rescaled;  /* a modality LUT, or a slope and intercept other than 1 and 0, were applied */
    uint8_t lossy;     /* was compressed with loss at some time */
    uint8_t burned_in; /* Burned In Annotation says YES */
    uint8_t turned;    /* it lay on its side or was mirrored, and was turned back; JPEG by its Exif too */
    struct image_study study;
};

struct image {
    size_t width, height; /* pixels */
    uint8_t *grey;        /* [height][width], owned; NULL when empty */
    unsigned channels,
        bit_depth;     /* of the file: 1 (grey or palette), 2 (with alpha), 3 or 4; 1, 2, 4, 8 or 16 */
    uint32_t greatest; /* sample of a 16-bit file, 0 to 65,535; 0 for other files */
    double
        colour; /* the part of the pixels that are not grey: whose channels differ by more than 16 of 255 */
    struct image_source source;
    void *mapping;    /* NULL: grey is malloc()'s; else what it lies in, which can only be read */
    size_t n_mapping; /* bytes of that */
};
#define IMAGE_INIT   \
    {                \
        .grey = NULL \
    }

/* Checked against the file's header before anything is allocated by it. */
struct image_limits {
    size_t max_side;   /* pixels, width and height each */
    size_t max_pixels; /* width * height */
    size_t max_bytes;  /* width * height * channels * bytes a sample, as the file stores them */
};
extern const struct image_limits IMAGE_LIMITS; /* 8,192 a side, 32 Mpixel, 64 MiB */

struct decoder; /* the process that reads JPEG and DICOM */

/* How a picture is read. */
struct image_reader {
    const struct image_limits *limits;
    bool said_dicom; /* it is declared as DICOM: then it is read as that where its first bytes say nothing */
    struct decoder *decoder; /* borrowed; NULL: PNG only */
    const struct shared *
        shared; /* sealed memory that has the bytes from shared_at on: they are not copied for the decoder; NULL: none */
    size_t shared_at;
};
extern const struct image_reader IMAGE_READER_PNG; /* within IMAGE_LIMITS, PNG only */

/* Decode a picture; the format is recognised by its first bytes, never by a name. PNG (ISO/IEC 15948) of every
 * colour type, bit depth and interlacing becomes 8-bit grey:
 *     grey = (19595 R + 38470 G + 7471 B + 32768) >> 16 of 8-bit channels;  16 bit -> (v 255 + 32767) / 65535;
 *     palettes and tRNS are expanded first, alpha is composed over black, gamma and colour profiles are ignored.
 * A file with any defect in what makes the picture (checksums, missing or surplus data, palette indices) is
 * refused: there is no picture from a broken file.
 * JPEG (ITU-T T.81, 8 bits, baseline and progressive) and DICOM (PS3.10) are decoded outside of this process: see
 * cxrd/decoder.h and decode/.
 * `bytes` are borrowed. On failure *ret_image is untouched.
 * Errors: ST_UNSUPPORTED (the sentence names what it is), ST_FORMAT (broken), ST_LIMIT, ST_NOMEM; of the reader's decoder also
 * ST_UNUSABLE, ST_BUSY, see decoder_run(). Threads: any number at once. */
MUST_USE enum status image_decode(const void *bytes, size_t n_bytes, const struct image_reader *reader,
                                  struct image *ret_image, struct error *err);

/* Whether image_decode() would ask the reader's decoder for this picture, and wait for it. */
bool image_is_outside(const void *bytes, size_t n_bytes, bool said_dicom);
void image_release(struct image *img); /* overwrites what it held; safe on IMAGE_INIT and twice */

/* Append a PNG of 8-bit samples to `out`: pixels [height][width][channels], 1 (grey) or 3 (RGB) channels.
 * Errors: ST_LIMIT (of `out`), ST_NOMEM. */
MUST_USE enum status image_encode_png(const uint8_t *pixels, size_t width, size_t height, unsigned channels,
                                      struct buf *out, struct error *err);

/* Encode and decode a picture that is nobody's, so that the libraries behind these functions look up nothing while they hold
 * one that is: see model/image/warm_up.c. Once, before any other call. Errors: ST_NOMEM. */
MUST_USE enum status image_warm_up(struct error *err);

#endif
