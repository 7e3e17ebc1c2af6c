/* tests/unit/test_decode_files_headers.c - small DICOM files made here, one thing of each as it should not be or as it seldom is:
 * what is refused and why, and what is taken from a header. */
#include "decode/decode.h"
#include "decode/tags.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

static void ready(void) { cr_assert(decode_warm_up()); }

TestSuite(decode_headers, .init = ready);

/* ---- a file ---- */

struct element {
    uint32_t tag;
    const char *vr;
    const void *value;
    size_t n;
};

#define TEXT(tag, vr, text)            \
    {                                  \
        tag, vr, text, sizeof text - 1 \
    }
#define WORD(tag, low, high)                                      \
    {                                                             \
        tag, "US", (const char[]){ (char)(low), (char)(high) }, 2 \
    }
#define NONE(tag)        \
    {                    \
        tag, "", NULL, 0 \
    }

/* 2 x 3 pixels of 12 bits, 0 to 5,000. */
static const uint16_t PIXELS[] = { 0, 1000, 2000, 3000, 4000, 4095 };
static const struct element USUAL[] = {
    TEXT(TAG_SOP_CLASS, "UI", "1.2.840.10008.5.1.4.1.1.1.1\0"),
    TEXT(TAG_SOP_INSTANCE, "UI", "1.2.3.4\0"),
    TEXT(TAG_STUDY_DATE, "DA", "20240229"),
    TEXT(TAG_MODALITY, "CS", "DX"),
    TEXT(TAG_INTENT, "CS", "FOR PRESENTATION"),
    TEXT(TAG_PATIENT_NAME, "PN", "Doe^Jane"),
    TEXT(TAG_PATIENT_BIRTH, "DA", "19600301"),
    TEXT(TAG_PATIENT_SEX, "CS", "F "),
    TEXT(TAG_PATIENT_AGE, "AS", "064Y"),
    TEXT(TAG_BODY_PART, "CS", "CHEST "),
    TEXT(TAG_VIEW_POSITION, "CS", "PA"),
    TEXT(TAG_STUDY, "UI", "1.2.3\0"),
    TEXT(TAG_ORIENTATION, "CS", "L\\F "),
    WORD(TAG_SAMPLES, 1, 0),
    TEXT(TAG_PHOTOMETRIC, "CS", "MONOCHROME2 "),
    TEXT(TAG_FRAMES, "IS", "1 "),
    WORD(TAG_ROWS, 3, 0),
    WORD(TAG_COLUMNS, 2, 0),
    WORD(TAG_ALLOCATED, 16, 0),
    WORD(TAG_STORED, 12, 0),
    WORD(TAG_HIGH_BIT, 11, 0),
    WORD(TAG_SIGNED, 0, 0),
    TEXT(TAG_WINDOW_CENTRE, "DS", "2048"),
    TEXT(TAG_WINDOW_WIDTH, "DS", "4096"),
    TEXT(TAG_INTERCEPT, "DS", "0 "),
    TEXT(TAG_SLOPE, "DS", "1 "),
    { TAG_PIXELS, "OW", PIXELS, sizeof PIXELS },
};
enum { N_USUAL = sizeof USUAL / sizeof USUAL[0], MOST_CHANGES = 8, TRANSFER_SYNTAX = 0x00020010 };

static size_t put_element(uint8_t *to, const struct element *e)
{
    const bool is_long = strstr("OB OW SQ UN OF", e->vr) != NULL;
    const uint8_t head[] = { (uint8_t)(e->tag >> 16), (uint8_t)(e->tag >> 24), (uint8_t)e->tag,
                             (uint8_t)(e->tag >> 8),  (uint8_t)e->vr[0],       (uint8_t)e->vr[1] };
    size_t n = sizeof head;

    memcpy(to, head, n);
    for (unsigned i = 0; i < (is_long ? 2u : 0u); i++)
        to[n++] = 0;
    for (unsigned i = 0; i < (is_long ? 4u : 2u); i++)
        to[n++] = (uint8_t)(e->n >> 8 * i);
    memcpy(to + n, e->value, e->n);
    return n + e->n;
}

static const struct element *change_of(const struct element *changes, uint32_t tag)
{
    for (size_t i = 0; i < MOST_CHANGES && changes[i].tag; i++)
        if (changes[i].tag == tag)
            return &changes[i];
    return NULL;
}

/* The usual file, with these elements instead, in addition or, where they have no value, left out. */
static size_t file_with(const struct element *changes, uint8_t *to)
{
    static const struct element SYNTAX = TEXT(TRANSFER_SYNTAX, "UI", "1.2.840.10008.1.2.1\0");
    const struct element *syntax = change_of(changes, TRANSFER_SYNTAX);
    size_t n = 132;

    memset(to, 0, 128);
    memcpy(to + 128, "DICM", 4);
    n += put_element(to + n, syntax ? syntax : &SYNTAX);
    for (size_t i = 0; i < N_USUAL; i++) {
        const struct element *change = change_of(changes, USUAL[i].tag), *e = change ? change : &USUAL[i];

        for (size_t k = 0; k < MOST_CHANGES && changes[k].tag;
             k++) /* what the usual file has not, at its place */
            if (changes[k].value && changes[k].tag != TRANSFER_SYNTAX && changes[k].tag < USUAL[i].tag &&
                (i == 0 || changes[k].tag > USUAL[i - 1].tag))
                n += put_element(to + n, &changes[k]);
        if (e->value)
            n += put_element(to + n, e);
    }
    return n;
}

