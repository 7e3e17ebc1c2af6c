/* server/dicom/sc.c - see sc.h. */
#include "sc.h"

#include "tags.h"

#include <assert.h>

enum status capture_write(const struct result *result, const uint8_t *rgb, size_t width, size_t height,
                          struct buf *out, struct error *err)
{
    struct dicom_writer w;
    enum status st;

    assert(width > 0 && width <= UINT16_MAX && height > 0 && height <= UINT16_MAX);
    result_begin(result, &w, out);
    dicom_text(&w, TAG_PATIENT_ORIENTATION, ""); /* of the whole, with bar and legend, none can be said */
    dicom_text(&w, TAG_LATERALITY, "");          /* nor which one of a pair */
    dicom_u16(&w, TAG_SAMPLES, 3);
    dicom_text(&w, TAG_PHOTOMETRIC, "RGB");
    dicom_u16(&w, TAG_PLANAR, 0);
    dicom_u16(&w, TAG_ROWS, (uint16_t)height);
    dicom_u16(&w, TAG_COLUMNS, (uint16_t)width);
    dicom_u16(&w, TAG_BITS_ALLOCATED, 8);
    dicom_u16(&w, TAG_BITS_STORED, 8);
    dicom_u16(&w, TAG_HIGH_BIT, 7);
    dicom_u16(&w, TAG_PIXEL_REPRESENTATION, 0);
    dicom_text(&w, TAG_BURNED_IN, "YES");
    if (result->source->lossy)
        dicom_text(&w, TAG_LOSSY, "01");
    dicom_bytes(&w, TAG_PIXELS, rgb, width * height * 3);
    st = buf_status(out);
    return st == ST_OK ? ST_OK : error_set(err, st, "the picture could not be written: %s", status_text(st));
}
