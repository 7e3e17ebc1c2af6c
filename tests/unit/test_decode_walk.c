/* tests/unit/test_decode_walk.c - files built by hand: every coding, lengths that lie, nests that are too deep. The bytes lie
 * at the end of memory, so that a byte read behind it is a crash. */
#include "decode/inflate.h"
#include "decode/syntax.h"
#include "decode/walk.h"
#include "guard.h"
#include "leaks.h"
#include "sentence.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

TestSuite(decode_walk, .fini = check_no_leaks);

/* ---- a file under construction ---- */

struct file {
    uint8_t bytes[1 << 16];
    size_t n;
    enum walk_coding coding;
};

static void put16(struct file *f, unsigned v)
{
    const bool big = f->coding == WALK_BIG_ENDIAN;

    f->bytes[f->n++] = (uint8_t)(big ? v >> 8 : v);
    f->bytes[f->n++] = (uint8_t)(big ? v : v >> 8);
}

static void put32(struct file *f, uint32_t v)
{
    put16(f, f->coding == WALK_BIG_ENDIAN ? v >> 16 : v & 0xFFFF);
    put16(f, f->coding == WALK_BIG_ENDIAN ? v & 0xFFFF : v >> 16);
}

static void put_tag(struct file *f, uint32_t tag)
{
    put16(f, tag >> 16);
    put16(f, tag & 0xFFFF);
}

static void put(struct file *f, const void *bytes, size_t n)
{
    memcpy(f->bytes + f->n, bytes, n);
    f->n += n;
}

/* The header of an element. */
static void header(struct file *f, uint32_t tag, const char *vr, uint32_t length)
{
    const bool is_long = strstr("OB OW SQ UN UT", vr) != NULL;

    put_tag(f, tag);
    if (f->coding != WALK_IMPLICIT)
        put(f, vr, 2);
    if (f->coding != WALK_IMPLICIT && is_long)
        put16(f, 0);
    if (f->coding != WALK_IMPLICIT && !is_long)
        put16(f, length);
    else
        put32(f, length);
}

static void item(struct file *f, uint32_t tag, uint32_t length)
{
    put_tag(f, tag);
    put32(f, length);
}

#define ITEM         0xFFFEE000u
#define ITEM_END     0xFFFEE00Du
#define SEQUENCE_END 0xFFFEE0DDu
#define UNDEFINED    0xFFFFFFFFu
#define PIXELS       0x7FE00010u

static void element(struct file *f, uint32_t tag, const char *vr, const void *value, size_t n)
{
    header(f, tag, vr, (uint32_t)n);
    put(f, value, n);
}

/* ---- walks ---- */

struct seen {
    uint32_t tags[64];
    size_t lengths[64], n;
};

static enum status see(void *ctx, const struct walk_element *e, struct error *err)
{
    struct seen *s = ctx;

    (void)err;
    cr_assert(e->begin < e->value && s->n < 64);
    s->tags[s->n] = e->tag;
    s->lengths[s->n++] = e->n;
    return ST_OK;
}

static enum status walk(const struct file *f, struct seen *s, struct error *err)
{
    struct guarded g = guarded_copy(f->bytes, f->n);
    const enum status st = walk_data_set(g.bytes, f->n, f->coding, see, s, err);

    guarded_release(&g);
    return st;
}

static void check_broken(const char *what, const struct file *f, const char *word)
{
    struct seen s = { .n = 0 };
    struct error err = { 0 };
    const enum status st = walk(f, &s, &err);

    check_refusal(what, st, ST_FORMAT, &err, word);
}

static const enum walk_coding CODINGS[] = { WALK_IMPLICIT, WALK_EXPLICIT, WALK_BIG_ENDIAN };