static const struct image_limits LIMITS = { .max_side = 100, .max_pixels = 1000, .max_bytes = 4000 };

static void run(const uint8_t *bytes, size_t n, enum image_format format, struct decode_reply *reply,
                uint8_t *grey)
{
    const struct decode_request request = { .format = format, .limits = LIMITS };

    decode_run(bytes, n, &request, reply, grey, 1000);
}

static void run_with(const struct element *changes, struct decode_reply *reply, uint8_t *grey)
{
    static uint8_t bytes[1 << 16];

    run(bytes, file_with(changes, bytes), IMAGE_DICOM, reply, grey);
}

Test(decode_headers, the_usual_file_says_all_of_itself)
{
    static const struct element NOTHING[MOST_CHANGES];
    static const uint8_t EXPECTED[] = { 0, 62, 125, 187, 249, 255 };
    struct decode_reply r;
    uint8_t grey[1000];

    run_with(NOTHING, &r, grey);
    cr_assert_eq(r.status, ST_OK, "%s", r.text);
    cr_assert(r.width == 2 && r.height == 3 && r.channels == 1 && r.bit_depth == 16);
    cr_assert_arr_eq(grey, EXPECTED, 6);
    cr_assert(r.source.format == IMAGE_DICOM && r.source.voi == IMAGE_VOI_WINDOW && !r.source.rescaled);
    cr_assert(r.source.sex == 'F' && r.source.age_known && r.source.age == 64 && r.source.is_chest);
    cr_assert(!r.source.lateral && !r.source.lossy && !r.source.burned_in && !r.source.turned);
    cr_assert_str_eq(r.source.view, "PA");
    cr_assert_str_eq(r.source.modality, "DX");
    cr_assert_str_eq(r.source.body_part, "CHEST");
    cr_assert_str_eq(r.source.sop_instance_uid, "1.2.3.4");
    cr_assert_str_eq(r.source.study_uid, "1.2.3");
    cr_assert_str_eq(r.source.series_uid, "");
    cr_assert_str_eq(r.source.transfer_syntax, "1.2.840.10008.1.2.1");
    cr_assert_str_eq(r.source.study.patient_name, "Doe^Jane");
    cr_assert_str_eq(r.source.study.patient_birth, "19600301");
}

/* ---- refusals ---- */

