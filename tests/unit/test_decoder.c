/* tests/unit/test_decoder.c - what comes from a decoder process is believed as far as it is sound, and a helper that is not what it
 * should be costs its own picture alone. */
#include "model/image/outside/reply.h"

#include "cxrd/decoder.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SIDE = 4 };

/* ---- replies ---- */

static const struct decode_request REQUEST = {
    .n_bytes = 1,
    .format = IMAGE_DICOM,
    .limits = { .max_side = 16, .max_pixels = 64, .max_bytes = 1000 },
};

static struct decode_reply sound(void)
{
    struct decode_reply r = { .status = ST_OK,
                              .width = SIDE,
                              .height = SIDE,
                              .channels = 1,
                              .bit_depth = 12,
                              .source = { .format = IMAGE_DICOM,
                                          .sop_class_uid = "1.2.840",
                                          .modality = "DX",
                                          .view = "PA",
                                          .sex = 'F',
                                          .age_known = 1,
                                          .age = 58,
                                          .study = { .patient_name = "Nobody" } } };

    return r;
}

/* How a reply is taken; no picture is left. */
static enum status read_back(const struct decode_reply *r, bool *ret_sound, struct error *err)
{
    struct shared output = SHARED_INIT;
    struct image img = IMAGE_INIT;
    enum status st;

    cr_assert(shared_open(&output, "test", DECODE_OUTPUT_SIZE(REQUEST.limits.max_pixels)));
    cr_assert_eq(pwrite(output.fd, r, sizeof *r, 0), (ssize_t)sizeof *r);
    st = reply_read(&output, &REQUEST, &img, ret_sound, err);
    cr_assert_eq(st == ST_OK, img.grey != NULL);
    image_release(&img);
    cr_assert(img.source.study.patient_name[0] == '\0');
    shared_close(&output);
    return st;
}

static void check_unsound(const char *what, const struct decode_reply *r)
{
    struct error err = { 0 };
    bool is_sound = true;

    cr_assert_eq(read_back(r, &is_sound, &err), ST_FORMAT, "%s", what);
    cr_assert_not(is_sound, "%s", what);
    cr_assert_str_eq(err.reason, "decoder");
}

Test(reply, a_sound_one_is_the_picture)
{
    const struct decode_reply r = sound();
    struct error err = { 0 };
    bool is_sound = false;

    cr_assert_eq(read_back(&r, &is_sound, &err), ST_OK, "%s", err.text);
    cr_assert(is_sound);
}