/* Two elements, and a sequence of undefined length between them in whose item stands another of defined length. */
static void small_file(struct file *f, enum walk_coding coding)
{
    *f = (struct file){ .coding = coding };
    element(f, 0x00080060, "CS", "CR", 2);
    header(f, 0x00081140, "SQ", UNDEFINED);
    item(f, ITEM, UNDEFINED);
    element(f, 0x00080060, "CS", "DX", 2);
    header(f, 0x00081199, "SQ", coding == WALK_IMPLICIT ? 18 : 18);
    item(f, ITEM, 10);
    element(f, 0x00081150, "UI", "1\0", 2);
    item(f, ITEM_END, 0);
    item(f, SEQUENCE_END, 0);
    element(f, PIXELS, "OW", "abcd", 4);
}

Test(decode_walk, elements_are_told_in_each_coding)
{
    static struct file f;

    for (size_t i = 0; i < 3; i++) {
        struct seen s = { .n = 0 };
        struct error err = { 0 };

        small_file(&f, CODINGS[i]);
        cr_assert_eq(walk(&f, &s, &err), ST_OK, "%s", err.text);
        cr_assert_eq(s.n, 3);
        cr_assert(s.tags[0] == 0x00080060 && s.tags[1] == 0x00081140 && s.tags[2] == PIXELS);
        cr_assert(s.lengths[0] == 2 && s.lengths[2] == 4);
    }
}

/* Wherever a file ends, it is refused or had ended an element. */
Test(decode_walk, a_file_cut_anywhere_is_refused_or_has_fewer_elements)
{
    static struct file f;

    for (size_t i = 0; i < 3; i++) {
        size_t n;

        small_file(&f, CODINGS[i]);
        n = f.n;
        for (f.n = 0; f.n < n; f.n++) {
            struct seen s = { .n = 0 };
            struct error err = { 0 };
            const enum status st = walk(&f, &s, &err);

            cr_assert(st == ST_FORMAT || (st == ST_OK && s.n < 3), "%zu", f.n);
            cr_assert(st == ST_OK || err.text[0]);
        }
    }
}

Test(decode_walk, lengths_that_lead_out_are_refused)
{
    static struct file f;

    for (size_t i = 0; i < 3; i++) {
        f = (struct file){ .coding = CODINGS[i] };
        header(&f, PIXELS, "OW", 4);
        put(&f, "abc", 3);
        check_broken("one byte too few", &f, "beyond its end");
        f = (struct file){ .coding = CODINGS[i] };
        header(&f, PIXELS, "OW", 0xFFFFFFFE);
        check_broken("4 GiB", &f, "beyond its end");
        f = (struct file){ .coding = CODINGS[i] };
        header(&f, 0x00081140, "SQ", UNDEFINED);
        item(&f, ITEM, 100);
        check_broken("an item longer than the file", &f, "beyond its end");
        f = (struct file){ .coding = CODINGS[i] };
        header(&f, 0x00081140, "SQ", UNDEFINED);
        element(&f, 0x00081150, "UI", "1\0", 2);
        check_broken("no item in a sequence", &f, "item");
    }
}

/* ---- nests ---- */

static void nest(struct file *f, size_t depth)
{
    for (size_t i = 0; i < depth; i++) {
        header(f, 0x00081140, "SQ", UNDEFINED);
        item(f, ITEM, UNDEFINED);
    }
    for (size_t i = 0; i < depth; i++) {
        item(f, ITEM_END, 0);
        item(f, SEQUENCE_END, 0);
    }
}

Test(decode_walk, nests_are_limited)
{
    static struct file f;

    for (size_t i = 0; i < 3; i++) {
        struct seen s = { .n = 0 };
        struct error err = { 0 };

        f = (struct file){ .coding = CODINGS[i] };
        nest(&f, WALK_MOST_NESTED);
        cr_assert_eq(walk(&f, &s, &err), ST_OK, "%s", err.text);
        f = (struct file){ .coding = CODINGS[i] };
        nest(&f, WALK_MOST_NESTED + 1);
        check_broken("one more", &f, "deep");
        f = (struct file){ .coding = CODINGS[i] };
        nest(&f, 1500);
        check_broken("many", &f, "deep");
    }
}