static const struct refusal {
    const char *what;
    struct element changes[MOST_CHANGES];
    enum status status;
    enum decode_reason reason;
} REFUSALS[] = {
    { "a CT", { TEXT(TAG_MODALITY, "CS", "CT") }, ST_UNUSABLE, DECODE_REASON_MODALITY },
    { "a mammogram", { TEXT(TAG_MODALITY, "CS", "MG") }, ST_UNUSABLE, DECODE_REASON_MODALITY },
    { "other, but no secondary capture",
      { TEXT(TAG_MODALITY, "CS", "OT") },
      ST_UNUSABLE,
      DECODE_REASON_MODALITY },
    { "a photograph",
      { TEXT(TAG_SOP_CLASS, "UI", "1.2.840.10008.5.1.4.1.1.77.1.4"), TEXT(TAG_MODALITY, "CS", "OT") },
      ST_UNUSABLE,
      DECODE_REASON_MODALITY },
    { "no modality, of a CT's class",
      { NONE(TAG_MODALITY), TEXT(TAG_SOP_CLASS, "UI", "1.2.840.10008.5.1.4.1.1.2\0") },
      ST_UNUSABLE,
      DECODE_REASON_MODALITY },
    { "raw, by intent",
      { TEXT(TAG_INTENT, "CS", "FOR PROCESSING") },
      ST_UNUSABLE,
      DECODE_REASON_FOR_PROCESSING },
    { "raw, by class",
      { TEXT(TAG_SOP_CLASS, "UI", "1.2.840.10008.5.1.4.1.1.1.1.1\0"), NONE(TAG_INTENT) },
      ST_UNUSABLE,
      DECODE_REASON_FOR_PROCESSING },
    { "two frames", { TEXT(TAG_FRAMES, "IS", "2 ") }, ST_UNUSABLE, DECODE_REASON_MULTI_FRAME },
    { "many frames", { TEXT(TAG_FRAMES, "IS", "2147483647") }, ST_UNUSABLE, DECODE_REASON_MULTI_FRAME },
    { "a header", { NONE(TAG_PIXELS) }, ST_UNUSABLE, DECODE_REASON_NO_PICTURE },
    { "a report",
      { NONE(TAG_PIXELS), NONE(TAG_ROWS), TEXT(TAG_SOP_CLASS, "UI", "1.2.840.10008.5.1.4.1.1.88.33"),
        TEXT(TAG_MODALITY, "CS", "SR") },
      ST_UNUSABLE,
      DECODE_REASON_NO_PICTURE },
    { "half a header", { NONE(TAG_PIXELS), NONE(TAG_ROWS) }, ST_FORMAT, DECODE_NO_REASON },
    { "floats",
      { NONE(TAG_PIXELS), { TAG_PIXELS_FLOAT, "OF", "abcdefghijklmnopqrstuvwx", 24 } },
      ST_UNUSABLE,
      DECODE_REASON_PIXELS },
    { "one bit",
      { WORD(TAG_ALLOCATED, 1, 0), WORD(TAG_STORED, 1, 0), WORD(TAG_HIGH_BIT, 0, 0) },
      ST_UNUSABLE,
      DECODE_REASON_BITS },
    { "32 bits", { WORD(TAG_ALLOCATED, 32, 0) }, ST_UNUSABLE, DECODE_REASON_BITS },
    { "no bits", { NONE(TAG_ALLOCATED) }, ST_UNUSABLE, DECODE_REASON_BITS },
    { "20 of 16 bits", { WORD(TAG_STORED, 20, 0), WORD(TAG_HIGH_BIT, 19, 0) }, ST_FORMAT, DECODE_NO_REASON },
    { "none stored", { WORD(TAG_STORED, 0, 0) }, ST_FORMAT, DECODE_NO_REASON },
    { "a high bit below", { WORD(TAG_HIGH_BIT, 3, 0) }, ST_FORMAT, DECODE_NO_REASON },
    { "a high bit above", { WORD(TAG_HIGH_BIT, 16, 0) }, ST_FORMAT, DECODE_NO_REASON },
    { "a high bit far above", { WORD(TAG_HIGH_BIT, 255, 255) }, ST_FORMAT, DECODE_NO_REASON },
    { "no rows", { WORD(TAG_ROWS, 0, 0) }, ST_FORMAT, DECODE_NO_REASON },
    { "too wide", { WORD(TAG_COLUMNS, 101, 0) }, ST_LIMIT, DECODE_REASON_LIMIT },
    { "too many pixels",
      { WORD(TAG_COLUMNS, 100, 0), WORD(TAG_ROWS, 11, 0) },
      ST_LIMIT,
      DECODE_REASON_LIMIT },
    { "too few pixel data", { WORD(TAG_ROWS, 4, 0) }, ST_FORMAT, DECODE_NO_REASON },
    { "three grey samples", { WORD(TAG_SAMPLES, 3, 0) }, ST_UNUSABLE, DECODE_REASON_PHOTOMETRIC },
    { "no colours", { TEXT(TAG_PHOTOMETRIC, "CS", "RGB ") }, ST_UNUSABLE, DECODE_REASON_PHOTOMETRIC },
    { "colours for print", { TEXT(TAG_PHOTOMETRIC, "CS", "CMYK") }, ST_UNUSABLE, DECODE_REASON_PHOTOMETRIC },
    { "no photometric interpretation", { NONE(TAG_PHOTOMETRIC) }, ST_UNUSABLE, DECODE_REASON_PHOTOMETRIC },
    { "no slope", { TEXT(TAG_SLOPE, "DS", "0 ") }, ST_UNUSABLE, DECODE_REASON_RESCALE },
    { "a slope in words", { TEXT(TAG_SLOPE, "DS", "steep ") }, ST_FORMAT, DECODE_NO_REASON },
    { "an endless intercept", { TEXT(TAG_INTERCEPT, "DS", "1e999 ") }, ST_FORMAT, DECODE_NO_REASON },
    { "a palette without colours",
      { TEXT(TAG_PHOTOMETRIC, "CS", "PALETTE COLOR ") },
      ST_FORMAT,
      DECODE_NO_REASON },
    { "a palette in segments for red alone",
      { TEXT(TAG_PHOTOMETRIC, "CS", "PALETTE COLOR "),
        { TAG_RED_DESCRIPTOR, "US", "\0\1\0\0\20\0", 6 },
        { TAG_RED_SEGMENTS, "OW", "\0\0\1\0\0\0\1\0\377\0\377\377", 12 } },
      ST_FORMAT,
      DECODE_NO_REASON },
};

Test(decode_headers, what_is_no_radiograph_to_be_asked_about_is_refused)
{
    for (size_t i = 0; i < sizeof REFUSALS / sizeof REFUSALS[0]; i++) {
        const struct refusal *c = &REFUSALS[i];
        struct decode_reply r;
        uint8_t grey[1000];

        run_with(c->changes, &r, grey);
        cr_assert_eq(r.status, c->status, "%s: %s (%s)", c->what, status_name((enum status)r.status), r.text);
        cr_assert_eq(r.reason, c->reason, "%s: %u (%s)", c->what, r.reason, r.text);
        cr_assert(r.text[0] && !strstr(r.text, "Doe"), "%s: '%s'", c->what, r.text);
        cr_assert(r.source.study.patient_name[0] == 0 && r.width == 0, "%s: nothing else is told", c->what);
    }
}

