/* tests/unit/test_weights_refused.c - no fault of a stranger's file gets past weights_read(), nor without a sentence that names it. */
#include "guard.h"
#include "leaks.h"
#include "sentence.h"
#include "weights_case.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- refusals ---- */

static void check_prefix_refused(const struct buf *file, size_t n)
{
    struct guarded prefix = guarded_copy(file->data, n);
    char what[40];

    snprintf(what, sizeof what, "the first %zu bytes", n);
    check_refused(what, prefix.bytes, n, ST_FORMAT, "");
    guarded_release(&prefix);
}

TEST_WITHOUT_LEAKS(refusal, of_a_file_cut_anywhere)
{
    struct buf file = small_file();
    const size_t begin = LENGTH_SIZE + (size_t)length_of(file.data);

    for (size_t n = 0; n < begin + 16; n++)
        check_prefix_refused(&file, n);
    for (size_t n = begin + 16; n < file.len; n += (file.len - begin) / 50)
        check_prefix_refused(&file, n);
    check_prefix_refused(&file, file.len - 1);
    buf_release(&file);
}

TEST_WITHOUT_LEAKS(refusal, of_a_file_that_ends_before_its_tensors)
{
    struct buf file = small_file();
    const size_t header = LENGTH_SIZE + (size_t)length_of(file.data);

    check_refused("100 bytes of data", file.data, header + 100, ST_FORMAT, "does not fit in the file");
    buf_release(&file);
}

TEST_WITHOUT_LEAKS(refusal, of_bytes_after_the_data)
{
    struct buf file = small_file();

    buf_puts(&file, "x");
    check_refused("one byte too many", file.data, file.len, ST_FORMAT, "bytes of data");
    buf_release(&file);
}

TEST_WITHOUT_LEAKS(refusal, of_a_header_length_that_cannot_be)
{
    static const uint64_t LENGTHS[] = { UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 63, (uint64_t)1 << 32,
                                        1 << 26 };
    struct buf file = small_file();

    for (size_t i = 0; i < sizeof LENGTHS / sizeof LENGTHS[0]; i++) {
        char claim[32];

        for (size_t k = 0; k < LENGTH_SIZE; k++)
            file.data[k] = (char)(LENGTHS[i] >> (8 * k));
        snprintf(claim, sizeof claim, "claims %ju bytes", (uintmax_t)LENGTHS[i]);
        check_refused(claim, file.data, file.len, ST_FORMAT, claim);
    }
    memset(file.data, 0, LENGTH_SIZE);
    check_refused("no header", file.data, file.len, ST_FORMAT, "header");
    buf_release(&file);
}

TEST_WITHOUT_LEAKS(refusal, of_a_header_that_is_no_object)
{
    static const char *const TEXTS[] = {
        "",    " ",        "[]",         "null",        "3",      "\"text\"",        "{",
        "{}x", "{\"a\":}", "{\"a\":1,}", "{\"a\":1}{}", "\xff{}", "{\"a\":\"\xff\"}"
    };

    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) {
        struct buf file = joined_text(TEXTS[i], "", 0);

        check_refused(TEXTS[i], file.data, file.len, ST_FORMAT, "not a JSON object");
        buf_release(&file);
    }
}

TEST_WITHOUT_LEAKS(refusal, of_a_name_that_is_there_twice)
{
    struct buf file = joined_text("{\"head.bias\":{},\"head.bias\":{}}", "", 0);

    check_refused("a duplicate", file.data, file.len, ST_FORMAT, "header");
    buf_release(&file);
}

/* jansson gives up at 2,048 levels; a deeper header must not run the stack out. */
TEST_WITHOUT_LEAKS(refusal, of_a_header_of_brackets)
{
    struct buf text = BUF_INIT(1 << 20), file;

    buf_puts(&text, "{\"a\":");
    for (size_t i = 0; i < 100000; i++)
        buf_puts(&text, "[");
    file = joined_text(text.data, "", 0);
    check_refused("100,000 brackets", file.data, file.len, ST_FORMAT, "not a JSON object");
    buf_release(&text);
    buf_release(&file);
}

static const char *const NAMES[] = { "conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias",
                                     "conv3.weight", "conv3.bias", "conv4.weight", "conv4.bias",
                                     "head.weight",  "head.bias" };
enum { N_NAMES = sizeof NAMES / sizeof NAMES[0] };

