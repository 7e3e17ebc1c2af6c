/* server/api/source.c - see source.h. */
#include "source.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- policy ---- */

enum status input_policy_parse(const char *name, enum input_policy *ret, struct error *err)
{
    static const char *const NAMES[] = { "frontal", "warn", "reject" };

    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        if (strcmp(name ? name : "frontal", NAMES[i]) == 0) {
            *ret = (enum input_policy)i;
            return ST_OK;
        }
    return error_set(err, ST_INVALID, "must be frontal, warn or reject, not '%.32s'", name);
}

static bool is_elsewhere(const struct image_source *s) { return s->body_part[0] && !s->is_chest; }

static void body_part_write(const struct image_source *s, char *ret, size_t size)
{
    snprintf(ret, size, "the file says that it shows no chest: its Body Part Examined is '%s'", s->body_part);
}

/* The orientation may say it of a picture whose view says nothing, or the contrary. */
static void view_write(const struct image_source *s, char *ret, size_t size)
{
    if (s->view_text[0] && !s->view[0])
        snprintf(ret, size, "the file says that it is no frontal picture: its view is '%s'", s->view_text);
    else
        snprintf(
            ret, size,
            "the file says that it is no frontal picture: its View Code or its Patient Orientation says so");
}

enum status source_judge(const struct image_source *s, enum input_policy policy, struct error *err)
{
    char why[160];

    if (policy == POLICY_WARN || (!is_elsewhere(s) && !s->lateral))
        return ST_OK;
    if (is_elsewhere(s))
        body_part_write(s, why, sizeof why);
    else
        view_write(s, why, sizeof why);
    error_set(err, ST_UNUSABLE, "%s", why);
    return error_reason(err, ST_UNUSABLE, is_elsewhere(s) ? "body_part" : "view");
}

/* ---- warnings ---- */

const char *const SOURCE_CODES[N_SOURCE_CODES] = { "body_part", "view",      "unknown_body_part", "no_voi",
                                                   "lossy",     "burned_in", "reoriented" };

enum { DETAIL = sizeof((struct source_warnings *)0)->details[0] };

/* A new warning: where its sentence goes. */
static char *warn(struct source_warnings *w, enum source_code code)
{
    w->codes[w->n] = code;
    return w->details[w->n++];
}

static void say(struct source_warnings *w, enum source_code code, const char *detail)
{
    snprintf(warn(w, code), DETAIL, "%s", detail);
}

static void check_dicom(const struct image_source *s, struct source_warnings *w)
{
    if (is_elsewhere(s))
        body_part_write(s, warn(w, SOURCE_BODY_PART), DETAIL);
    if (s->lateral)
        view_write(s, warn(w, SOURCE_VIEW), DETAIL);
    if (!s->body_part[0])
        say(w, SOURCE_UNKNOWN_BODY_PART, "the file does not say which body part it shows");
    if (s->voi == IMAGE_VOI_NONE)
        say(w, SOURCE_NO_VOI,
            "the file has no window and no VOI LUT that can be used: its least value was made black and its "
            "greatest white");
    if (s->lossy)
        say(w, SOURCE_LOSSY, "the picture was compressed with loss at some time");
    if (s->burned_in)
        say(w, SOURCE_BURNED_IN,
            "the file says that text is burned into the picture, which may name the patient");
}

void source_check(const struct image_source *s, struct source_warnings *ret)
{
    ret->n = 0;
    if (s->format == IMAGE_DICOM)
        check_dicom(s, ret);
    if (s->turned)
        say(ret, SOURCE_REORIENTED,
            "the file says that the picture is mirrored or lies on its side: it was turned upright");
}

/* ---- inputs ---- */

static void fill(enum input_kind kind, double value, struct input_values *values, unsigned *filled)
{
    if (input_given(kind, values))
        return;
    values->of[kind] = value;
    *filled |= 1u << kind;
}

unsigned source_fill(const struct image_source *s, struct input_values *values)
{
    unsigned filled = 0;

    if (s->age_known)
        fill(INPUT_AGE, floor(s->age), values, &filled);
    if (s->sex)
        fill(INPUT_SEX, s->sex == 'M', values, &filled);
    if (s->view[0])
        fill(INPUT_VIEW, s->view[0] == 'A', values, &filled);
    return filled;
}

/* ---- answers ---- */

const char *image_format_name(enum image_format format)
{
    switch (format) {
    case IMAGE_PNG: return "png";
    case IMAGE_JPEG: return "jpeg";
    case IMAGE_DICOM: return "dicom";
    }
    return "png";
}

static const char *voi_name(enum image_voi voi)
{
    switch (voi) {
    case IMAGE_VOI_NONE: return "none";
    case IMAGE_VOI_LUT: return "lut";
    case IMAGE_VOI_WINDOW: return "window";
    case IMAGE_VOI_IDENTITY: return "identity";
    }
    return "none";
}

static json_t *text_or_null(const char *text) { return *text ? json_string(text) : json_null(); }

static json_t *dicom_json(const struct image_source *s)
{
    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:s,s:b,s:b}", "sop_class_uid", text_or_null(s->sop_class_uid),
                     "sop_instance_uid", text_or_null(s->sop_instance_uid), "transfer_syntax",
                     text_or_null(s->transfer_syntax), "modality", text_or_null(s->modality), "body_part",
                     text_or_null(s->body_part), "view", text_or_null(s->view[0] ? s->view : s->view_text),
                     "voi", voi_name(s->voi), "lossy", (int)s->lossy, "burned_in", (int)s->burned_in);
}

void source_tell(const struct image_source *s, json_t *image)
{
    if (s->format == IMAGE_PNG)
        return;
    json_object_set_new(image, "format", json_string(image_format_name(s->format)));
    if (s->format == IMAGE_DICOM)
        json_object_update_new(image, dicom_json(s));
    json_object_set_new(image, "reoriented", json_boolean(s->turned));
}