/* Each sequence has the length of what is in it; innermost first. In implicit coding nothing says that it is a sequence. */
static void nest_defined(struct file *f, size_t depth)
{
    static uint8_t inner[1 << 16];

    for (size_t i = 0; i < depth; i++) {
        const size_t n = f->n;

        memcpy(inner, f->bytes, n);
        f->n = 0;
        header(f, 0x00283010, "SQ", (uint32_t)n + 8);
        item(f, ITEM, (uint32_t)n);
        put(f, inner, n);
    }
}

static enum status see_sequence(void *ctx, const struct walk_element *e, struct error *err)
{
    return walk_sequence(e, *(enum walk_coding *)ctx, err);
}

Test(decode_walk, a_sequence_that_is_wanted_is_checked_inside)
{
    static struct file f;

    for (size_t i = 0; i < 3; i++) {
        enum walk_coding coding = CODINGS[i];
        struct error err = { 0 };

        f = (struct file){ .coding = coding };
        nest_defined(&f, WALK_MOST_NESTED);
        cr_assert_eq(walk_data_set(f.bytes, f.n, coding, see_sequence, &coding, &err), ST_OK, "%s", err.text);
        f = (struct file){ .coding = coding };
        nest_defined(&f, WALK_MOST_NESTED + 1);
        cr_assert_eq(walk_data_set(f.bytes, f.n, coding, see_sequence, &coding, &err), ST_FORMAT);
        cr_assert(strstr(err.text, "deep"));
    }
}

Test(decode_walk, a_sequence_of_unknown_representation_is_implicit_inside)
{
    static struct file f, inside;
    struct seen s = { .n = 0 };
    struct error err = { 0 };

    f = (struct file){ .coding = WALK_EXPLICIT };
    inside = (struct file){ .coding = WALK_IMPLICIT };
    header(&f, 0x00091001, "UN", UNDEFINED);
    item(&inside, ITEM, UNDEFINED);
    element(&inside, 0x00080060, "CS", "DX", 2);
    item(&inside, ITEM_END, 0);
    item(&inside, SEQUENCE_END, 0);
    put(&f, inside.bytes, inside.n);
    element(&f, 0x00280010, "US", "\1\0", 2);
    cr_assert_eq(walk(&f, &s, &err), ST_OK, "%s", err.text);
    cr_assert_eq(s.n, 2);
}

/* A length that looks like a representation: 0x4141 is "AA". */
Test(decode_walk, lengths_inside_of_it_are_not_mistaken_for_representations)
{
    static struct file f, inside;
    struct seen s = { .n = 0 };
    struct error err = { 0 };

    f = (struct file){ .coding = WALK_EXPLICIT };
    inside = (struct file){ .coding = WALK_IMPLICIT };
    header(&f, 0x00091001, "UN", UNDEFINED);
    item(&inside, ITEM, UNDEFINED);
    header(&inside, 0x00091002, "", 0x4141);
    inside.n += 0x4141;
    item(&inside, ITEM_END, 0);
    item(&inside, SEQUENCE_END, 0);
    put(&f, inside.bytes, inside.n);
    cr_assert_eq(walk(&f, &s, &err), ST_OK, "%s", err.text);
    cr_assert_eq(s.n, 1);
}

Test(decode_walk, an_element_without_a_representation_among_others_is_implicit)
{
    static struct file f;
    struct seen s = { .n = 0 };
    struct error err = { 0 };

    f = (struct file){ .coding = WALK_EXPLICIT };
    element(&f, 0x00080060, "CS", "CR", 2);
    f.coding = WALK_IMPLICIT;
    element(&f, 0x00091001, "", "abcd", 4);
    f.coding = WALK_EXPLICIT;
    element(&f, 0x00280010, "US", "\1\0", 2);
    cr_assert_eq(walk(&f, &s, &err), ST_OK, "%s", err.text);
    cr_assert(s.n == 3 && s.lengths[1] == 4);
}

