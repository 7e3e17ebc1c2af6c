/* decode/walk.c - see walk.h. */
#include "walk.h"

#include <stdbool.h>
#include <string.h>

static const uint32_t ITEM = 0xFFFEE000, ITEM_END = 0xFFFEE00D, SEQUENCE_END = 0xFFFEE0DD, /* tags */
    PIXEL_DATA = 0x7FE00010, TRANSFER_SYNTAX = 0x00020010;
static const uint32_t UNDEFINED = 0xFFFFFFFF; /* a length */

enum { PREAMBLE = 128, TAG_SIZE = 4, ITEM_HEADER = 8 }; /* bytes */

struct cursor {
    const uint8_t *at, *end;
    enum walk_coding coding;
};

static size_t left(const struct cursor *c) { return (size_t)(c->end - c->at); }

static unsigned read16(const uint8_t *p, enum walk_coding coding)
{
    return coding == WALK_BIG_ENDIAN ? (unsigned)p[0] << 8 | p[1] : (unsigned)p[1] << 8 | p[0];
}

static uint32_t read32(const uint8_t *p, enum walk_coding coding)
{
    const uint32_t first = read16(p, coding), second = read16(p + 2, coding);

    return coding == WALK_BIG_ENDIAN ? first << 16 | second : second << 16 | first;
}

static uint32_t read_tag(const uint8_t *p, enum walk_coding coding)
{
    return (uint32_t)read16(p, coding) << 16 | read16(p + 2, coding);
}

static enum status cut_short(struct error *err)
{
    return error_set(err, ST_FORMAT,
                     "the DICOM file is broken or cut short: an element leads beyond its end");
}

/* ---- one element ---- */

static bool is_capital(uint8_t c) { return c >= 'A' && c <= 'Z'; }

static bool is_among(const char *list, const uint8_t *vr)
{
    for (const char *p = list; *p; p += 3)
        if (memcmp(p, vr, 2) == 0)
            return true;
    return false;
}

/* Whether 4 bytes of length stand behind a value representation and two zeros. They do behind every one that PS3.5 does not
 * know yet (7.1.2); the zeros are asked for there, since some writers put 2 bytes of length behind one of their own. */
static bool has_long_length(const uint8_t *vr)
{
    static const char LONG[] = "OB OD OF OL OV OW SQ SV UC UN UR UT UV ",
                      SHORT[] = "AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US ";

    return is_among(LONG, vr) || (!is_among(SHORT, vr) && vr[2] == 0 && vr[3] == 0);
}

struct header {
    uint32_t tag, length;
    char vr[2];
};

/* Read an element's header and step behind it. An element without a value representation among others that have one is
 * taken as implicit: writers put such private elements there. */
static enum status header_read(struct cursor *c, struct header *ret, struct error *err)
{
    const uint8_t *p = c->at;
    size_t size = ITEM_HEADER;

    *ret = (struct header){ 0 };
    if (left(c) < size)
        return cut_short(err);
    ret->tag = read_tag(p, c->coding);
    if (c->coding != WALK_IMPLICIT && ret->tag >> 16 != ITEM >> 16 && is_capital(p[4]) && is_capital(p[5])) {
        memcpy(ret->vr, p + 4, 2);
        if (has_long_length(p + 4)) {
            size = 12;
            if (left(c) < size)
                return cut_short(err);
            ret->length = read32(p + 8, c->coding);
        } else
            ret->length = read16(p + 6, c->coding);
    } else
        ret->length = read32(p + 4, c->coding);
    c->at += size;
    return ST_OK;
}

/* ---- encapsulated pixel data ---- */

/* Fragments are items of bytes, always in little endian. A file may end behind a fragment without the delimiter. */
static enum status fragments_skip(struct cursor *c,
                                  enum status (*visit)(void *ctx, const uint8_t *fragment, size_t n,
                                                       struct error *err),
                                  void *ctx, struct error *err)
{
    for (size_t i = 0;; i++) {
        uint32_t tag, length;
        enum status st = ST_OK;

        if (left(c) == 0 && i > 1)
            return ST_OK;
        if (left(c) < ITEM_HEADER)
            return cut_short(err);
        tag = read_tag(c->at, WALK_EXPLICIT);
        length = read32(c->at + TAG_SIZE, WALK_EXPLICIT);
        c->at += ITEM_HEADER;
        if (tag == SEQUENCE_END)
            return ST_OK;
        if (tag != ITEM || length == UNDEFINED)
            return error_set(err, ST_FORMAT, "the DICOM file is broken: its picture data are no fragments");
        if (length > left(c))
            return cut_short(err);
        if (visit && i > 0)
            st = visit(ctx, c->at, length, err);
        if (st != ST_OK)
            return st;
        c->at += length;
    }
}

/* ---- what is in sequences ---- */