#define CHECK_UNSOUND(change)            \
    do {                                 \
        struct decode_reply r = sound(); \
        change;                          \
        check_unsound(#change, &r);      \
    } while (0)

Test(reply, each_number_is_checked)
{
    CHECK_UNSOUND(r.status = ST_OK + 1000);
    CHECK_UNSOUND(r.status = ST_IO);
    CHECK_UNSOUND(r.width = 0);
    CHECK_UNSOUND(r.width = 17);
    CHECK_UNSOUND(r.height = 0);
    CHECK_UNSOUND(r.height = UINT32_MAX);
    CHECK_UNSOUND((r.width = 16, r.height = 5));
    CHECK_UNSOUND(r.channels = 0);
    CHECK_UNSOUND(r.channels = 5);
    CHECK_UNSOUND(r.bit_depth = 0);
    CHECK_UNSOUND(r.bit_depth = 17);
    CHECK_UNSOUND(r.greatest = 65536);
    CHECK_UNSOUND(r.colour = NAN);
    CHECK_UNSOUND(r.colour = -0.1);
    CHECK_UNSOUND(r.colour = 1.1);
}

Test(reply, each_fact_of_the_file_is_checked)
{
    CHECK_UNSOUND(r.source.format = IMAGE_JPEG);
    CHECK_UNSOUND(r.source.format = (enum image_format)77);
    CHECK_UNSOUND(r.source.voi = (enum image_voi)N_IMAGE_VOIS);
    CHECK_UNSOUND(r.source.lateral = 2);
    CHECK_UNSOUND(r.source.is_chest = 2);
    CHECK_UNSOUND(r.source.age_known = 2);
    CHECK_UNSOUND(r.source.rescaled = 2);
    CHECK_UNSOUND(r.source.lossy = 2);
    CHECK_UNSOUND(r.source.burned_in = 2);
    CHECK_UNSOUND(r.source.turned = 255);
    CHECK_UNSOUND(r.source.age = NAN);
    CHECK_UNSOUND(r.source.age = -1);
    CHECK_UNSOUND(r.source.age = 151);
    CHECK_UNSOUND(r.source.sex = 'O');
    CHECK_UNSOUND(memcpy(r.source.view, "AA", 3));
    CHECK_UNSOUND(memcpy(r.source.view, "PAP", 3));
    CHECK_UNSOUND(memcpy(r.source.modality, "d\n", 3));
    CHECK_UNSOUND(memcpy(r.source.body_part, "<b>", 4));
    CHECK_UNSOUND(memcpy(r.source.sop_instance_uid, "1.2;", 5));
}

Test(reply, each_text_ends)
{
#define ENDLESS(member) CHECK_UNSOUND(memset(r.source.member, '1', sizeof r.source.member))
    ENDLESS(sop_class_uid);
    ENDLESS(sop_instance_uid);
    ENDLESS(study_uid);
    ENDLESS(series_uid);
    ENDLESS(transfer_syntax);
    ENDLESS(modality);
    ENDLESS(body_part);
    ENDLESS(view_text);
    ENDLESS(study.character_set);
    ENDLESS(study.patient_name);
    ENDLESS(study.patient_id);
    ENDLESS(study.patient_birth);
    ENDLESS(study.patient_sex);
    ENDLESS(study.study_date);
    ENDLESS(study.study_time);
    ENDLESS(study.study_id);
    ENDLESS(study.accession);
    ENDLESS(study.referring_name);
}

Test(reply, a_refusal_is_one_sentence_with_a_reason)
{
    struct decode_reply r = { .status = ST_UNUSABLE,
                              .reason = DECODE_REASON_MODALITY,
                              .text = "this is a CT" };
    struct error err = { 0 };
    bool is_sound = false;

    cr_assert_eq(read_back(&r, &is_sound, &err), ST_UNUSABLE);
    cr_assert(is_sound);
    cr_assert_str_eq(err.text, "this is a CT");
    cr_assert_str_eq(err.reason, "modality");
    r.reason = DECODE_NO_REASON;
    cr_assert_eq(read_back(&r, &is_sound, &err), ST_UNUSABLE);
    cr_assert_null(err.reason);
    r.reason = N_DECODE_REASONS;
    check_unsound("a reason that does not exist", &r);
    r.reason = 0;
    r.text[0] = '\0';
    check_unsound("no sentence", &r);
    memset(r.text, 'x', sizeof r.text);
    check_unsound("a sentence without an end", &r);
    memcpy(r.text, "two\nlines", 10);
    check_unsound("two lines", &r);
    memcpy(r.text, "J\xfcrgen", 7);
    check_unsound("no ASCII", &r);
}

/* ---- helpers ---- */

static size_t open_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    size_t n = 0;

    while (readdir(folder))
        n++;
    closedir(folder);
    return n;
}

static struct decoder *decoder_of(const char *program)
{
    struct decoder_options options = decoder_options_default();
    struct decoder *d = NULL;
    struct error err = { 0 };

    options.program = program;
    options.helpers = 1;
    options.timeout_s = 1;
    cr_assert_eq(decoder_open(&options, &d, &err), ST_OK, "%s", err.text);
    return d;
}

/* The status that a file gets which begins with this letter. */
static enum status tried(struct decoder *d, char letter, struct error *err)
{
    const char file[2] = { letter, '7' };
    struct image img = IMAGE_INIT;
    const enum status st = decoder_run(d, &(struct decoder_file){ IMAGE_JPEG, file, sizeof file, NULL, 0 },
                                       &IMAGE_LIMITS, &img, err);

    if (st == ST_OK)
        cr_assert(img.width == SIDE && img.height == SIDE && img.grey[0] == '7' && img.grey[15] == '7');
    image_release(&img);
    return st;
}

static uint64_t lost(struct decoder *d, enum decoder_loss why)
{
    struct decoder_facts f;

    decoder_facts(d, &f);
    return f.lost[why];
}

