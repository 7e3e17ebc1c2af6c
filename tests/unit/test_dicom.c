/* tests/unit/test_dicom.c - writing DICOM: bytes, UIDs, character sets, values that conform. Other programs
 * read the files in tests/http/test_dicom_results.py. */
#include "server/dicom/charset.h"
#include "server/dicom/codes.h"
#include "server/dicom/conform.h"
#include "server/dicom/content.h"
#include "server/dicom/meta.h"
#include "server/dicom/sc.h"
#include "server/dicom/sr.h"
#include "server/dicom/tags.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLASS    "1.2.3"
#define INSTANCE "1.2.3.4"

/* ---- bytes ---- */

static struct dicom_writer begun(struct buf *out)
{
    struct dicom_writer w;

    dicom_begin(&w, out, CLASS, INSTANCE);
    return w;
}

static void holds(const struct buf *out, size_t at, const char *bytes, size_t n)
{
    cr_assert_eq(out->len - at, n, "%zu bytes, not %zu", out->len - at, n);
    for (size_t i = 0; i < n; i++)
        cr_assert_eq((unsigned char)out->data[at + i], (unsigned char)bytes[i], "byte %zu is %02x", i,
                     (unsigned)(unsigned char)out->data[at + i]);
}
#define HOLDS(out, at, bytes) holds(out, at, bytes, sizeof(bytes) - 1)

Test(writer, begins_a_file_as_part_10_has_it)
{
    struct buf out = BUF_INIT(4096);

    begun(&out);
    cr_assert_eq(buf_status(&out), ST_OK);
    for (size_t i = 0; i < 128; i++)
        cr_assert_eq(out.data[i], '\0');
    cr_assert_eq(memcmp(out.data + 128, "DICM", 4), 0);
    cr_assert_eq(memcmp(out.data + 132, "\x02\x00\x00\x00UL\x04\x00", 8), 0);
    cr_assert_eq((unsigned char)out.data[140], out.len - 144, "the group's length counts what follows it");
    cr_assert_eq(memcmp(out.data + 144, "\x02\x00\x01\x00OB\x00\x00\x02\x00\x00\x00\x00\x01", 14), 0);
    cr_assert_eq(memcmp(out.data + 158, "\x02\x00\x02\x00UI\x06\x00" CLASS "\0", 14), 0);
    buf_release(&out);
}

Test(writer, pads_to_an_even_length_with_what_the_vr_asks)
{
    struct buf out = BUF_INIT(4096);
    struct dicom_writer w = begun(&out);
    const size_t at = out.len;

    dicom_text(&w, TAG_SOP_CLASS, "1.2");
    dicom_text(&w, TAG_MODALITY, "");
    dicom_text(&w, TAG_MANUFACTURER, "abc");
    dicom_u16(&w, TAG_ROWS, 0x1234);
    dicom_text(&w, TAG_TEXT, "x");
    dicom_bytes(&w, TAG_PIXELS, "\xff", 1);
    HOLDS(&out, at,
          "\x08\x00\x16\x00UI\x04\x00"
          "1.2\0"
          "\x08\x00\x60\x00"
          "CS\x00\x00"
          "\x08\x00\x70\x00LO\x04\x00"
          "abc "
          "\x28\x00\x10\x00US\x02\x00\x34\x12"
          "\x40\x00\x60\xa1UT\x00\x00\x02\x00\x00\x00x "
          "\xe0\x7f\x10\x00OB\x00\x00\x02\x00\x00\x00\xff\x00");
    buf_release(&out);
}

