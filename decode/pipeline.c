/* decode/pipeline.c - see pipeline.h. */
#include "pipeline.h"

#include "segments.h"
#include "tags.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ENTRIES = 65536, TEXT = 65 };

/* ---- lookup tables ---- */

/* A table's words as entries. Those of up to 8 bits may be packed two in a word, the first in the lower byte. */
static bool entries_copy(const struct dicom_table *t, size_t n, uint16_t *to)
{
    if (t->n_words >= n) {
        memcpy(to, t->words, n * sizeof *to);
        return true;
    }
    if (t->descriptor[2] > 8 || t->n_words < (n + 1) / 2)
        return false;
    for (size_t i = 0; i < n; i++)
        to[i] = (uint16_t)(i % 2 ? t->words[i / 2] >> 8 : t->words[i / 2] & 0xFF);
    return true;
}

/* The first value that a table maps. Its representation says whether it is signed, where the file has representations, and in any
 * case what goes into the table does (PS3.3, C.11.1.1.1 and C.11.2.1.1). */
static int32_t first_of(const struct dicom_table *t, bool input_is_signed)
{
    return t->is_signed || input_is_signed ? (int16_t)t->descriptor[1] : t->descriptor[1];
}

static size_t entries_of(const struct dicom_table *t)
{
    return t->descriptor[0] ? t->descriptor[0] : MOST_ENTRIES;
}

/* The table of the first item of a sequence; none where there is no item. */
static enum status lut_read(struct dicom *d, uint32_t sequence, bool input_is_signed, struct grey_lut *ret,
                            uint16_t **ret_entries, struct error *err)
{
    struct dicom_table t;
    uint16_t *entries;

    if (!dicom_has_item(d, sequence))
        return ST_OK;
    if (!dicom_table_get(d, sequence, TAG_LUT_DESCRIPTOR, TAG_LUT_DATA, &t) || t.descriptor[2] == 0 ||
        t.descriptor[2] > GREY_MOST_BITS)
        return error_set(err, ST_FORMAT,
                         "the DICOM file is broken: a lookup table of its has no valid descriptor");
    entries = malloc(entries_of(&t) * sizeof *entries);
    if (!entries)
        return error_nomem(err);
    if (!entries_copy(&t, entries_of(&t), entries)) {
        free(entries);
        return error_set(err, ST_FORMAT,
                         "the DICOM file is broken: a lookup table of its has fewer entries than it says");
    }
    *ret_entries = entries;
    *ret = (struct grey_lut){ entries, entries_of(&t), first_of(&t, input_is_signed), t.descriptor[2] };
    return ST_OK;
}

/* ---- slope, window, padding ---- */

/* A number that has a meaning where it is left out. False: the text is not a number. */
static bool number_read(struct dicom *d, uint32_t tag, double otherwise, double *ret)
{
    char text[TEXT];

    *ret = otherwise;
    return !dicom_text_of(d, tag, text, sizeof text) || tags_number(text, ret);
}

static enum status rescale_read(struct dicom *d, struct grey_pipeline *p, struct error *err)
{
    if (!number_read(d, TAG_SLOPE, 1, &p->slope) || !number_read(d, TAG_INTERCEPT, 0, &p->intercept))
        return error_set(err, ST_FORMAT,
                         "the DICOM file is broken: its rescale slope or intercept is no number");
    if (p->slope == 0)
        return error_reason(
            err, error_set(err, ST_UNUSABLE, "the rescale slope of the DICOM file is 0: all is one grey"),
            "rescale");
    return ST_OK;
}

static void window_read(struct dicom *d, struct grey_pipeline *p)
{
    char centre[1025], width[1025], function[17]; /* several values */

    p->has_window = dicom_text_of(d, TAG_WINDOW_CENTRE, centre, sizeof centre) &&
                    tags_number(centre, &p->window.centre) &&
                    dicom_text_of(d, TAG_WINDOW_WIDTH, width, sizeof width) &&
                    tags_number(width, &p->window.width);
    dicom_text_of(d, TAG_VOI_FUNCTION, function, sizeof function);
    p->window.function = strcmp(function, "SIGMOID") == 0        ? GREY_SIGMOID
                         : strcmp(function, "LINEAR_EXACT") == 0 ? GREY_LINEAR_EXACT
                                                                 : GREY_LINEAR;
    p->has_window = p->has_window && grey_window_is_usable(&p->window);
}

