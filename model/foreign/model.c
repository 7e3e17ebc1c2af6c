/* model/foreign/model.c - how a picture becomes the input of a file of others, and the model that it becomes, see foreign.h. */
#include "cxrd/json.h"
#include "foreign.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct scaling {
    const char *name;
    bool by_channel;
    float means[PREPROCESS_CHANNELS], stds[PREPROCESS_CHANNELS]; /* of grey values 0..255 */
} SCALINGS[] = {
    { "0..255", false, { 0 }, { 1 } },
    { "0..1", false, { 0 }, { 255 } },
    { "-1..1", false, { 127.5F }, { 127.5F } },
    { "xrv", false, { 127.5F }, { 127.5F / 1024 } },
    /* 255 times torchvision's 0.485, 0.456, 0.406 and 0.229, 0.224, 0.225 */
    { "imagenet", true, { 123.675F, 116.28F, 103.53F }, { 58.395F, 57.12F, 57.375F } },
};

static const struct scaling *scaling_find(const char *name)
{
    for (size_t i = 0; i < sizeof SCALINGS / sizeof SCALINGS[0]; i++)
        if (strcmp(SCALINGS[i].name, name) == 0)
            return &SCALINGS[i];
    return NULL;
}

enum status foreign_preprocess(const struct import_options *o, const char *scaling, size_t size,
                               const char *from, struct preprocess *ret, json_t *report, struct error *err)
{
    const struct scaling *s = scaling_find(o->scaling ? o->scaling : scaling);

    if (!s)
        return error_set(err, ST_INVALID,
                         "'scaling' must be 0..255, 0..1, -1..1, imagenet or xrv, not '%.32s'",
                         o->scaling ? o->scaling : scaling);
    *ret = (struct preprocess){ .size = o->image_size ? o->image_size : size,
                                .resize = RESIZE_AREA,
                                .mean = s->means[0],
                                .std = s->stds[0],
                                .by_channel = s->by_channel };
    if (s->by_channel) {
        memcpy(ret->means, s->means, sizeof ret->means);
        memcpy(ret->stds, s->stds, sizeof ret->stds);
    }
    if (o->resize && !resize_parse(o->resize, &ret->resize))
        return error_set(err, ST_INVALID, "'resize' must be nearest or area, not '%.32s'", o->resize);
    json_watch();
    json_object_set_new(report, "scaling",
                        json_pack("{s:s,s:s}", "name", s->name, "from", o->scaling ? "given" : from));
    json_object_set_new(report, "image_size", json_integer((json_int_t)ret->size));
    json_object_set_new(report, "resize", json_string(resize_name(ret->resize)));
    return json_ran_out() ? error_nomem(err) : ST_OK;
}

enum status foreign_nothing_given(const struct import_options *o, struct error *err)
{
    const char *given = o->labels         ? "labels"
                        : o->architecture ? "architecture"
                        : o->scaling      ? "scaling"
                        : o->thresholds   ? "thresholds"
                        : o->resize       ? "resize"
                        : o->image_size   ? "image_size"
                                          : NULL;

    return given ? error_set(err, ST_INVALID, "'%s' is said by a file of cxrd itself: it cannot be given",
                             given)
                 : ST_OK;
}

enum status foreign_warn(json_t *report, struct error *err, const char *fmt, ...)
{
    json_t *list = json_object_get(report, "warnings");
    char text[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (!list) {
        list = json_array();
        if (json_object_set_new(report, "warnings", list) != 0)
            return error_nomem(err);
    }
    return json_array_append_new(list, json_string(text)) == 0 ? ST_OK : error_nomem(err);
}

static char *calibration_note(const struct outputs *outputs)
{
    struct calibration c = CALIBRATION_IDENTITY;

    c.method = CALIBRATION_THRESHOLDS;
    for (size_t k = 0; k < outputs->labels.n; k++)
        c.threshold[k] = (float)outputs->thresholds[k];
    return calibration_text(&c, outputs->labels.n);
}

/* The notes on where the model is from. NULL without memory. */
static json_t *notes_of(const struct outputs *outputs, const json_t *report)
{
    char *text = json_text(report, JSON_COMPACT), *calibration = NULL;
    json_t *notes = text ? json_pack("{s:s}", IMPORT_NOTE, text) : NULL;
    bool ok = notes != NULL;

    if (ok && outputs->fresh)
        ok = json_object_set_new(notes, BACKBONE_NOTE, json_string("1")) == 0;
    if (ok && outputs->has_thresholds) {
        calibration = calibration_note(outputs);
        ok = calibration && json_object_set_new(notes, "calibration", json_string(calibration)) == 0;
    }
    free(calibration);
    free(text);
    if (!ok) {
        json_decref(notes);
        return NULL;
    }
    return notes;
}

enum status foreign_model(const struct network *net, const struct outputs *outputs,
                          const struct preprocess *pre, const float *params, const json_t *report,
                          struct model **ret_model, struct error *err)
{
    json_t *notes = notes_of(outputs, report);

    return notes ? model_new(net, &outputs->labels, pre, params, notes, ret_model, err) : error_nomem(err);
}