TEST_WITHOUT_LEAKS(refusal, of_a_missing_tensor_by_its_name)
{
    for (size_t i = 0; i < N_NAMES; i++) {
        struct parts p = small_parts();

        json_object_del(p.header, NAMES[i]);
        check_parts_refused("a missing tensor", &p, ST_FORMAT, NAMES[i]);
    }
}

TEST_WITHOUT_LEAKS(refusal, of_a_tensor_that_does_not_belong)
{
    static const char *const STRANGERS[] = { "conv5.weight", "", "__metadata", "Conv1.weight" };

    for (size_t i = 0; i < 4; i++) {
        struct parts p = small_parts();

        json_object_set(p.header, STRANGERS[i], entry_of(&p, "head.bias"));
        check_parts_refused("a stranger", &p, ST_FORMAT, STRANGERS[i]);
    }
}

/* A long name is cut in the sentence, but not in the middle of a letter. */
TEST_WITHOUT_LEAKS(refusal, stays_utf8_whatever_the_name)
{
    for (size_t shift = 0; shift < 4; shift++) {
        struct parts p = small_parts();
        struct buf name = BUF_INIT(1000);

        buf_puts(&name, &"aaa"[3 - shift]);
        for (size_t i = 0; i < 200; i++)
            buf_puts(&name, "\xf0\x9f\xa9\xba"); /* a stethoscope */
        json_object_set(p.header, name.data, entry_of(&p, "head.bias"));
        check_parts_refused("a long name", &p, ST_FORMAT, "\xf0\x9f\xa9\xba");
        buf_release(&name);
    }
}

TEST_WITHOUT_LEAKS(refusal, stays_one_line_whatever_the_name)
{
    struct parts p = small_parts();

    json_object_set(p.header, "a\nb\r\x1b[31m\x7f", entry_of(&p, "head.bias"));
    check_parts_refused("line ends in a name", &p, ST_FORMAT, "'a?b??[31m?'");
}

/* A file in which that member of the tensor's entry is this JSON. */
static void check_member_refused(const char *tensor, const char *member, const char *text, const char *word)
{
    struct parts p = small_parts();

    json_object_set_new(entry_of(&p, tensor), member, json_loads(text, JSON_DECODE_ANY, NULL));
    check_parts_refused(text, &p, ST_FORMAT, word);
}

TEST_WITHOUT_LEAKS(refusal, of_a_wrong_shape_by_name)
{
    static const struct {
        const char *tensor, *shape;
    } WRONG[] = { { "conv1.weight", "[32,3,9]" },
                  { "conv1.weight", "[3,32,3,3]" },
                  { "conv2.bias", "[64,1]" },
                  { "conv2.bias", "[]" },
                  { "conv2.bias", "64" },
                  { "head.weight", "[14,256,16,16]" },
                  { "head.weight", "[14,4096]" },
                  { "head.bias", "[14.0]" },
                  { "head.bias", "[\"14\"]" },
                  { "head.bias", "[-14]" },
                  { "head.bias", "[14,1,1,1,1,1,1]" },
                  { "head.bias", "null" } };

    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++)
        check_member_refused(WRONG[i].tensor, "shape", WRONG[i].shape, WRONG[i].tensor);
}

TEST_WITHOUT_LEAKS(refusal, of_a_wrong_type_by_name)
{
    static const char *const TYPES[] = { "\"F8_E4M3\"", "\"C64\"", "\"f32\"", "\"\"", "32", "null" };

    for (size_t i = 0; i < sizeof TYPES / sizeof TYPES[0]; i++)
        check_member_refused("conv3.weight", "dtype", TYPES[i], "'conv3.weight' is not of type F32");
}

/* A type that files may have, but not weights: twice as many bytes go with its shape. */
TEST_WITHOUT_LEAKS(refusal, of_another_width_by_name)
{
    static const char *const TYPES[] = { "\"F64\"", "\"U8\"", "\"U32\"" };

    for (size_t i = 0; i < sizeof TYPES / sizeof TYPES[0]; i++)
        check_member_refused("conv3.weight", "dtype", TYPES[i], "'conv3.weight'");
}

TEST_WITHOUT_LEAKS(refusal, of_an_entry_that_is_no_description)
{
    static const char *const ENTRIES[] = { "null", "3", "[]", "\"x\"", "{}" };

    for (size_t i = 0; i < sizeof ENTRIES / sizeof ENTRIES[0]; i++) {
        struct parts p = small_parts();

        json_object_set_new(p.header, "conv4.bias", json_loads(ENTRIES[i], JSON_DECODE_ANY, NULL));
        check_parts_refused(ENTRIES[i], &p, ST_FORMAT, "conv4.bias");
    }
}

