/* model/image/outside/reply.c - see reply.h. */
#include "reply.h"

#include <stddef.h>
#include <string.h>

enum { MOST_CHANNELS = 4, MOST_BITS = 16, OLDEST = 150 };

static const char *const REASONS[N_DECODE_REASONS] = {
#define X(name, text) [DECODE_REASON_##name] = (text),
    DECODE_REASONS(X)
#undef X
};

#define UID  "0123456789."
#define WORD "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-\\"

/* Strings of struct image_source: each ends with a NUL, and has only these characters; NULL: any. */
#define TEXT(member, characters)                                                                    \
    {                                                                                               \
        offsetof(struct image_source, member), sizeof((struct image_source *)0)->member, characters \
    }
static const struct text {
    size_t at, size;
    const char *characters;
} TEXTS[] = {
    TEXT(sop_class_uid, UID),
    TEXT(sop_instance_uid, UID),
    TEXT(study_uid, UID),
    TEXT(series_uid, UID),
    TEXT(transfer_syntax, UID),
    TEXT(modality, WORD),
    TEXT(body_part, WORD),
    TEXT(view_text, WORD),
    TEXT(view, "PA"),
    TEXT(study.character_set, NULL),
    TEXT(study.patient_name, NULL),
    TEXT(study.patient_id, NULL),
    TEXT(study.patient_birth, NULL),
    TEXT(study.patient_sex, NULL),
    TEXT(study.study_date, NULL),
    TEXT(study.study_time, NULL),
    TEXT(study.study_id, NULL),
    TEXT(study.accession, NULL),
    TEXT(study.referring_name, NULL),
};

static bool text_sound(const char *text, size_t size, const char *characters)
{
    const char *end = memchr(text, '\0', size);

    return end && (!characters || strspn(text, characters) == (size_t)(end - text));
}

static bool source_sound(const struct image_source *s, enum image_format format)
{
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++)
        if (!text_sound((const char *)s + TEXTS[i].at, TEXTS[i].size, TEXTS[i].characters))
            return false;
    return s->format == format && (unsigned)s->voi < N_IMAGE_VOIS && s->lateral <= 1 && s->is_chest <= 1 &&
           s->age_known <= 1 && s->rescaled <= 1 && s->lossy <= 1 && s->burned_in <= 1 && s->turned <= 1 &&
           (!s->age_known || (s->age >= 0 && s->age <= OLDEST)) && /* no NaN is */
           (s->sex == 0 || s->sex == 'M' || s->sex == 'F') &&
           (!s->view[0] || strcmp(s->view, "PA") == 0 || strcmp(s->view, "AP") == 0);
}

static bool picture_sound(const struct decode_reply *r, const struct decode_request *request)
{
    const struct image_limits *l = &request->limits;

    return r->width >= 1 && r->width <= l->max_side && r->height >= 1 && r->height <= l->max_side &&
           (uint64_t)r->width * r->height <= l->max_pixels && r->channels >= 1 &&
           r->channels <= MOST_CHANNELS && r->bit_depth >= 1 && r->bit_depth <= MOST_BITS &&
           r->greatest <= UINT16_MAX && r->colour >= 0 && r->colour <= 1 &&
           source_sound(&r->source, request->format);
}

/* One line of ASCII that says something. */
static bool sentence_sound(const struct decode_reply *r)
{
    const char *end = memchr(r->text, '\0', sizeof r->text);

    for (const char *at = r->text; end && at < end; at++)
        if (*at < ' ' || *at > '~')
            return false;
    return end && end > r->text && r->reason < N_DECODE_REASONS;
}

static bool refusal_sound(const struct decode_reply *r)
{
    return (r->status == ST_FORMAT || r->status == ST_UNSUPPORTED || r->status == ST_UNUSABLE ||
            r->status == ST_LIMIT || r->status == ST_NOMEM) &&
           sentence_sound(r);
}

enum status reply_refused(enum image_format format, const char *what, struct error *err)
{
    static const char *const NAMES[N_IMAGE_FORMATS] = { "PNG", "JPEG", "DICOM" };

    error_set(err, ST_FORMAT, "this %s file is not decoded: %s", NAMES[format], what);
    return error_reason(err, ST_FORMAT, REASONS[DECODE_REASON_DECODER]);
}

enum status reply_too_long(size_t n, size_t most, struct error *err)
{
    error_set(err, ST_LIMIT, "the file has %zu bytes, over the limit of %zu", n, most);
    return error_reason(err, ST_LIMIT, REASONS[DECODE_REASON_LIMIT]);
}

static enum status not_taken(struct error *err)
{
    return error_errno(err, ST_BUSY, "the picture could not be taken from its decoder");
}

static enum status picture_take(const struct shared *output, const struct decode_reply *r, struct image *ret,
                                struct error *err)
{
    const size_t n = DECODE_OUTPUT_SIZE((size_t)r->width * r->height);
    void *mapping = shared_map(output, n);

    if (!mapping)
        return not_taken(err);
    *ret = (struct image){ .width = r->width,
                           .height = r->height,
                           .grey = (uint8_t *)mapping + DECODE_PIXELS,
                           .mapping = mapping,
                           .n_mapping = n,
                           .channels = r->channels,
                           .bit_depth = r->bit_depth,
                           .greatest = r->greatest,
                           .colour = r->colour,
                           .source = r->source };
    return ST_OK;
}

static enum status refusal_read(const struct decode_reply *r, enum image_format format, struct error *err)
{
    enum status st = (enum status)r->status;

    if (st == ST_NOMEM)
        return reply_refused(format, "that takes more memory than a picture may have", err);
    error_set(err, st, "%s", r->text);
    return error_reason(err, st, REASONS[r->reason]);
}

enum status reply_read(const struct shared *output, const struct decode_request *request, struct image *ret,
                       bool *ret_sound, struct error *err)
{
    struct decode_reply r;
    enum status st;

    *ret_sound = true;
    if (!shared_seal(output) || !shared_read(output, 0, &r, sizeof r))
        return not_taken(err);
    if (r.status == ST_OK && picture_sound(&r, request)) {
        st = picture_take(output, &r, ret, err);
    } else if (refusal_sound(&r)) {
        st = refusal_read(&r, request->format, err);
    } else {
        *ret_sound = false;
        st = reply_refused(request->format, "its decoder gave no sound answer", err);
    }
    explicit_bzero(&r, sizeof r); /* it names a patient */
    return st;
}