static enum status items_skip(struct cursor *c, bool delimited, unsigned depth, struct error *err);

/* A sequence of unknown representation is coded as implicit (PS3.5, 6.2.2). */
static enum walk_coding coding_inside(const char *vr, enum walk_coding around)
{
    return memcmp(vr, "UN", 2) == 0 ? WALK_IMPLICIT : around;
}

/* Whether a value of undefined length is encapsulated pixels; a sequence may have them, too, of an icon. */
static bool is_encapsulated(const struct header *h)
{
    return h->tag == PIXEL_DATA || memcmp(h->vr, "OB", 2) == 0 || memcmp(h->vr, "OW", 2) == 0;
}

static enum status undefined_skip(struct cursor *c, const struct header *h, unsigned depth, struct error *err)
{
    struct cursor inner = { c->at, c->end, coding_inside(h->vr, c->coding) };
    const enum status st =
        is_encapsulated(h) ? fragments_skip(&inner, NULL, NULL, err) : items_skip(&inner, true, depth, err);

    c->at = inner.at;
    return st;
}

/* Whether DCMTK may take a value inside of a sequence for a sequence: implicit coding does not say, but its dictionary does. */
static bool may_be_sequence(const struct cursor *c, const struct header *h)
{
    if (memcmp(h->vr, "SQ", 2) == 0)
        return true;
    return (h->vr[0] == 0 || memcmp(h->vr, "UN", 2) == 0) && h->length >= ITEM_HEADER &&
           read_tag(c->at, coding_inside(h->vr, c->coding)) == ITEM;
}

static enum status value_skip(struct cursor *c, const struct header *h, unsigned depth, struct error *err)
{
    enum status st = ST_OK;

    if (h->length == UNDEFINED)
        return undefined_skip(c, h, depth, err);
    if (h->length > left(c))
        return cut_short(err);
    if (may_be_sequence(c, h)) {
        struct cursor inner = { c->at, c->at + h->length, coding_inside(h->vr, c->coding) };

        st = items_skip(&inner, false, depth, err);
    }
    c->at += h->length;
    return st;
}

/* The elements of an item: up to its delimiter, or all of the cursor. */
static enum status elements_skip(struct cursor *c, bool delimited, unsigned depth, struct error *err)
{
    while (delimited || left(c) > 0) {
        struct header h;
        enum status st = header_read(c, &h, err);

        if (st != ST_OK)
            return st;
        if (delimited && h.tag == ITEM_END)
            return ST_OK;
        st = value_skip(c, &h, depth, err);
        if (st != ST_OK)
            return st;
    }
    return ST_OK;
}

/* The items of a sequence, likewise. */
static enum status items_skip(struct cursor *c, bool delimited, unsigned depth, struct error *err)
{
    if (depth >= WALK_MOST_NESTED)
        return error_set(err, ST_FORMAT, "the DICOM file nests sequences more than %d deep",
                         WALK_MOST_NESTED);
    while (delimited || left(c) > 0) {
        struct header h;
        enum status st = header_read(c, &h, err);

        if (st != ST_OK)
            return st;
        if (delimited && h.tag == SEQUENCE_END)
            return ST_OK;
        if (h.tag != ITEM)
            return error_set(err, ST_FORMAT,
                             "the DICOM file is broken: something else than an item stands in a sequence");
        if (h.length == UNDEFINED)
            st = elements_skip(c, true, depth + 1, err);
        else if (h.length > left(c))
            st = cut_short(err);
        else {
            struct cursor inner = { c->at, c->at + h.length, c->coding };

            st = elements_skip(&inner, false, depth + 1, err);
            c->at += h.length;
        }
        if (st != ST_OK)
            return st;
    }
    return ST_OK;
}

enum status walk_sequence(const struct walk_element *e, enum walk_coding coding, struct error *err)
{
    struct cursor c = { e->value, e->value + e->n, coding_inside(e->vr, coding) };

    return items_skip(&c, e->undefined, 0, err);
}

enum status walk_fragments(const struct walk_element *e,
                           enum status (*visit)(void *ctx, const uint8_t *fragment, size_t n,
                                                struct error *err),
                           void *ctx, struct error *err)
{
    struct cursor c = { e->value, e->value + e->n, WALK_EXPLICIT };

    return fragments_skip(&c, visit, ctx, err);
}

/* ---- the data set ---- */

/* The next element, with its value. */
static enum status element_read(struct cursor *c, struct walk_element *ret, struct error *err)
{
    struct walk_element e = { .begin = c->at };
    struct header h;
    enum status st = header_read(c, &h, err);

    if (st != ST_OK)
        return st;
    e.tag = h.tag;
    memcpy(e.vr, h.vr, sizeof e.vr);
    e.undefined = h.length == UNDEFINED;
    e.value = c->at;
    if (e.undefined)
        st = undefined_skip(c, &h, 0, err);
    else if (h.length > left(c))
        st = cut_short(err);
    else
        c->at += h.length;
    e.n = (size_t)(c->at - e.value);
    *ret = e;
    return st;
}