TEST_WITHOUT_LEAKS(refusal, of_offsets_that_are_none)
{
    static const char *const OFFSETS[] = { "null",        "[]",          "[0]",
                                           "[0,128,256]", "[0.0,128.0]", "[\"0\",\"128\"]",
                                           "{}" };

    for (size_t i = 0; i < sizeof OFFSETS / sizeof OFFSETS[0]; i++)
        check_member_refused("conv1.bias", "data_offsets", OFFSETS[i], "'conv1.bias' has no data offsets");
}

TEST_WITHOUT_LEAKS(refusal, of_offsets_outside_the_file)
{
    static const json_int_t SHIFTS[] = { 4, 1 << 30, -4, INT64_MAX - 56, INT64_MIN };

    for (size_t i = 0; i < sizeof SHIFTS / sizeof SHIFTS[0]; i++) {
        struct parts p = small_parts();
        const json_int_t last = (json_int_t)p.n_data - 56; /* head.bias ends the data */
        const json_int_t begin = SHIFTS[i] == 4 || SHIFTS[i] == 1 << 30 ? last + SHIFTS[i] : SHIFTS[i];

        set_offsets(&p, "head.bias", begin, begin + 56);
        check_parts_refused("outside", &p, ST_FORMAT, "'head.bias' lies outside the file");
    }
}

TEST_WITHOUT_LEAKS(refusal, of_offsets_that_do_not_fit_the_shape)
{
    static const json_int_t WRONG[] = { 0, 4, 52, -4 };

    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        struct parts p = small_parts();
        const json_int_t begin = offset_of(&p, "head.bias", 0);

        set_offsets(&p, "head.bias", begin, begin + WRONG[i]);
        check_parts_refused("a wrong length", &p, ST_FORMAT, "'head.bias'");
    }
}

TEST_WITHOUT_LEAKS(refusal, of_tensors_that_overlap)
{
    static const json_int_t SHIFTS[] = { 0, 4, -4, 124 };

    for (size_t i = 0; i < sizeof SHIFTS / sizeof SHIFTS[0]; i++) {
        struct parts p = small_parts();
        const json_int_t begin = offset_of(&p, "conv1.bias", 0) + SHIFTS[i];

        set_offsets(&p, "conv2.bias", begin, begin + 256);
        check_parts_refused("overlapping tensors", &p, ST_FORMAT, "overlap");
    }
}

/* Four bytes that no tensor claims, before the last one. */
TEST_WITHOUT_LEAKS(refusal, of_a_hole_in_the_data)
{
    struct parts p = small_parts();
    const json_int_t begin = offset_of(&p, "head.bias", 0);

    p.data = realloc(p.data, p.n_data + 4);
    cr_assert_not_null(p.data);
    memset(p.data + p.n_data, 0, 4);
    p.n_data += 4;
    set_offsets(&p, "head.bias", begin + 4, begin + 60);
    check_parts_refused("a hole", &p, ST_FORMAT, "bytes of data");
}

TEST_WITHOUT_LEAKS(refusal, of_values_that_are_no_numbers_by_tensor)
{
    static const float BAD[] = { NAN, INFINITY, -INFINITY };

    for (size_t i = 0; i < N_NAMES; i++) {
        struct parts p = small_parts();

        memcpy(p.data + offset_of(&p, NAMES[i], 1) - 4, &BAD[i % 3], 4);
        check_parts_refused("a bad value", &p, ST_NUMERIC, NAMES[i]);
    }
}

/* The root of one is what every picture would be divided by. */
TEST_WITHOUT_LEAKS(refusal, of_a_variance_below_zero)
{
    static const float BELOW = -1e-9f, LEAST = 0;
    struct model *m = initial_model("resnet18");
    struct buf file = written(m);
    struct parts p = parts_of(&file);
    float *variance = (float *)(void *)(p.data + offset_of(&p, "bn1.running_var", 0));

    model_unref(m);
    buf_release(&file);
    memcpy(variance, &LEAST, sizeof LEAST);
    file = joined(&p);
    model_unref(read_ok(&file));
    buf_release(&file);
    memcpy(variance, &BELOW, sizeof BELOW);
    check_parts_refused("a variance below 0", &p, ST_NUMERIC, "'bn1.running_var' holds a variance below 0");
}