/* ---- what is taken ---- */

static const struct taken {
    const char *what;
    struct element changes[MOST_CHANGES];
    const char *view;
    bool lateral, is_chest;
} TAKEN[] = {
    { "AP", { TEXT(TAG_VIEW_POSITION, "CS", "AP") }, "AP", false, true },
    { "LL", { TEXT(TAG_VIEW_POSITION, "CS", "LL") }, "", true, true },
    { "LARGE LATERAL", { TEXT(TAG_VIEW_POSITION, "CS", "LARGE LATERAL ") }, "", true, true },
    { "a code", { NONE(TAG_VIEW_POSITION) }, "", false, true },
    { "from the side", { TEXT(TAG_ORIENTATION, "CS", "A\\F ") }, "PA", true, true },
    { "lower case", { TEXT(TAG_VIEW_POSITION, "CS", "pa") }, "PA", false, true },
    { "a knee", { TEXT(TAG_BODY_PART, "CS", "KNEE") }, "PA", false, false },
    { "a portable chest", { TEXT(TAG_BODY_PART, "CS", "PORTABLE CHEST") }, "PA", false, true },
    { "a torax", { TEXT(TAG_BODY_PART, "CS", "TORAX ") }, "PA", false, true },
    { "nothing", { NONE(TAG_BODY_PART), NONE(TAG_VIEW_POSITION) }, "", false, false },
};

Test(decode_headers, view_and_body_part_are_told)
{
    for (size_t i = 0; i < sizeof TAKEN / sizeof TAKEN[0]; i++) {
        const struct taken *c = &TAKEN[i];
        struct decode_reply r;
        uint8_t grey[1000];

        run_with(c->changes, &r, grey);
        cr_assert_eq(r.status, ST_OK, "%s: %s", c->what, r.text);
        cr_assert_str_eq(r.source.view, c->view, "%s: '%s'", c->what, r.source.view);
        cr_assert(r.source.lateral == c->lateral && r.source.is_chest == c->is_chest, "%s", c->what);
    }
}

/* From 0 on a line through all 4,096 entries of 16 bits to 65,535, whose upper 8 are what is shown. */
Test(decode_headers, a_palette_in_segments_is_expanded)
{
    static const char LINE[] = "\0\0\1\0\0\0\1\0\377\17\377\377", DESCRIPTOR[] = "\0\20\0\0\20\0";
    static const struct element CHANGES[MOST_CHANGES] = {
        TEXT(TAG_PHOTOMETRIC, "CS", "PALETTE COLOR "), { TAG_RED_DESCRIPTOR, "US", DESCRIPTOR, 6 },
        { TAG_GREEN_DESCRIPTOR, "US", DESCRIPTOR, 6 }, { TAG_BLUE_DESCRIPTOR, "US", DESCRIPTOR, 6 },
        { TAG_RED_SEGMENTS, "OW", LINE, 12 },          { TAG_GREEN_SEGMENTS, "OW", LINE, 12 },
        { TAG_BLUE_SEGMENTS, "OW", LINE, 12 }
    };
    static const uint8_t EXPECTED[] = { 0, 62, 125, 187, 250, 255 };
    struct decode_reply r;
    uint8_t grey[1000];

    run_with(CHANGES, &r, grey);
    cr_assert_eq(r.status, ST_OK, "%s", r.text);
    cr_assert_arr_eq(grey, EXPECTED, sizeof EXPECTED);
}

/* One item of 8 + 8 + 10 bytes: a Code Value of 10. */
#define VIEW_CODE(code) "\xfe\xff\x00\xe0\x12\0\0\0\x08\0\0\x01SH\x0a\0" code

Test(decode_headers, a_view_code_says_the_view_where_view_position_does_not)
{
    static const struct {
        const char *position, *item, *view;
        uint8_t lateral;
    } CASES[] = {
        { "", VIEW_CODE("272479007 "), "PA", 0 },
        { "", VIEW_CODE("R-40888   "), "PA", 0 },
        { "PORTABLE", VIEW_CODE("399348003 "), "AP", 0 },
        { "", VIEW_CODE("399173006 "), "", 1 }, /* left lateral */
        { "PORTABLE", VIEW_CODE("399173006 "), "", 1 },
        { "PA", VIEW_CODE("399173006 "), "PA", 0 },
        { "", VIEW_CODE("399135007 "), "", 1 }, /* left anterior oblique */
        { "", VIEW_CODE("R-40985   "), "", 1 }, /* right anterior oblique */
        { "", VIEW_CODE("399182000 "), "", 1 }, /* oblique */
        { "", VIEW_CODE("R-102CD   "), "", 1 }, /* lateral */
        { "", VIEW_CODE("399033003 "), "", 0 }, /* frontal */
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const struct element changes[MOST_CHANGES] = {
            { TAG_VIEW_POSITION, "CS", CASES[i].position, strlen(CASES[i].position) },
            { TAG_VIEW_CODE, "SQ", CASES[i].item, 26 },
        };
        struct decode_reply r;
        uint8_t grey[1000];

        run_with(changes, &r, grey);
        cr_assert_eq(r.status, ST_OK, "%s", r.text);
        cr_assert_str_eq(r.source.view, CASES[i].view, "case %zu", i);
        cr_assert_eq(r.source.lateral, CASES[i].lateral, "case %zu", i);
    }
}