/* PS3.5, 7.1.2: 4 bytes of length behind one that is not known yet. Without its two zeros they are 2 bytes. */
Test(decode_walk, a_representation_that_is_not_known_has_a_long_length)
{
    static struct file f;

    for (size_t i = 1; i < 3; i++)
        for (size_t is_short = 0; is_short < 2; is_short++) {
            struct seen s = { .n = 0 };
            struct error err = { 0 };

            f = (struct file){ .coding = CODINGS[i] };
            put_tag(&f, 0x00091000);
            put(&f, is_short ? "ZZ" : "ZZ\0", is_short ? 2 : 4);
            if (is_short)
                put16(&f, 4);
            else
                put32(&f, 4);
            put(&f, "abcd", 4);
            element(&f, 0x00280010, "US", "\1\0", 2);
            cr_assert_eq(walk(&f, &s, &err), ST_OK, "%s", err.text);
            cr_assert(s.n == 2 && s.lengths[0] == 4 && s.tags[1] == 0x00280010);
        }
}

Test(decode_walk, a_rest_behind_the_pixels_is_ignored)
{
    static struct file f;
    struct seen s = { .n = 0 };
    struct error err = { 0 };

    small_file(&f, WALK_EXPLICIT);
    put(&f, "\0\0\0\0\0\0\0\0\0\0\0\0\0", 13);
    cr_assert_eq(walk(&f, &s, &err), ST_OK, "%s", err.text);
    cr_assert_geq(s.n, 3);
    f.bytes[f.n - 1] = 1;
    s.n = 0;
    cr_assert_eq(walk(&f, &s, &err), ST_OK, "%s", err.text);
    cr_assert_geq(s.n, 3);
    cr_assert_eq(err.text[0], 0);
    f = (struct file){ .coding = WALK_EXPLICIT };
    put(&f, "\0\0\0\0\0\0\0\0\0\0\0\0\1", 13);
    check_broken("before them", &f, "beyond its end");
}

/* ---- fragments ---- */

struct joined {
    char text[64];
    size_t n;
};

static enum status join(void *ctx, const uint8_t *fragment, size_t n, struct error *err)
{
    struct joined *j = ctx;

    (void)err;
    memcpy(j->text + j->n, fragment, n);
    j->n += n;
    return ST_OK;
}

static enum status join_pixels(void *ctx, const struct walk_element *e, struct error *err)
{
    cr_assert(e->tag == PIXELS && e->undefined);
    return walk_fragments(e, join, ctx, err);
}

static enum status joined(const struct file *f, struct joined *j)
{
    struct guarded g = guarded_copy(f->bytes, f->n);
    struct error err = { 0 };
    const enum status st = walk_data_set(g.bytes, f->n, WALK_EXPLICIT, join_pixels, j, &err);

    guarded_release(&g);
    return st;
}

Test(decode_walk, fragments_are_told_without_the_offset_table)
{
    static struct file f;
    struct joined j = { .n = 0 };

    f = (struct file){ .coding = WALK_EXPLICIT };
    header(&f, PIXELS, "OB", UNDEFINED);
    item(&f, ITEM, 4);
    put32(&f, 0);
    item(&f, ITEM, 4);
    put(&f, "abcd", 4);
    item(&f, ITEM, 0);
    item(&f, ITEM, 2);
    put(&f, "ef", 2);
    cr_assert_eq(joined(&f, &j), ST_OK, "without an end");
    cr_assert_str_eq(j.text, "abcdef");
    j = (struct joined){ .n = 0 };
    item(&f, SEQUENCE_END, 0);
    cr_assert_eq(joined(&f, &j), ST_OK, "with one");
    cr_assert_str_eq(j.text, "abcdef");
}