TEST_WITHOUT_LEAKS(refusal, of_metadata_that_make_no_sense)
{
    static const struct {
        const char *key, *value, *word;
    } WRONG[] = {
        { "image_size", "255", "255" },         { "image_size", "0", "image_size" },
        { "image_size", "-64", "image_size" },  { "image_size", "64.5", "image_size" },
        { "image_size", "1e9", "image_size" },  { "image_size", "1040", "image_size" },
        { "image_size", "", "image_size" },     { "image_size", "64 pixels", "image_size" },
        { "image_size", "0x40", "image_size" }, { "image_size", " 64", "image_size" },
        { "image_size", "nan", "image_size" },  { "image_size", "80", "'head.weight' has the wrong shape" },
        { "resize", "bilinear", "bilinear" },   { "resize", "", "resize" },
        { "input_std", "0", "above 0" },        { "input_std", "-1", "above 0" },
        { "input_std", "-0", "above 0" },       { "input_std", "1e-60", "above 0" },
        { "input_std", "1e60", "input_std" },   { "input_std", "inf", "input_std" },
        { "input_std", "1e-40", "input_std" },  { "input_std", "wide", "wide" },
        { "input_mean", "nan", "input_mean" },  { "input_mean", "1e39", "input_mean" },
        { "input_mean", "", "input_mean" },     { "labels", "", "labels" },
        { "architecture", "resnet", "resnet" }, { "architecture", "", "architecture" },
    };

    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        char what[80];
        struct parts p = small_parts();

        snprintf(what, sizeof what, "%s = '%s'", WRONG[i].key, WRONG[i].value);
        set_metadata(&p, WRONG[i].key, WRONG[i].value);
        check_parts_refused(what, &p, ST_FORMAT, WRONG[i].word);
    }
}

TEST_WITHOUT_LEAKS(refusal, of_labels_that_are_no_list)
{
    static const char *const WRONG[] = { "",
                                         "A,,B",
                                         "A,A",
                                         "Pleural Thickening,pleural_thickening",
                                         "A,No Finding",
                                         "A,normal",
                                         "a|b",
                                         "=1+1",
                                         "a<b>",
                                         "A,B,",
                                         "../x",
                                         "\x01" };

    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        struct parts p = small_parts();

        set_metadata(&p, "labels", WRONG[i]);
        check_parts_refused(WRONG[i], &p, ST_FORMAT, "'labels'");
    }
}

/* As many tensors' rows as labels. */
TEST_WITHOUT_LEAKS(refusal, of_fewer_labels_than_logits)
{
    struct parts p = small_parts();

    set_metadata(&p, "labels", "Effusion,Mass");
    check_parts_refused("two labels", &p, ST_FORMAT, "wrong shape");
}

TEST_WITHOUT_LEAKS(refusal, of_metadata_that_are_no_strings)
{
    static const char *const METADATA[] = {
        "[]", "3", "\"text\"", "{\"image_size\":64}", "{\"note\":null}", "{\"note\":{\"a\":\"b\"}}"
    };

    for (size_t i = 0; i < sizeof METADATA / sizeof METADATA[0]; i++) {
        struct parts p = small_parts();

        json_object_set_new(p.header, "__metadata__", json_loads(METADATA[i], JSON_DECODE_ANY, NULL));
        check_parts_refused(METADATA[i], &p, ST_FORMAT, i < 3 ? "__metadata__" : "is not a string");
    }
}

/* Whatever bit of the header flips, there is either a sentence or a model that differs in its notes at most. */
TEST_WITHOUT_LEAKS(refusal, or_a_model_for_any_flipped_bit_of_the_header)
{
    struct buf file = small_file();
    const size_t n = LENGTH_SIZE + (size_t)length_of(file.data);

    for (size_t bit = 0; bit < 8 * n; bit += 3) {
        struct model *m = NULL;
        struct error err = { 0 };
        enum status st;

        file.data[bit / 8] ^= (char)(1 << bit % 8);
        st = weights_read(file.data, file.len, &m, &err);
        if (st == ST_OK)
            cr_assert_eq(model_network(m)->image_size, SIZE);
        else
            check_refusal("a flipped bit", st, ST_FORMAT, &err, "");
        model_unref(m);
        file.data[bit / 8] ^= (char)(1 << bit % 8);
    }
    buf_release(&file);
}