Test(writer, nests_items_that_end_where_they_end)
{
    struct buf out = BUF_INIT(4096);
    struct dicom_writer w = begun(&out);
    const size_t at = out.len;

    dicom_sequence_open(&w, TAG_EVIDENCE);
    dicom_item_open(&w);
    dicom_text(&w, TAG_MODALITY, "SR"); /* tags begin anew */
    dicom_item_close(&w);
    dicom_item_open(&w);
    dicom_item_close(&w);
    dicom_sequence_close(&w);
    dicom_text(&w, TAG_COMPLETION, "PARTIAL");
    HOLDS(&out, at,
          "\x40\x00\x75\xa3SQ\x00\x00\xff\xff\xff\xff"
          "\xfe\xff\x00\xe0\xff\xff\xff\xff"
          "\x08\x00\x60\x00"
          "CS\x02\x00SR"
          "\xfe\xff\x0d\xe0\x00\x00\x00\x00"
          "\xfe\xff\x00\xe0\xff\xff\xff\xff"
          "\xfe\xff\x0d\xe0\x00\x00\x00\x00"
          "\xfe\xff\xdd\xe0\x00\x00\x00\x00"
          "\x40\x00\x91\xa4"
          "CS\x08\x00PARTIAL ");
    buf_release(&out);
}

Test(writer, that_has_no_room_says_so_at_the_end)
{
    for (size_t max = 1; max < 400; max += 7) {
        struct buf out = BUF_INIT(max);
        struct dicom_writer w = begun(&out);

        dicom_bytes(&w, TAG_PIXELS, (const char[400]){ 0 }, 400);
        cr_assert_eq(buf_status(&out), ST_LIMIT);
        buf_release(&out);
    }
}

/* ---- UIDs ---- */

Test(uids, of_the_same_words_are_the_same)
{
    const char *const a[] = { "a", "bc", NULL }, *const b[] = { "ab", "c", NULL };
    char first[UID_SIZE], second[UID_SIZE], other[UID_SIZE];

    cr_assert_eq(uid_of(a, first), ST_OK);
    cr_assert_eq(uid_of(a, second), ST_OK);
    cr_assert_eq(uid_of(b, other), ST_OK);
    cr_assert_str_eq(first, second);
    cr_assert_str_neq(first, other);
    /* SHA-256 of "a\0bc\0", its first 128 bits as a UUID of version 8, in Python:
     * b = bytearray(hashlib.sha256(b'a\0bc\0').digest()[:16]); b[6] = 0x80 | b[6] & 15; b[8] = 0x80 | b[8] & 63
     * int.from_bytes(b, 'big') */
    cr_assert_str_eq(first, "2.25.226598865671695726289998254811964492549");
}

Test(uids, at_random_are_valid_and_others_each_time)
{
    char last[UID_SIZE] = "";

    for (int i = 0; i < 1000; i++) {
        char uid[UID_SIZE];

        uid_new(uid);
        cr_assert(uid_ok(uid), "%s", uid);
        cr_assert_eq(strncmp(uid, "2.25.", 5), 0);
        cr_assert_str_neq(uid, last);
        memcpy(last, uid, sizeof last);
    }
}

Test(uids, have_digits_and_dots_and_no_leading_zero)
{
    static const char *const GOOD[] = {
        "1",     "0",      "1.2.840.10008.1.2",
        "1.0.2", "2.25.0", "1.2345678901234567890123456789012345678901234567890123456789.123"
    };
    static const char *const BAD[] = { "",
                                       ".",
                                       "1.",
                                       ".1",
                                       "1..2",
                                       "1.02",
                                       "00",
                                       "1.2 ",
                                       "1.2\n",
                                       "1.2a.3",
                                       "1,2",
                                       "1.-2",
                                       "2.25.",
                                       "1.2.840.10008.1.2\\1.2",
                                       "1.2345678901234567890123456789012345678901234567890123456789.1234" };

    for (size_t i = 0; i < sizeof GOOD / sizeof GOOD[0]; i++)
        cr_assert(uid_ok(GOOD[i]), "%s", GOOD[i]);
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        cr_assert_not(uid_ok(BAD[i]), "%s", BAD[i]);
}

/* ---- character sets ---- */