Test(decode_walk, an_icon_in_a_sequence_may_have_fragments_too)
{
    static struct file f;
    struct seen s = { .n = 0 };
    struct error err = { 0 };

    f = (struct file){ .coding = WALK_EXPLICIT };
    header(&f, 0x00880200, "SQ", UNDEFINED);
    item(&f, ITEM, UNDEFINED);
    header(&f, PIXELS, "OB", UNDEFINED);
    item(&f, ITEM, 0);
    item(&f, ITEM, 4);
    put(&f, "abcd", 4);
    item(&f, SEQUENCE_END, 0);
    item(&f, ITEM_END, 0);
    item(&f, SEQUENCE_END, 0);
    element(&f, PIXELS, "OB", "ef", 2);
    cr_assert_eq(walk(&f, &s, &err), ST_OK, "%s", err.text);
    cr_assert(s.n == 2 && s.lengths[1] == 2);
}

Test(decode_walk, fragments_that_are_none_are_refused)
{
    static struct file f;

    f = (struct file){ .coding = WALK_EXPLICIT };
    header(&f, PIXELS, "OB", UNDEFINED);
    check_broken("nothing", &f, "beyond its end");
    item(&f, ITEM, 0);
    check_broken("only an offset table", &f, "beyond its end");
    item(&f, ITEM, 3);
    check_broken("too long", &f, "beyond its end");
    f.n -= 8;
    item(&f, ITEM, UNDEFINED);
    check_broken("of undefined length", &f, "fragments");
    f.n -= 8;
    element(&f, 0x00080060, "CS", "CR", 2);
    check_broken("an element", &f, "fragments");
}

/* ---- files ---- */

static void meta(struct file *f, const char *uid, bool preamble)
{
    static const uint8_t ZEROS[128];

    *f = (struct file){ .coding = WALK_EXPLICIT };
    if (preamble) {
        put(f, ZEROS, 128);
        put(f, "DICM", 4);
    }
    element(f, 0x00020001, "OB", "\0\1", 2);
    if (uid)
        element(f, 0x00020010, "UI", uid, (strlen(uid) + 1) & ~(size_t)1);
}

static enum status file_of(const struct file *f, struct walk_file *ret, struct error *err)
{
    struct guarded g = guarded_copy(f->bytes, f->n);
    const enum status st = walk_file_read(g.bytes, f->n, ret, err);

    guarded_release(&g);
    return st;
}

Test(decode_walk, a_file_says_its_transfer_syntax)
{
    static struct file f;

    for (int preamble = 0; preamble < 2; preamble++) {
        struct walk_file file;
        struct error err = { 0 };

        meta(&f, "1.2.840.10008.1.2.4.70", preamble);
        element(&f, 0x00080060, "CS", "CR", 2);
        cr_assert_eq(file_of(&f, &file, &err), ST_OK, "%s", err.text);
        cr_assert_str_eq(file.transfer_syntax, "1.2.840.10008.1.2.4.70");
        cr_assert_eq(file.n, 10);
        cr_assert_eq(syntax_find(file.transfer_syntax)->pixels, SYNTAX_JPEG);
    }
}

Test(decode_walk, a_bare_data_set_is_guessed)
{
    static const char *const UIDS[] = { "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2" };
    static struct file f;

    for (size_t i = 0; i < 3; i++) {
        struct walk_file file;
        struct error err = { 0 };

        small_file(&f, CODINGS[i]);
        cr_assert_eq(file_of(&f, &file, &err), ST_OK, "%s", err.text);
        cr_assert_str_eq(file.transfer_syntax, UIDS[i]);
        cr_assert_eq(file.n, f.n);
        cr_assert_eq(syntax_find(UIDS[i])->coding, CODINGS[i]);
    }
}

static void check_no_file(const char *what, const struct file *f, enum status expected, const char *word)
{
    struct walk_file file;
    struct error err = { 0 };
    const enum status st = file_of(f, &file, &err);

    check_refusal(what, st, expected, &err, word);
}