Test(decode_headers, ages_are_years_however_they_are_written)
{
    static const struct {
        const char *age, *birth, *study;
        double years;
    } AGES[] = {
        { "064Y", "", "", 64 },
        { "006M", "", "", 0.5 },
        { "000Y", "", "", 0 },
        { "58", "", "", 58 },
        { "58Y", "", "", 58 },
        { "052W", "", "", 364 / 365.2425 },
        { "001D", "", "", 1 / 365.2425 },
        { "", "19600301", "20240229", 63 },
        { "", "19600229", "20240229", 64 },
        { "abc", "20240101", "20240301", 0 },
        { "", "", "", NAN },
        { "64X", "", "", NAN },
        { "0640Y", "", "", NAN },
        { "-64Y", "", "", NAN },
        { "151Y", "", "", NAN },
        { "", "20250101", "20240101", NAN },
        { "", "1960.03.01", "20240101", NAN },
        { "Y", "", "", NAN },
    };

    for (size_t i = 0; i < sizeof AGES / sizeof AGES[0]; i++) {
        const double years = tags_age(AGES[i].age, AGES[i].birth, AGES[i].study);

        cr_assert(isnan(AGES[i].years) ? isnan(years) : fabs(years - AGES[i].years) < 1e-9,
                  "'%s' '%s' '%s': %g", AGES[i].age, AGES[i].birth, AGES[i].study, years);
    }
}

Test(decode_headers, decimal_strings_are_numbers_or_nothing)
{
    static const struct {
        const char *text;
        double value;
    } NUMBERS[] = { { "1", 1 },       { "-1.5e2", -150 }, { " 7 ", 7 },   { "1\\2\\3", 1 },
                    { "+.5", 0.5 },   { "", NAN },        { "\\2", NAN }, { "one", NAN },
                    { "1x", NAN },    { "0x10", NAN },    { "nan", NAN }, { "inf", NAN },
                    { "1e999", NAN }, { "1 2", NAN },     { "--1", NAN }, { "1,5", NAN } };

    for (size_t i = 0; i < sizeof NUMBERS / sizeof NUMBERS[0]; i++) {
        double x = 0;
        const bool is = tags_number(NUMBERS[i].text, &x);

        cr_assert_eq(is, !isnan(NUMBERS[i].value), "'%s'", NUMBERS[i].text);
        cr_assert(!is || x == NUMBERS[i].value, "'%s': %g", NUMBERS[i].text, x);
    }
}

/* The picture 1 2 / 3 4 / 5 6 of a patient whose left is on the right and whose feet are below, as it lies in the file. */
Test(decode_headers, pictures_are_turned_to_how_they_are_looked_at)
{
    static const struct {
        const char *orientation;
        size_t width, height;
        uint8_t file[6];
    } CASES[] = {
        { "L\\F", 2, 3, { 1, 2, 3, 4, 5, 6 } }, { "R\\F", 2, 3, { 2, 1, 4, 3, 6, 5 } },
        { "L\\H", 2, 3, { 5, 6, 3, 4, 1, 2 } }, { "R\\H", 2, 3, { 6, 5, 4, 3, 2, 1 } },
        { "F\\L", 3, 2, { 1, 3, 5, 2, 4, 6 } }, { "F\\R", 3, 2, { 2, 4, 6, 1, 3, 5 } },
        { "H\\L", 3, 2, { 5, 3, 1, 6, 4, 2 } }, { "H\\R", 3, 2, { 6, 4, 2, 5, 3, 1 } },
        { "", 2, 3, { 1, 2, 3, 4, 5, 6 } },     { "A\\F", 2, 3, { 1, 2, 3, 4, 5, 6 } },
        { "L", 2, 3, { 1, 2, 3, 4, 5, 6 } },    { "LF\\FR", 2, 3, { 1, 2, 3, 4, 5, 6 } },
    };
    static const uint8_t UPRIGHT[] = { 1, 2, 3, 4, 5, 6 };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const struct turn turn = tags_turn_of(CASES[i].orientation);
        size_t width = CASES[i].width, height = CASES[i].height;
        uint8_t pixels[6];
        struct error err = { 0 };

        memcpy(pixels, CASES[i].file, 6);
        cr_assert_eq(turn_in_place(&turn, pixels, &width, &height, &err), ST_OK);
        cr_assert(width == 2 && height == 3, "%s", CASES[i].orientation);
        cr_assert_arr_eq(pixels, UPRIGHT, 6, "%s", CASES[i].orientation);
    }
}