Test(helper, whatever_it_does_the_next_picture_is_answered)
{
    const size_t before = open_descriptors();
    struct decoder *d = decoder_of(FAKE_DECODER);
    struct error err = { 0 };

    cr_assert_eq(tried(d, 'a', &err), ST_OK, "%s", err.text);
    for (const char *letter = "ileh"; *letter; letter++) {
        cr_assert_eq(tried(d, *letter, &err), ST_BUSY, "%c", *letter);
        cr_assert_eq(tried(d, 'a', &err), ST_OK, "after %c: %s", *letter, err.text);
    }
    cr_assert_eq(lost(d, DECODER_BROKEN), 2);
    cr_assert_eq(lost(d, DECODER_ENDED), 2); /* it was tried twice */
    cr_assert_eq(lost(d, DECODER_LATE), 1);
    for (const char *letter = "okt"; *letter; letter++) {
        cr_assert_eq(tried(d, *letter, &err), ST_FORMAT, "%c", *letter);
        cr_assert_str_eq(err.reason, "decoder");
    }
    cr_assert_eq(tried(d, 's', &err), ST_BUSY);
    cr_assert_eq(tried(d, 'n', &err), ST_BUSY);
    cr_assert_eq(tried(d, 'z', &err),
                 ST_FORMAT); /* a reply that nobody wrote, although the picture before it left one */
    cr_assert_eq(tried(d, 'a', &err), ST_OK, "%s", err.text);
    cr_assert_eq(lost(d, DECODER_BROKEN) + lost(d, DECODER_ENDED) + lost(d, DECODER_LATE), 5);
    decoder_close(d);
    cr_assert_eq(open_descriptors(), before);
}

Test(helper, a_picture_leaves_nothing_to_the_next)
{
    struct decoder *d = decoder_of(FAKE_DECODER);
    struct error err = { 0 };

    cr_assert_eq(tried(d, 'a', &err), ST_OK, "%s", err.text);
    cr_assert_eq(tried(d, 'z', &err), ST_FORMAT); /* would be the picture before it */
    decoder_close(d);
}

/* The memory for a next picture, as a path, since its descriptor is the manager's to close; -1: there is no such memory. */
static int ready_output(char path[64])
{
    char name[64];

    for (int fd = 0; fd < 64; fd++) {
        ssize_t n;

        snprintf(path, 64, "/proc/self/fd/%d", fd);
        n = readlink(path, name, sizeof name - 1);
        name[n > 0 ? n : 0] = '\0';
        if (strstr(name, "memfd:cxrd-output"))
            return fd;
    }
    return -1;
}

/* How much of it is there; SIZE_MAX: there is none. */
static size_t ready_bytes(void)
{
    char path[64];
    struct stat st;

    return ready_output(path) >= 0 && stat(path, &st) == 0 ? (size_t)st.st_blocks * 512 : SIZE_MAX;
}

static bool comes(size_t ready)
{
    for (int i = 0; i < 1000; i++, usleep(10000))
        if (ready_bytes() == ready)
            return true;
    return false;
}

static enum status tried_long(struct decoder *d, const char *file)
{
    struct error err = { 0 };
    struct image img = IMAGE_INIT;
    const enum status st = decoder_run(d, &(struct decoder_file){ IMAGE_JPEG, file, SIDE * SIDE, NULL, 0 },
                                       &IMAGE_LIMITS, &img, &err);

    image_release(&img);
    return st;
}

static struct decoder *keeping(double seconds)
{
    struct decoder_options options = decoder_options_default();
    struct decoder *d = NULL;
    struct error err = { 0 };

    options.program = FAKE_DECODER;
    options.helpers = 1;
    options.keep_s = seconds;
    cr_assert_eq(decoder_open(&options, &d, &err), ST_OK, "%s", err.text);
    cr_assert_eq(decoder_begin(d, &err), ST_OK, "%s", err.text);
    return d;
}

static const char LIKE_LAST[] = "a7 and as many bytes";

Test(helper, memory_for_the_next_picture_is_there_and_zero)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE),
                 whole = (DECODE_OUTPUT_SIZE(SIDE * SIDE) + page - 1) / page * page;
    struct decoder *d = keeping(INFINITY);
    struct error err = { 0 };
    char path[64];
    uint8_t byte = 1;

    cr_assert_eq(ready_bytes(), SIZE_MAX, "nothing is known of a next one");
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(tried_long(d, LIKE_LAST), ST_OK);
        cr_assert(comes(whole), "%zu", ready_bytes());
        for (size_t k = 0; k < whole; k++)
            cr_assert(pread(ready_output(path), &byte, 1, (off_t)k) == 1 && byte == 0, "byte %zu", k);
    }
    cr_assert_eq(tried_long(d, "zeros, which is no reply"), ST_FORMAT);
    cr_assert(comes(whole), "%zu", ready_bytes());
    cr_assert_eq(tried(d, 'a', &err), ST_OK, "a small file: %s", err.text);
    cr_assert_eq(ready_bytes(), whole, "it does not take it");
    decoder_close(d);
    cr_assert_eq(ready_bytes(), SIZE_MAX);
}