Test(charset, is_known_by_the_terms_of_the_standard)
{
    static const struct {
        const char *term;
        enum charset_kind kind;
    } TERMS[] = {
        { "", CHARSET_ASCII },
        { "ISO_IR 6", CHARSET_ASCII },
        { "ISO_IR 100", CHARSET_ONE_BYTE },
        { "ISO_IR 166", CHARSET_ONE_BYTE },
        { "ISO_IR 13", CHARSET_ONE_BYTE },
        { "ISO_IR 192", CHARSET_UTF_8 },
        { "GB18030", CHARSET_GB },
        { "GBK", CHARSET_GB },
        { "ISO 2022 IR 100", CHARSET_ISO_2022 },
        { "\\ISO 2022 IR 87", CHARSET_ISO_2022 },
        { "ISO 2022 IR 13\\ISO 2022 IR 87\\ISO 2022 IR 159", CHARSET_ISO_2022 },
        { "ISO 2022 IR 6\\ISO 2022 IR 149", CHARSET_ISO_2022 },
        /* and by nothing else */
        { "ISO_IR 87", CHARSET_ASCII },
        { "ISO_IR 1000", CHARSET_ASCII },
        { "iso_ir 100", CHARSET_ASCII },
        { "UTF-8", CHARSET_ASCII },
        { "ISO_IR 192\\ISO 2022 IR 87", CHARSET_ASCII },
        { "ISO 2022 IR 100\\", CHARSET_ASCII },
        { "\\\\", CHARSET_ASCII },
        { "\\", CHARSET_ASCII },
        { "ISO_IR 100\\ISO_IR 101", CHARSET_ASCII },
        { "ISO 2022 IR 1234567890123456789", CHARSET_ASCII },
    };

    for (size_t i = 0; i < sizeof TERMS / sizeof TERMS[0]; i++) {
        cr_assert_eq(charset_kind_of(TERMS[i].term), TERMS[i].kind, "'%s'", TERMS[i].term);
        cr_assert_str_eq(conform_charset(TERMS[i].term), TERMS[i].kind == CHARSET_ASCII ? "" : TERMS[i].term);
    }
}

static void name_stays(enum charset_kind kind, const char *text)
{
    cr_assert_str_eq(conform_name(kind, text), text);
}

static void name_goes(enum charset_kind kind, const char *text)
{
    cr_assert_str_eq(conform_name(kind, text), "", "'%s'", text);
}

/* The names of PS3.5, annexes H, I, J and K. */
Test(charset, names_of_the_standard_stay_as_they_are)
{
    name_stays(CHARSET_ASCII, "Buc^J\x65rome");
    name_stays(CHARSET_ONE_BYTE, "Buc^J\xe9rome");
    name_stays(CHARSET_UTF_8, "Wang^XiaoDong=\xe7\x8e\x8b^\xe5\xb0\x8f\xe6\x9d\xb1=");
    name_stays(CHARSET_GB, "Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab=");
    name_stays(CHARSET_ISO_2022,
               "Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B");
    name_stays(
        CHARSET_ISO_2022,
        "Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf");
}

Test(charset, bytes_that_are_no_characters_of_it_take_the_value_along)
{
    name_goes(CHARSET_ASCII, "Buc^J\xe9rome");
    name_goes(CHARSET_ONE_BYTE, "Buc^J\x85rome");
    name_goes(CHARSET_UTF_8, "Buc^J\xe9rome");
    name_goes(CHARSET_UTF_8, "Wang\xe7\x8e");
    name_goes(CHARSET_UTF_8, "Wang\xe2\x80\xae");
    name_goes(CHARSET_GB, "Wang\xcd");
    name_goes(CHARSET_GB, "Wang\xff\xff");
    name_goes(CHARSET_ISO_2022, "Yamada\x1b$B;");
    name_goes(CHARSET_ISO_2022, "Yamada\x1b[31mred");
    name_goes(CHARSET_ASCII, "Yamada\x1b$B;3");
    name_goes(CHARSET_ASCII, "a\nb");
    name_goes(CHARSET_ASCII, "a\x7f");
}