Test(decode_headers, what_cannot_be_a_uid_or_a_code_is_not_told_as_one)
{
    static const struct element CHANGES[MOST_CHANGES] = { TEXT(TAG_SOP_INSTANCE, "UI", "<script>"),
                                                          TEXT(TAG_BODY_PART, "CS", "Ch<st\"") };
    struct decode_reply r;
    uint8_t grey[1000];

    run_with(CHANGES, &r, grey);
    cr_assert_eq(r.status, ST_OK, "%s", r.text);
    cr_assert_str_eq(r.source.sop_instance_uid, "");
    cr_assert_str_eq(r.source.body_part, "CH_ST_");
}

Test(decode_headers, unusable_windows_are_none)
{
    static const struct element CASES[][MOST_CHANGES] = {
        { TEXT(TAG_WINDOW_WIDTH, "DS", "0 ") },
        { TEXT(TAG_WINDOW_WIDTH, "DS", "wide") },
        { TEXT(TAG_WINDOW_CENTRE, "DS", "\\2") },
        { NONE(TAG_WINDOW_CENTRE) },
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct decode_reply r;
        uint8_t grey[1000];

        run_with(CASES[i], &r, grey);
        cr_assert_eq(r.status, ST_OK, "%s", r.text);
        cr_assert_eq(r.source.voi, IMAGE_VOI_NONE, "%zu", i);
        cr_assert(grey[0] == 0 && grey[5] == 255);
    }
}

Test(decode_headers, rows_may_be_written_as_wide_numbers)
{
    static const struct element WIDE[MOST_CHANGES] = { { TAG_ROWS, "UL", "\3\0\0\0", 4 } };
    static const struct element TOO_WIDE[MOST_CHANGES] = { { TAG_ROWS, "UL", "\3\0\1\0", 4 } };
    struct decode_reply r;
    uint8_t grey[1000];

    run_with(WIDE, &r, grey);
    cr_assert(r.status == ST_OK && r.height == 3, "%s", r.text);
    run_with(TOO_WIDE, &r, grey);
    cr_assert_eq(r.status, ST_FORMAT);
}

/* ---- colours: two rows of two pixels, red 255 0 0, green 0 255 0, blue 0 0 255, white ---- */

#define COLOURS(photometric)                                                                 \
    TEXT(TAG_PHOTOMETRIC, "CS", photometric), WORD(TAG_SAMPLES, 3, 0), WORD(TAG_ROWS, 2, 0), \
        WORD(TAG_STORED, 8, 0), WORD(TAG_HIGH_BIT, 7, 0), WORD(TAG_ALLOCATED, 8, 0)

static const uint8_t WEIGHED[] = { 76, 150, 29, 255 };

static void check_colours(const char *what, const struct element *changes, const uint8_t *expected,
                          int within)
{
    struct decode_reply r;
    uint8_t grey[1000];

    run_with(changes, &r, grey);
    cr_assert_eq(r.status, ST_OK, "%s: %s", what, r.text);
    cr_assert(r.channels == 3 && r.width == 2 && r.height == 2, "%s", what);
    for (int i = 0; i < 4; i++)
        cr_assert(abs(grey[i] - expected[i]) <= within, "%s: %d: %u", what, i, grey[i]);
}

Test(decode_headers, colours_by_pixel_and_by_plane)
{
    static const uint8_t BY_PIXEL[] = { 255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255 };
    static const uint8_t BY_PLANE[] = { 255, 0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255 };
    const struct element pixel[MOST_CHANGES] = { COLOURS("RGB "), { TAG_PIXELS, "OB", BY_PIXEL, 12 } };
    const struct element plane[MOST_CHANGES] = { COLOURS("RGB "),
                                                 { TAG_PIXELS, "OB", BY_PLANE, 12 },
                                                 WORD(TAG_PLANAR, 1, 0) };

    check_colours("by pixel", pixel, WEIGHED, 0);
    check_colours("by plane", plane, WEIGHED, 0);
}

Test(decode_headers, luminance_and_chrominance)
{
    static const uint8_t FULL[] = { 76, 85, 255, 150, 44, 21, 29, 255, 107, 255, 128, 128 };
    static const uint8_t HALVED[] = { 100, 200, 128, 128, 50, 255, 128, 128 },
                         GREYS[] = { 100, 200, 50, 255 };
    const struct element full[MOST_CHANGES] = { COLOURS("YBR_FULL"), { TAG_PIXELS, "OB", FULL, 12 } };
    const struct element halved[MOST_CHANGES] = { COLOURS("YBR_FULL_422"), { TAG_PIXELS, "OB", HALVED, 8 } };
    static const uint8_t PARTIAL[] = { 16, 235, 128, 128, 126, 81, 128, 128 },
                         PARTIAL_GREYS[] = { 0, 255, 128, 76 };
    const struct element partial[MOST_CHANGES] = { COLOURS("YBR_PARTIAL_422"),
                                                   { TAG_PIXELS, "OB", PARTIAL, 8 } };
    const struct element cut[MOST_CHANGES] = { COLOURS("YBR_FULL"), { TAG_PIXELS, "OB", FULL, 8 } };
    struct decode_reply r;
    uint8_t grey[1000];

    check_colours("full", full, WEIGHED, 1);
    check_colours("4:2:2", halved, GREYS, 0);
    check_colours("4:2:2 of a partial range", partial, PARTIAL_GREYS, 0);
    run_with(cut, &r, grey);
    cr_assert_eq(r.status, ST_FORMAT);
}

