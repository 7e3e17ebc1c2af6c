/* server/dicom/writer.c - see writer.h; PS3.5, section 7, and PS3.10, section 7.1. */
#include "writer.h"

#include "tags.h"
#include "uids.h"

#include <assert.h>
#include <string.h>

static const uint32_t ITEM = 0xfffee000, ITEM_END = 0xfffee00d, SEQUENCE_END = 0xfffee0dd;
static const uint32_t NO_LENGTH = 0xffffffff;
static const uint32_t FILE_META = 0x0002; /* the group of what is said of the file */

static void put_u16(struct buf *out, uint16_t v)
{
    const unsigned char bytes[2] = { (unsigned char)(v & 0xff), (unsigned char)(v >> 8) };

    buf_put(out, bytes, sizeof bytes);
}

static void put_u32(struct buf *out, uint32_t v)
{
    put_u16(out, (uint16_t)(v & 0xffff));
    put_u16(out, (uint16_t)(v >> 16));
}

static void put_tag(struct buf *out, uint32_t tag)
{
    put_u16(out, (uint16_t)(tag >> 16));
    put_u16(out, (uint16_t)(tag & 0xffff));
}

/* VRs whose length has 32 bits, behind two bytes of nothing. */
static bool is_long(const char *vr)
{
    static const char LONG[][3] = { "OB", "SQ", "UT" };

    for (size_t i = 0; i < sizeof LONG / sizeof LONG[0]; i++)
        if (strcmp(vr, LONG[i]) == 0)
            return true;
    return false;
}

static void put_head(struct dicom_writer *w, struct dicom_tag tag, uint32_t length)
{
    assert(!w->in_sequence && tag.number > w->last[w->depth]);
    w->last[w->depth] = tag.number;
    put_tag(w->out, tag.number);
    buf_put(w->out, tag.vr, 2);
    if (is_long(tag.vr)) {
        put_u16(w->out, 0);
        put_u32(w->out, length);
    } else {
        assert(length <= 0xfffe);
        put_u16(w->out, (uint16_t)length);
    }
}

static void put_value(struct dicom_writer *w, struct dicom_tag tag, const void *bytes, size_t n, char padding)
{
    assert(n < UINT32_MAX - 1);
    put_head(w, tag, (uint32_t)(n + n % 2));
    buf_put(w->out, bytes, n);
    if (n % 2 != 0)
        buf_put(w->out, &padding, 1);
}

void dicom_text(struct dicom_writer *w, struct dicom_tag tag, const char *text)
{
    put_value(w, tag, text, strlen(text), strcmp(tag.vr, "UI") == 0 ? '\0' : ' ');
}

void dicom_u16(struct dicom_writer *w, struct dicom_tag tag, uint16_t value)
{
    assert(strcmp(tag.vr, "US") == 0);
    put_head(w, tag, 2);
    put_u16(w->out, value);
}

void dicom_bytes(struct dicom_writer *w, struct dicom_tag tag, const void *bytes, size_t n)
{
    assert(strcmp(tag.vr, "OB") == 0);
    put_value(w, tag, bytes, n, '\0');
}

/* ---- what holds others ---- */

void dicom_sequence_open(struct dicom_writer *w, struct dicom_tag tag)
{
    assert(strcmp(tag.vr, "SQ") == 0);
    put_head(w, tag, NO_LENGTH);
    w->in_sequence = true;
}

void dicom_sequence_close(struct dicom_writer *w)
{
    assert(w->in_sequence);
    put_tag(w->out, SEQUENCE_END);
    put_u32(w->out, 0);
    w->in_sequence = false;
}

void dicom_item_open(struct dicom_writer *w)
{
    assert(w->in_sequence && w->depth < DICOM_MAX_DEPTH);
    put_tag(w->out, ITEM);
    put_u32(w->out, NO_LENGTH);
    w->last[++w->depth] = 0;
    w->in_sequence = false;
}

void dicom_item_close(struct dicom_writer *w)
{
    assert(!w->in_sequence && w->depth > 0);
    put_tag(w->out, ITEM_END);
    put_u32(w->out, 0);
    w->depth--;
    w->in_sequence = true;
}

/* ---- the file ---- */

/* Write the length of what follows the value at `at`, which was written as 0. */
static void settle_length(struct buf *out, size_t at)
{
    const size_t length = out->len - at - 4;

    if (buf_status(out) != ST_OK)
        return;
    for (size_t i = 0; i < 4; i++)
        out->data[at + i] = (char)(length >> (8 * i) & 0xff);
}

void dicom_begin(struct dicom_writer *w, struct buf *out, const char *sop_class, const char *sop_instance)
{
    static const char PREAMBLE[128] = { 0 }, VERSION[2] = { 0, 1 };
    size_t length_at;

    *w = (struct dicom_writer){ .out = out };
    buf_put(out, PREAMBLE, sizeof PREAMBLE);
    buf_puts(out, "DICM");
    put_head(w, TAG_META_LENGTH, 4);
    length_at = out->len;
    put_u32(out, 0);
    dicom_bytes(w, TAG_META_VERSION, VERSION, sizeof VERSION);
    dicom_text(w, TAG_MEDIA_CLASS, sop_class);
    dicom_text(w, TAG_MEDIA_INSTANCE, sop_instance);
    dicom_text(w, TAG_TRANSFER_SYNTAX, UID_EXPLICIT_LITTLE_ENDIAN);
    dicom_text(w, TAG_IMPLEMENTATION_CLASS, UID_IMPLEMENTATION);
    dicom_text(w, TAG_IMPLEMENTATION_NAME, "CXRD");
    settle_length(out, length_at);
    assert(w->last[0] >> 16 == FILE_META);
}