/* In GB 18030 and JIS X 0208 the second byte of a character may be that of a backslash or of an equals sign. */
Test(charset, a_byte_of_a_character_is_no_separator)
{
    name_stays(CHARSET_GB, "\x81\x5c");
    name_stays(CHARSET_ISO_2022, "\x1b$B!\\\x1b(B"); /* a plus sign */
    name_stays(CHARSET_ISO_2022, "\x1b$B!=!=!=!=\x1b(B");
}

Test(charset, our_own_words_have_question_marks_where_they_cannot_be_shown)
{
    char text[8];

    charset_show(CHARSET_ONE_BYTE, "a\xc3\x9f b", text, sizeof text);
    cr_assert_str_eq(text, "a? b");
    charset_show(CHARSET_UTF_8, "a\xc3\x9f b", text, sizeof text);
    cr_assert_str_eq(text, "a\xc3\x9f b");
    charset_show(CHARSET_UTF_8, "abcdef\xc3\x9f", text, sizeof text);
    cr_assert_str_eq(text, "abcdef", "no half of a character");
    charset_show(CHARSET_UTF_8, "a\xff\x01z", text, sizeof text);
    cr_assert_str_eq(text, "a??z");
}

/* ---- values ---- */

Test(conform, a_name_has_three_groups_of_five_components_and_64_characters)
{
    char text[257];

    memset(text, 'a', 64);
    text[64] = '\0';
    name_stays(CHARSET_ASCII, text);
    memset(text, 'a', 65);
    text[65] = '\0';
    name_goes(CHARSET_ASCII, text);
    for (size_t i = 0; i < 64; i++)
        memcpy(text + 3 * i, "\xe7\x8e\x8b", 4);
    name_stays(CHARSET_UTF_8, text); /* characters, not bytes */
    name_stays(CHARSET_ASCII, "a^b^c^d^e");
    name_goes(CHARSET_ASCII, "a^b^c^d^e^f");
    name_stays(CHARSET_ASCII, "a^b^c^d^e=a^b^c^d^e=");
    name_goes(CHARSET_ASCII, "a=b=c=d");
    name_goes(CHARSET_ASCII, "one\\two");
}

Test(conform, a_string_is_one_value_and_never_a_part_of_one)
{
    cr_assert_str_eq(conform_string(CHARSET_ASCII, "0123456789abcdef", 16), "0123456789abcdef");
    cr_assert_str_eq(conform_string(CHARSET_ASCII, "0123456789abcdefg", 16), "");
    cr_assert_str_eq(conform_string(CHARSET_ASCII, "12\\34", 16), "");
    cr_assert_str_eq(conform_string(CHARSET_ASCII, "12\t34", 16), "");
    cr_assert_str_eq(conform_string(CHARSET_ONE_BYTE, "\xe9\xe9", 2), "\xe9\xe9");
    cr_assert_str_eq(conform_string(CHARSET_ASCII, "", 16), "");
}

Test(conform, a_date_is_a_day_that_there_is)
{
    static const char *const GOOD[] = { "19700101", "20240229", "20000229", "19991231" };
    static const char *const BAD[] = { "",         "1970",     "1970.01.01", "19700100",
                                       "19700132", "19701301", "20230229",   "19000229",
                                       "1970010a", "00000000", "19700101 " };

    for (size_t i = 0; i < sizeof GOOD / sizeof GOOD[0]; i++)
        cr_assert_str_eq(conform_date(GOOD[i]), GOOD[i]);
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        cr_assert_str_eq(conform_date(BAD[i]), "", "%s", BAD[i]);
}