Test(decode_walk, what_is_no_dicom_file_is_refused)
{
    static struct file f;

    meta(&f, NULL, true);
    check_no_file("no syntax", &f, ST_FORMAT, "transfer syntax");
    meta(&f, "1.2.3; DROP TABLE", true);
    check_no_file("no UID", &f, ST_FORMAT, "transfer syntax");
    meta(&f, "1.2.840.10008.1.2.1.1.2.840.10008.1.2.1.1.2.840.10008.1.2.1.1.2.840.10008", true);
    check_no_file("too long a UID", &f, ST_FORMAT, "transfer syntax");
    f.n = 132;
    check_no_file("only the magic", &f, ST_FORMAT, "empty");
    f.n = 0;
    check_no_file("nothing", &f, ST_FORMAT, "empty");
    f = (struct file){ .coding = WALK_EXPLICIT };
    put(&f, "hello, world", 12);
    check_no_file("text", &f, ST_UNSUPPORTED, "not a DICOM file");
}

Test(decode_walk, the_first_element_shows_the_coding_whatever_was_said)
{
    static struct file f;
    struct error err = { 0 };
    enum walk_coding coding;

    small_file(&f, WALK_IMPLICIT);
    cr_assert_eq(walk_coding_read(f.bytes, f.n, WALK_EXPLICIT, &coding, &err), ST_OK);
    cr_assert_eq(coding, WALK_IMPLICIT);
    cr_assert_eq(walk_coding_read((const uint8_t *)"\0\0\0\0\0\0\0\0\x08", 9, WALK_EXPLICIT, &coding, &err),
                 ST_OK);
    cr_assert_eq(coding, WALK_EXPLICIT, "an empty element before the data set does not show it");
    small_file(&f, WALK_EXPLICIT);
    cr_assert_eq(walk_coding_read(f.bytes, f.n, WALK_IMPLICIT, &coding, &err), ST_OK);
    cr_assert_eq(coding, WALK_EXPLICIT);
    check_refusal("the other byte order", walk_coding_read(f.bytes, f.n, WALK_BIG_ENDIAN, &coding, &err),
                  ST_FORMAT, &err, "transfer syntax");
    check_refusal("nothing", walk_coding_read(f.bytes, 4, WALK_EXPLICIT, &coding, &err), ST_FORMAT, &err,
                  "no data set");
}

Test(decode_walk, syntaxes_that_are_not_read_are_unknown)
{
    static const char *const OTHERS[] = { "", "1.2.840.10008.1.2.4.94", "1.2.840.10008.1.2.4.102",
                                          "1.2.840.10008.1.2.", "1.2" };

    for (size_t i = 0; i < sizeof OTHERS / sizeof OTHERS[0]; i++)
        cr_assert_null(syntax_find(OTHERS[i]));
}

/* ---- deflated ---- */

static size_t deflated(const uint8_t *in, size_t n, uint8_t *out, size_t room)
{
    z_stream z = {
        .next_in = (Bytef *)(uintptr_t)in, .avail_in = (uInt)n, .next_out = out, .avail_out = (uInt)room
    };

    cr_assert_eq(deflateInit2(&z, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}

Test(decode_walk, a_deflated_data_set_is_bounded)
{
    enum { N = 5 << 20 };
    uint8_t *in = calloc(N, 1), *out = NULL, *small = malloc(1 << 16);
    struct error err = { 0 };
    size_t n, n_out;

    cr_assert(in && small);
    for (size_t i = 0; i < N; i += 1000)
        in[i] = (uint8_t)i;
    n = deflated(in, N, small, 1 << 16);
    cr_assert_eq(inflate_all(small, n, N, &out, &n_out, &err), ST_OK, "exactly the limit: %s", err.text);
    cr_assert(n_out == N && memcmp(in, out, N) == 0);
    free(out);
    out = NULL;
    check_refusal("a bomb", inflate_all(small, n, N - 1, &out, &n_out, &err), ST_LIMIT, &err, "inflates");
    check_refusal("cut short", inflate_all(small, n - 1, N, &out, &n_out, &err), ST_FORMAT, &err, "deflated");
    check_refusal("broken", inflate_all((const uint8_t *)"\xff\xff\xff", 3, N, &out, &n_out, &err), ST_FORMAT,
                  &err, "deflated");
    cr_assert_null(out);
    free(in);
    free(small);
}
