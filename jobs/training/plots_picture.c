/* jobs/training/plots_picture.c - a picture for the report, see plots.h. A page has up to nine samples and two errors a finding: of
 * 1,024 pixels a side they would be more than a page may have. */
#include "plots.h"

#include "cxrd/encoding.h"
#include "cxrd/image.h"
#include "cxrd/preprocess.h"
#include "cxrd/report.h"

json_t *picture_json(uint8_t *grey, size_t size)
{
    const struct image img = { size, size, grey, 1, 8 };
    const size_t side = size < REPORT_PICTURE_SIDE ? size : REPORT_PICTURE_SIDE;
    uint8_t shown[REPORT_PICTURE_SIDE * REPORT_PICTURE_SIDE];
    struct buf png = BUF_INIT(4 << 20), text = BUF_INIT(8 << 20);
    json_t *value = NULL;

    image_resize_area(&img, side, side, shown);
    if (image_encode_png(shown, side, side, 1, &png, NULL) == ST_OK) {
        base64_put(&text, png.data, png.len);
        if (buf_status(&text) == ST_OK)
            value = json_string(text.data);
    }
    buf_release(&png);
    buf_release(&text);
    return value;
}