Test(conform, a_time_is_one_of_a_day)
{
    static const char *const GOOD[] = { "00", "2359", "235960", "070907.0", "070907.123456" };
    static const char *const BAD[] = { "",        "0",      "24",       "2360",           "235961",
                                       "070907.", "0709.1", "07:09:07", "070907.1234567", "070907.12a",
                                       "070907 " };

    for (size_t i = 0; i < sizeof GOOD / sizeof GOOD[0]; i++)
        cr_assert_str_eq(conform_time(GOOD[i]), GOOD[i]);
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        cr_assert_str_eq(conform_time(BAD[i]), "", "%s", BAD[i]);
}

Test(conform, sex_is_a_letter_of_three)
{
    cr_assert_str_eq(conform_sex("M"), "M");
    cr_assert_str_eq(conform_sex("O"), "O");
    cr_assert_str_eq(conform_sex(""), "");
    cr_assert_str_eq(conform_sex("MF"), "");
    cr_assert_str_eq(conform_sex("m"), "");
    cr_assert_str_eq(conform_sex("MALE"), "");
}

/* ---- codes ---- */

Test(codes, a_finding_of_nih_has_the_code_of_a_standard_but_for_one)
{
    struct finding_code code;

    for (size_t i = 0; i < NIH_LABELS.n; i++) {
        cr_assert_eq(finding_code_of(NIH_LABELS.names[i], CHARSET_ASCII, &code), ST_OK);
        if (strcmp(NIH_LABELS.names[i], "Pleural_Thickening") == 0)
            cr_assert_str_eq(code.code.scheme, "99CXRD");
        else
            cr_assert_str_neq(code.code.scheme, "99CXRD", "%s", NIH_LABELS.names[i]);
    }
}

Test(codes, any_other_name_has_one_of_its_own_which_stays)
{
    static const char NAME[] = "Gro\xc3\x9f"
                               "er Herd";
    struct finding_code ascii, utf8, other;

    cr_assert_eq(finding_code_of(NAME, CHARSET_ONE_BYTE, &ascii), ST_OK);
    cr_assert_eq(finding_code_of(NAME, CHARSET_UTF_8, &utf8), ST_OK);
    cr_assert_eq(finding_code_of("Gro\xc3\x9f"
                                 "er herd",
                                 CHARSET_UTF_8, &other),
                 ST_OK);
    cr_assert_str_eq(ascii.code.scheme, "99CXRD");
    cr_assert_str_eq(ascii.code.value, utf8.code.value);
    cr_assert_str_neq(ascii.code.value, other.code.value);
    cr_assert_str_eq(ascii.code.meaning, "Gro?er Herd");
    cr_assert_str_eq(utf8.code.meaning, NAME);
    cr_assert_eq(strlen(ascii.code.value), 16);
}

/* ---- results ---- */

static struct image_source source(void)
{
    return (struct image_source){ .format = IMAGE_DICOM,
                                  .sop_class_uid = "1.2.840.10008.5.1.4.1.1.1.1",
                                  .sop_instance_uid = "1.2.3.4.5",
                                  .study_uid = "1.2.3",
                                  .series_uid = "1.2.3.4",
                                  .modality = "DX" };
}

static const char MODEL[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

Test(result, needs_to_know_where_it_belongs)
{
    struct image_source broken[4];
    struct error err = { 0 };
    struct result r;

    for (size_t i = 0; i < 4; i++)
        broken[i] = source();
    broken[0].study_uid[0] = '\0';
    broken[1].series_uid[1] = 'x';
    memcpy(broken[2].sop_instance_uid, "1.02", 5);
    broken[3].sop_class_uid[0] = '\0';
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(result_prepare(&r, RESULT_REPORT, &broken[i], MODEL, 1, &err), ST_UNUSABLE);
        cr_assert_str_eq(err.reason, "study");
    }
}