enum status walk_data_set(const uint8_t *data, size_t n, enum walk_coding coding,
                          enum status (*visit)(void *ctx, const struct walk_element *e, struct error *err),
                          void *ctx, struct error *err)
{
    struct cursor c = { data, data + n, coding };
    bool pixels_seen = false;

    while (left(&c) > 0) {
        struct walk_element e;
        enum status st = element_read(&c, &e, pixels_seen ? NULL : err);

        if (st !=
            ST_OK) /* behind the pixel data nothing is needed: a block filled up, or an element cut off */
            return pixels_seen ? ST_OK : st;
        pixels_seen = pixels_seen || e.tag == PIXEL_DATA;
        st = visit(ctx, &e, err);
        if (st != ST_OK)
            return st;
    }
    return ST_OK;
}

/* ---- the file around it ---- */

static bool has_vr(const uint8_t *p) { return is_capital(p[4]) && is_capital(p[5]); }

enum status walk_coding_read(const uint8_t *data, size_t n, enum walk_coding said, enum walk_coding *ret,
                             struct error *err)
{
    if (n < ITEM_HEADER)
        return error_set(err, ST_FORMAT, "the DICOM file has no data set");
    /* Data sets begin in group 8, long before group 256. */
    if (read16(data, said) > 0xFF)
        return error_set(
            err, ST_FORMAT,
            "the DICOM file is broken: its data set does not begin as one of its transfer syntax");
    if (said == WALK_BIG_ENDIAN || read16(data, said) < 8) /* lower groups do not belong into a data set */
        *ret = said;
    else
        *ret = has_vr(data) ? WALK_EXPLICIT : WALK_IMPLICIT;
    return ST_OK;
}

/* A UID is digits and points, filled up with a zero. */
static enum status uid_copy(const uint8_t *value, size_t n, char *ret, struct error *err)
{
    while (n > 0 && (value[n - 1] == 0 || value[n - 1] == ' '))
        n--;
    if (n == 0 || n >= WALK_UID_SIZE)
        return error_set(err, ST_FORMAT, "the DICOM file says no valid transfer syntax");
    for (size_t i = 0; i < n; i++)
        if ((value[i] < '0' || value[i] > '9') && value[i] != '.')
            return error_set(err, ST_FORMAT, "the DICOM file says no valid transfer syntax");
    memcpy(ret, value, n);
    ret[n] = 0;
    return ST_OK;
}

/* Group 2, always explicit little endian: it ends where another group begins. */
static enum status meta_read(struct cursor *c, struct walk_file *ret, struct error *err)
{
    while (left(c) >= ITEM_HEADER && read16(c->at, c->coding) == 2) {
        struct header h;
        enum status st = header_read(c, &h, err);

        if (st == ST_OK && h.length > left(c))
            st = cut_short(err);
        if (st == ST_OK && h.tag == TRANSFER_SYNTAX)
            st = uid_copy(c->at, h.length, ret->transfer_syntax, err);
        if (st != ST_OK)
            return st;
        c->at += h.length;
    }
    if (!ret->transfer_syntax[0])
        return error_set(err, ST_FORMAT, "the DICOM file does not say its transfer syntax");
    return ST_OK;
}

static enum status bare_data_set(const struct cursor *c, struct walk_file *ret, struct error *err)
{
    const char *uid;

    if (left(c) < ITEM_HEADER || (c->at[0] && c->at[1]))
        return error_set(err, ST_UNSUPPORTED,
                         "this is not a DICOM file: it does not begin with an element of a data set");
    uid = !has_vr(c->at) ? "1.2.840.10008.1.2" : c->at[0] ? "1.2.840.10008.1.2.1" : "1.2.840.10008.1.2.2";
    memcpy(ret->transfer_syntax, uid, strlen(uid) + 1);
    return ST_OK;
}

enum status walk_file_read(const uint8_t *in, size_t n, struct walk_file *ret, struct error *err)
{
    struct cursor c = { in, in + n, WALK_EXPLICIT };
    struct walk_file file = { 0 };
    enum status st;

    if (n >= PREAMBLE + 4 && memcmp(in + PREAMBLE, "DICM", 4) == 0)
        c.at += PREAMBLE + 4;
    if (left(&c) == 0)
        return error_set(err, ST_FORMAT, "the DICOM file is empty");
    if (left(&c) >= ITEM_HEADER && read16(c.at, c.coding) == 2)
        st = meta_read(&c, &file, err);
    else
        st = bare_data_set(&c, &file, err);
    if (st != ST_OK)
        return st;
    file.data = c.at;
    file.n = left(&c);
    *ret = file;
    return ST_OK;
}