Test(helper, memory_for_the_next_picture_waits_for_it_a_while)
{
    struct decoder *d = keeping(0.5);
    bool seen = false;

    for (int i = 0; i < 60 && !seen; i++) { /* on a busy machine the time may be over before it is made */
        cr_assert_eq(tried_long(d, LIKE_LAST), ST_OK);
        for (int k = 0; k < 50 && !seen; k++, usleep(10000))
            seen = ready_bytes() != SIZE_MAX;
    }
    cr_assert(seen);
    for (int k = 0; k < 3000 && ready_bytes() != SIZE_MAX; k++)
        usleep(10000);
    cr_assert_eq(ready_bytes(), SIZE_MAX);
    decoder_close(d);
}

/* One that is announced finds its memory, however long ago the last one was. */
Test(helper, memory_is_made_again_for_a_picture_that_is_announced)
{
    struct decoder *d = keeping(0.5);
    bool seen = false;

    decoder_expect(d);
    usleep(100000);
    cr_assert_eq(ready_bytes(), SIZE_MAX, "nothing is known of it");
    cr_assert_eq(tried_long(d, LIKE_LAST), ST_OK);
    usleep(600000);
    for (int k = 0; k < 3000 && ready_bytes() != SIZE_MAX; k++)
        usleep(10000);
    cr_assert_eq(ready_bytes(), SIZE_MAX);
    for (int i = 0; i < 60 && !seen; i++) {
        decoder_expect(d);
        for (int k = 0; k < 50 && !seen; k++, usleep(10000))
            seen = ready_bytes() != SIZE_MAX;
    }
    cr_assert(seen);
    for (int k = 0; k < 3000 && ready_bytes() != SIZE_MAX; k++)
        usleep(10000);
    cr_assert_eq(ready_bytes(), SIZE_MAX, "it did not come");
    decoder_close(d);
}

Test(helper, what_is_none_says_so)
{
    static const struct {
        const char *program, *says;
    } NONE[] = { { "/nothing/of/that/name", "cannot be started" },
                 { "/bin/true", "ended before it was ready" } };

    for (size_t i = 0; i < sizeof NONE / sizeof NONE[0]; i++) {
        struct decoder *d = decoder_of(NONE[i].program);
        struct decoder_facts f;
        struct error err = { 0 };

        cr_assert_eq(decoder_begin(d, &err), ST_BUSY);
        cr_assert(strstr(err.text, NONE[i].says), "%s", err.text);
        cr_assert_null(strstr(err.text, NONE[i].program), "%s", err.text);
        decoder_facts(d, &f);
        cr_assert(f.failed && f.running == 0 && strcmp(f.why, err.text) == 0);
        decoder_close(d);
    }
}

Test(helper, a_file_over_the_limit_is_not_sent)
{
    struct decoder *d = decoder_of(FAKE_DECODER);
    const size_t n = ((size_t)64 << 20) + 1;
    char *file = calloc(1, n);
    struct image img = IMAGE_INIT;
    struct error err = { 0 };

    cr_assert_eq(
        decoder_run(d, &(struct decoder_file){ IMAGE_JPEG, file, n, NULL, 0 }, &IMAGE_LIMITS, &img, &err),
        ST_LIMIT);
    cr_assert_str_eq(err.reason, "limit");
    free(file);
    decoder_close(d);
}

/* ---- memory that is taken beforehand ---- */

enum { MIB = 1 << 20 };

static size_t taken(const struct shared *s)
{
    struct stat st;

    cr_assert_eq(fstat(s->fd, &st), 0);
    cr_assert_eq((size_t)st.st_size, s->size, "its size stays");
    return (size_t)st.st_blocks * 512;
}

static bool so_often(void *arg) { return (*(size_t *)arg)-- > 0; }

Test(shared, memory_is_taken_from_the_end_of_a_part_and_stays_zero)
{
    struct shared s = SHARED_INIT;
    size_t times = 1;
    const uint8_t *at;

    cr_assert(shared_open(&s, "test", 4 * MIB));
    cr_assert_eq(taken(&s), 0);
    shared_prepare(&s, 2 * MIB, so_often, &times);
    cr_assert(taken(&s) > 0 && taken(&s) < MIB, "%zu: one step of many", taken(&s));
    times = SIZE_MAX;
    shared_prepare(&s, 2 * MIB - 100, so_often, &times);
    cr_assert_eq(taken(&s), 2 * MIB);
    cr_assert(shared_seal(&s));
    at = shared_map(&s, s.size);
    cr_assert_not_null(at);
    for (size_t i = 0; i < s.size; i++)
        cr_assert_eq(at[i], 0, "byte %zu", i);
    munmap((void *)at, s.size);
    shared_close(&s);
}