/* ---- lookup tables ---- */

enum { LUT_ITEM = 8 + 14 + 12 + 8 };

/* An item with a table of four entries, 0 to 65,535, from a first value on; its descriptor is of this representation. */
static void lut_item(const char *vr, int first, char item[LUT_ITEM])
{
    static const char DESCRIPTOR[] = "\x28\0\x02\x30US\x06\0\x04\0\0\0\x10\0",
                      DATA[] = "\x28\0\x06\x30OW\0\0";

    memcpy(item, "\xfe\xff\x00\xe0", 4);
    memcpy(item + 4, (const char[]){ 14 + 12 + 8, 0, 0, 0 }, 4);
    memcpy(item + 8, DESCRIPTOR, 14);
    memcpy(item + 12, vr, 2);
    memcpy(item + 18, (const char[]){ (char)(first & 0xFF), (char)(first >> 8 & 0xFF) }, 2);
    memcpy(item + 22, DATA, 8);
    memcpy(item + 30, (const char[]){ 8, 0, 0, 0 }, 4);
    memcpy(item + 34, (const uint16_t[]){ 0, 100, 200, 65535 }, 8);
}

/* Values -1,000 to 3,095, or 2,768 to 34,768: by what goes into a table its first value is signed, or is not. */
Test(decode_headers, a_table_behind_a_rescaling_begins_where_it_says)
{
    static const uint16_t HIGH[] = { 32768, 32769, 32770, 32771, 0, 65535 };
    const struct element stored = WORD(TAG_STORED, 16, 0), high_bit = WORD(TAG_HIGH_BIT, 15, 0);
    const struct {
        const char *what, *vr;
        int first;
        struct element rescaled, sign, pixels;
        uint8_t expected[6];
    } CASES[] = {
        { "SS", "SS", -2, TEXT(TAG_INTERCEPT, "DS", "-1000"), { 0 }, { 0 }, { 0, 1, 255, 255, 255, 255 } },
        { "US, but negative",
          "US",
          -2,
          TEXT(TAG_INTERCEPT, "DS", "-1000"),
          { 0 },
          { 0 },
          { 0, 1, 255, 255, 255, 255 } },
        { "US, and not",
          "US",
          40000,
          TEXT(TAG_INTERCEPT, "DS", "40000 "),
          { 0 },
          { 0 },
          { 0, 255, 255, 255, 255, 255 } },
        { "of signed values that become positive",
          "US",
          40001,
          TEXT(TAG_INTERCEPT, "DS", "72768 "),
          WORD(TAG_SIGNED, 1, 0),
          { TAG_PIXELS, "OW", HIGH, sizeof HIGH },
          { 0, 0, 0, 1, 255, 255 } },
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char item[LUT_ITEM];
        struct element changes[MOST_CHANGES] = { CASES[i].rescaled, { TAG_VOI_LUT, "SQ", item, LUT_ITEM } };
        struct decode_reply r;
        uint8_t grey[1000];

        lut_item(CASES[i].vr, CASES[i].first, item);
        if (CASES[i].sign.tag) {
            changes[2] = CASES[i].sign;
            changes[3] = CASES[i].pixels;
            changes[4] = stored;
            changes[5] = high_bit;
        }
        run_with(changes, &r, grey);
        cr_assert_eq(r.status, ST_OK, "%s", r.text);
        cr_assert_arr_eq(grey, CASES[i].expected, 6, "%s: %u %u %u %u", CASES[i].what, grey[0], grey[1],
                         grey[2], grey[3]);
    }
}

/* One that is shorter than its descriptor says, at a place where DCMTK would hand out what follows it. */
Test(decode_headers, a_lookup_table_has_what_it_says)
{
    char item[LUT_ITEM];
    const struct element changes[MOST_CHANGES] = { { TAG_VOI_LUT, "SQ", item, LUT_ITEM } };
    struct decode_reply r;
    uint8_t grey[1000];

    lut_item("US", 0, item);
    run_with(changes, &r, grey);
    cr_assert_eq(r.status, ST_OK, "%s", r.text);
    cr_assert(r.source.voi == IMAGE_VOI_LUT && grey[5] == 255 && grey[0] == 0);
    item[8 + 8] = 5; /* entries */
    run_with(changes, &r, grey);
    cr_assert_eq(r.status, ST_FORMAT);
    cr_assert(strstr(r.text, "fewer entries"), "%s", r.text);
}

/* ---- JPEG files ---- */