static void padding_read(struct dicom *d, const struct picture *picture, struct grey_pipeline *p)
{
    uint16_t value, limit;
    int32_t a, b;

    p->has_padding = dicom_word(d, TAG_PADDING, &value);
    if (!p->has_padding)
        return;
    if (!dicom_word(d, TAG_PADDING_LIMIT, &limit))
        limit = value;
    a = picture->is_signed ? (int16_t)value : value;
    b = picture->is_signed ? (int16_t)limit : limit;
    p->padding_first = a < b ? a : b;
    p->padding_last = a < b ? b : a;
}

/* Whether values may be negative behind the modality step. Values out of its table never are. */
static bool may_be_negative(const struct grey_pipeline *p, const struct picture *picture)
{
    const double n = (double)((uint32_t)1 << picture->stored), least = picture->is_signed ? -n / 2 : 0,
                 greatest = least + n - 1;

    return !p->modality.entries && fmin(least * p->slope, greatest * p->slope) + p->intercept < 0;
}

enum status pipeline_read(struct dicom *d, const struct picture *picture, struct pipeline *ret,
                          struct error *err)
{
    struct pipeline p = { .steps = { .slope = 1, .inverted = picture->inverted } };
    enum status st = lut_read(d, TAG_MODALITY_LUT, picture->is_signed, &p.steps.modality, &p.modality, err);

    if (st == ST_OK && !p.steps.modality.entries)
        st = rescale_read(d, &p.steps, err);
    if (st == ST_OK)
        st = lut_read(d, TAG_VOI_LUT, may_be_negative(&p.steps, picture), &p.steps.voi, &p.voi, err);
    if (st != ST_OK) {
        pipeline_release(&p);
        return st;
    }
    window_read(d, &p.steps);
    padding_read(d, picture, &p.steps);
    *ret = p;
    return ST_OK;
}

void pipeline_release(struct pipeline *p)
{
    free(p->modality);
    free(p->voi);
    *p = (struct pipeline){ 0 };
}

/* ---- palettes ---- */

/* One of its channels. */
struct channel {
    struct dicom_table table;
    bool segmented;
};

static bool channel_find(struct dicom *d, int i, struct channel *ret)
{
    static const struct {
        uint32_t descriptor, entries, segments;
    } TAGS[3] = { { TAG_RED_DESCRIPTOR, TAG_RED_DATA, TAG_RED_SEGMENTS },
                  { TAG_GREEN_DESCRIPTOR, TAG_GREEN_DATA, TAG_GREEN_SEGMENTS },
                  { TAG_BLUE_DESCRIPTOR, TAG_BLUE_DATA, TAG_BLUE_SEGMENTS } };

    ret->segmented = !dicom_table_get(d, 0, TAGS[i].descriptor, TAGS[i].entries, &ret->table);
    return !ret->segmented || dicom_table_get(d, 0, TAGS[i].descriptor, TAGS[i].segments, &ret->table);
}

/* Entries of 16 bits become 8: their upper ones, unless a writer left those empty. */
static bool channel_read(const struct channel *c, size_t n, uint16_t *wide, uint8_t *to)
{
    uint16_t most = 0;

    if (!(c->segmented ? segments_expand(&c->table, n, wide) : entries_copy(&c->table, n, wide)))
        return false;
    for (size_t i = 0; i < n; i++)
        most = wide[i] > most ? wide[i] : most;
    for (size_t i = 0; i < n; i++)
        to[i] = (uint8_t)(most > 255 ? wide[i] >> 8 : wide[i]);
    return true;
}

static enum status no_palette(struct error *err)
{
    return error_set(
        err, ST_FORMAT,
        "the DICOM file is broken: its palette is not there, is shorter than it says, or has segments that "
        "do not make as many entries");
}

enum status palette_read(struct dicom *d, const struct picture *picture, struct palette *ret,
                         struct error *err)
{
    struct channel channels[3];
    uint16_t *wide;
    uint8_t *entries;
    bool whole = true;
    size_t n;

    for (int i = 0; i < 3; i++)
        if (!channel_find(d, i, &channels[i]) ||
            entries_of(&channels[i].table) != entries_of(&channels[0].table))
            return no_palette(err);
    n = entries_of(&channels[0].table);
    wide = malloc(n * sizeof *wide);
    entries = malloc(3 * n);
    for (int i = 0; i < 3 && wide && entries; i++)
        whole = whole && channel_read(&channels[i], n, wide, entries + (size_t)i * n);
    free(wide);
    if (!wide || !entries || !whole) {
        free(entries);
        return whole ? error_nomem(err) : no_palette(err);
    }
    ret->entries = entries;
    ret->colours = (struct grey_palette){ entries, entries + n, entries + 2 * n, n,
                                          first_of(&channels[0].table, picture->is_signed) };
    return ST_OK;
}

void palette_release(struct palette *p)
{
    free(p->entries);
    *p = (struct palette){ 0 };
}