Test(result, of_one_model_and_study_is_of_one_series_but_another_instance)
{
    struct image_source first = source(), second = source(), third = source();
    struct result a, b, c, d;
    struct error err;

    memcpy(second.sop_instance_uid, "1.2.3.4.6", 10);
    memcpy(third.study_uid, "1.2.4", 6);
    cr_assert_eq(result_prepare(&a, RESULT_REPORT, &first, MODEL, 1, &err), ST_OK);
    cr_assert_eq(result_prepare(&b, RESULT_REPORT, &second, MODEL, 1, &err), ST_OK);
    cr_assert_eq(result_prepare(&c, RESULT_REPORT, &third, MODEL, 1, &err), ST_OK);
    cr_assert_eq(result_prepare(&d, RESULT_PICTURE, &first, MODEL, 1, &err), ST_OK);
    cr_assert_str_eq(a.series, b.series);
    cr_assert_str_neq(a.series, c.series);
    cr_assert_str_neq(a.series, d.series);
    cr_assert_str_neq(a.sop_instance, b.sop_instance);
    cr_assert_str_eq(conform_date(a.date), a.date);
    cr_assert_str_eq(conform_time(a.time), a.time);
}

Test(result, is_written_whole_or_not_at_all)
{
    struct image_source s = source();
    const struct sr_finding findings[] = { { "Mass", 0.25, SR_ABOVE, 0.2 },
                                           { "Edema", 1e-38, SR_NO_VERDICT, 0 } };
    const char *const comments[] = { "x" };
    const struct sr_report report = { "cnn4", findings, 2, comments, 1 };
    struct buf whole = BUF_INIT(1 << 20);
    struct result r;
    struct error err;

    cr_assert_eq(result_prepare(&r, RESULT_REPORT, &s, MODEL, 1, &err), ST_OK);
    cr_assert_eq(sr_write(&r, &report, &whole, &err), ST_OK);
    for (size_t max = 1; max < whole.len; max += 97) {
        struct buf out = BUF_INIT(max);

        cr_assert_eq(sr_write(&r, &report, &out, &err), ST_LIMIT);
        buf_release(&out);
    }
    buf_release(&whole);
}

/* ---- which instance a stranger's file says it is ---- */

static void says(const char *bytes, size_t n, bool known)
{
    char *exact = malloc(n), class[UID_SIZE], instance[UID_SIZE]; /* so that a sanitizer sees the end */

    memcpy(exact, bytes, n);
    cr_assert_eq(meta_read(exact, n, class, instance), known, "of %zu bytes", n);
    cr_assert_str_eq(class, known ? CLASS : "");
    cr_assert_str_eq(instance, known ? INSTANCE : "");
    free(exact);
}

Test(meta, names_the_instance_of_a_file_and_of_no_part_of_it)
{
    struct buf out = BUF_INIT(4096);
    struct dicom_writer w = begun(&out);
    size_t needed;

    dicom_text(&w, TAG_MODALITY, "CR");
    dicom_text(&w, TAG_MANUFACTURER, "somebody else");
    says(out.data, out.len, true);
    for (needed = out.len; needed > 0; needed--) {
        char class[UID_SIZE], instance[UID_SIZE];

        if (!meta_read(out.data, needed, class, instance))
            break;
    }
    cr_assert_gt(needed, 132);
    for (size_t n = 1; n <= needed; n++)
        says(out.data, n, false);
    buf_release(&out);
}

Test(meta, of_lengths_that_lie_nothing_is_read)
{
    static const char LIES[][11] = { "UI\xff\xff\0\0\0\0\0",
                                     "UI\x00\x00\0\0\0\0\0",
                                     "OB\x00\x00\xff\xff\xff\xff",
                                     "UN\x00\x00\xff\xff\xff\x7f",
                                     "\x00\x00\x00\x00",
                                     "UI\x06\x00\x31\x2e\x30\x31\x2e\x32",
                                     "UI\x06\x00\x31\x2e\x00\x31\x2e\x32" };

    for (size_t i = 0; i < sizeof LIES / sizeof LIES[0]; i++) {
        char bytes[200] = { 0 };

        memcpy(bytes + 128, "DICM\x02\x00\x02\x00", 8);
        memcpy(bytes + 136, LIES[i], 10);
        says(bytes, sizeof bytes, false);
    }
}
