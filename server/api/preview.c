/* server/api/preview.c - POST /predict/preview: a picture in, its greys out as a PNG: those that a model is given, before they are
 * made as small as it sees them. A browser shows no DICOM, and of other files it may show other greys. */
#include "../http/multipart.h"
#include "answer.h"
#include "cxrd/preprocess.h"
#include "cxrd/secret.h"
#include "handlers.h"
#include "input.h"

#include <stdlib.h>

enum { MIN_SIDE = 16 };

/* ?size=, the longer side; 0: as it is. */
static enum status side_parse(const struct http_request *req, size_t *ret, struct error *err)
{
    int64_t side = 0;
    enum status st = number_parse(req, "size", MIN_SIDE, RESIZE_MAX_SIDE, &side, err);

    *ret = (size_t)side;
    return st;
}

enum status preview_at_head(struct app *app, const struct http_request *req, struct http_response *res,
                            struct error *err)
{
    size_t side;
    enum status st = side_parse(req, &side, err);

    (void)app;
    if (st == ST_OK && multipart_is(req->content_type))
        st = multipart_check(req->content_type, err);
    if (st != ST_OK)
        http_header_add(res, "Cache-Control", "no-store");
    return st;
}

/* A side in proportion, one pixel at the least. */
static size_t reduced(size_t side, size_t longer, size_t wanted)
{
    const size_t r = (side * wanted + longer / 2) / longer;

    return r ? r : 1;
}

static enum status encode(const struct image *img, size_t side, struct buf *out, struct error *err)
{
    const size_t longer = img->width > img->height ? img->width : img->height;
    const size_t width = reduced(img->width, longer, side), height = reduced(img->height, longer, side);
    uint8_t *grey;
    enum status st;

    if (side == 0 || side >= longer)
        return image_encode_png(img->grey, img->width, img->height, 1, out, err);
    grey = malloc(width * height);
    if (!grey)
        return error_nomem(err);
    image_resize_area(img, width, height, grey);
    st = image_encode_png(grey, width, height, 1, out, err);
    secret_free(grey);
    return st;
}

enum status preview_post(struct app *app, const struct http_request *req, struct http_response *res,
                         struct error *err)
{
    struct answer a = ANSWER_INIT;
    size_t side = 0;
    enum status st = side_parse(req, &side, err);

    http_header_add(res, "Cache-Control", "no-store"); /* of refusals too */
    if (st == ST_OK)
        st = answer_picture(app_serving(app), req, res, &a, err);
    res->notes = json_pack("{s:f,s:f}", "queue_ms", a.prediction.timing.queue, "decode_ms",
                           a.prediction.timing.decode);
    res->body.secret = true;
    if (st == ST_OK)
        st = encode(&a.image, side, &res->body, err);
    if (st == ST_OK)
        res->content_type = "image/png";
    answer_release(&a);
    return st;
}