static size_t jpeg_with(enum TJPF format, size_t width, size_t height, int flags, uint8_t *to)
{
    static uint8_t pixels[1000 * 4];
    tjhandle handle = tjInitCompress();
    uint8_t *out = NULL;
    unsigned long n = 0;

    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(format == TJPF_GRAY ? i : i % 4 == 0 ? 200 : 30);
    cr_assert_eq(tjCompress2(handle, pixels, (int)width, 0, (int)height, format, &out, &n,
                             format == TJPF_GRAY ? TJSAMP_GRAY : TJSAMP_444, 90, flags),
                 0);
    memcpy(to, out, n);
    tjFree(out);
    tjDestroy(handle);
    return n;
}

static size_t jpeg_of(enum TJPF format, size_t width, size_t height, uint8_t *to)
{
    return jpeg_with(format, width, height, 0, to);
}

/* As pixel data: an empty offset table, and the one fragment. */
static size_t put_fragment(uint8_t *to, const uint8_t *fragment, size_t n)
{
    static const uint8_t HEAD[] = { 0xE0, 0x7F, 0x10, 0,    'O', 'B', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF,
                                    0xFE, 0xFF, 0,    0xE0, 0,   0,   0, 0, 0xFE, 0xFF, 0,    0xE0 };
    static const uint8_t END[] = { 0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0 };
    const size_t even = (n + 1) & ~(size_t)1;

    memcpy(to, HEAD, sizeof HEAD);
    for (size_t i = 0; i < 4; i++)
        to[sizeof HEAD + i] = (uint8_t)(even >> 8 * i);
    memcpy(to + sizeof HEAD + 4, fragment, n);
    memset(to + sizeof HEAD + 4 + n, 0, even - n);
    memcpy(to + sizeof HEAD + 4 + even, END, sizeof END);
    return sizeof HEAD + 4 + even + sizeof END;
}

/* Retired, but img2dcm of DCMTK writes it. */
Test(decode_headers, a_progressive_jpeg_in_a_dicom_file_is_read)
{
    const struct element changes[MOST_CHANGES] = {
        TEXT(TRANSFER_SYNTAX, "UI", "1.2.840.10008.1.2.4.55"),
        WORD(TAG_ROWS, 25, 0),
        WORD(TAG_COLUMNS, 40, 0),
        WORD(TAG_ALLOCATED, 8, 0),
        WORD(TAG_STORED, 8, 0),
        WORD(TAG_HIGH_BIT, 7, 0),
        NONE(TAG_WINDOW_CENTRE),
        NONE(TAG_PIXELS),
    };
    static uint8_t jpeg[1 << 15], bytes[1 << 16];
    struct decode_reply r;
    uint8_t grey[1000], expected[1000];
    size_t n = jpeg_with(TJPF_GRAY, 40, 25, TJFLAG_PROGRESSIVE, jpeg), at;

    run(jpeg, n, IMAGE_JPEG, &r, expected);
    cr_assert_eq(r.status, ST_OK, "%s", r.text);
    at = file_with(changes, bytes);
    run(bytes, at + put_fragment(bytes + at, jpeg, n), IMAGE_DICOM, &r, grey);
    cr_assert(r.status == ST_OK && r.source.lossy, "%s", r.text);
    cr_assert_arr_eq(grey, expected, 1000);
}

Test(decode_headers, jpeg_files_say_what_they_are)
{
    static uint8_t bytes[1 << 16];
    struct decode_reply r;
    uint8_t grey[1000];

    run(bytes, jpeg_of(TJPF_GRAY, 40, 25, bytes), IMAGE_JPEG, &r, grey);
    cr_assert_eq(r.status, ST_OK, "%s", r.text);
    cr_assert(r.width == 40 && r.height == 25 && r.channels == 1 && r.bit_depth == 8 && r.colour == 0);
    cr_assert(r.source.format == IMAGE_JPEG && r.source.lossy);
    run(bytes, jpeg_of(TJPF_RGBX, 20, 20, bytes), IMAGE_JPEG, &r, grey);
    cr_assert_eq(r.status, ST_OK, "%s", r.text);
    cr_assert(r.channels == 3 && r.colour == 1);
    run(bytes, jpeg_of(TJPF_CMYK, 20, 20, bytes), IMAGE_JPEG, &r, grey);
    cr_assert(r.status == ST_UNUSABLE && r.reason == DECODE_REASON_PHOTOMETRIC, "%s", r.text);
}

Test(decode_headers, jpeg_files_over_a_limit_are_not_decoded)
{
    static uint8_t bytes[1 << 16];
    const struct decode_request request = { .format = IMAGE_JPEG, .limits = LIMITS };
    struct decode_reply r;
    uint8_t grey[1000];
    size_t n;

    run(bytes, jpeg_of(TJPF_GRAY, 101, 2, bytes), IMAGE_JPEG, &r, grey);
    cr_assert(r.status == ST_LIMIT && r.reason == DECODE_REASON_LIMIT, "%s", r.text);
    n = jpeg_of(TJPF_GRAY, 40, 25, bytes);
    decode_run(bytes, n, &request, &r, grey, 999);
    cr_assert(r.status == ST_LIMIT && strstr(r.text, "999"), "%s", r.text);
}
