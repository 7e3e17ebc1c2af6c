/* bench/outside.c - what it costs that a DICOM file is decoded in a process of its own: the same file is decoded there and in this
 * process, in turns.
 *
 *   bench_outside CXRD_DECODE ROUNDS [lone|announced]
 *
 * lone: the decoder gives back what it keeps ready before each picture comes, as it does after 10 s without one. announced: the same, and
 * each picture is announced before it is decoded in this process, as the server announces one when its first part has come.
 * Two drawn radiographs without compression, so that there is little else to measure: 2,500 x 3,000 pixels of 12 bits, 15 MB, and
 * 256 x 256 of them. A line each: milliseconds of wall time, the least and the median of either way, and of the differences of the rounds;
 * then processor time of both processes together. */
#include "cxrd/clock.h"
#include "cxrd/decoder.h"
#include "cxrd/secret.h"
#include "decode/decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MOST_ROUNDS = 10000, HEADER = 1024 };

struct file {
    struct decoder_file shared;
    struct shared memory;
    uint8_t *bytes;
    size_t n, width, height;
};

/* ---- the file ---- */

static uint8_t *put(uint8_t *to, const void *bytes, size_t n)
{
    memcpy(to, bytes, n);
    return to + n;
}

static uint8_t *put_head(uint8_t *to, uint32_t tag, const char *vr)
{
    const uint8_t head[] = { (uint8_t)(tag >> 16), (uint8_t)(tag >> 24), (uint8_t)tag,
                             (uint8_t)(tag >> 8),  (uint8_t)vr[0],       (uint8_t)vr[1] };

    return put(to, head, sizeof head);
}

static uint8_t *put_short(uint8_t *to, size_t x)
{
    return put(to, (const uint8_t[]){ (uint8_t)x, (uint8_t)(x >> 8) }, 2);
}

/* An element of up to 65,535 bytes. */
static uint8_t *put_value(uint8_t *to, uint32_t tag, const char *vr, const void *value, size_t n)
{
    return put(put_short(put_head(to, tag, vr), n), value, n);
}

#define PUT_TEXT(to, tag, vr, text) put_value(to, tag, vr, text, sizeof text - 1)

static uint8_t *put_word(uint8_t *to, uint32_t tag, size_t word)
{
    return put_short(put_short(put_head(to, tag, "US"), 2), word);
}

static void file_make(struct file *f, size_t width, size_t height)
{
    const size_t n = 2 * width * height;
    uint8_t *at = f->bytes = calloc(1, HEADER + n);

    if (!at)
        exit(EXIT_FAILURE);
    at = put(at + 128, "DICM", 4);
    at = PUT_TEXT(at, 0x00020010, "UI", "1.2.840.10008.1.2.1\0");
    at = PUT_TEXT(at, 0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.1.1\0");
    at = PUT_TEXT(at, 0x00080060, "CS", "DX");
    at = PUT_TEXT(at, 0x00180015, "CS", "CHEST ");
    at = PUT_TEXT(at, 0x00185101, "CS", "PA");
    at = put_word(at, 0x00280002, 1);
    at = PUT_TEXT(at, 0x00280004, "CS", "MONOCHROME1 ");
    at = put_word(at, 0x00280010, height);
    at = put_word(at, 0x00280011, width);
    at = put_word(at, 0x00280100, 16);
    at = put_word(at, 0x00280101, 12);
    at = put_word(at, 0x00280102, 11);
    at = put_word(at, 0x00280103, 0);
    at = PUT_TEXT(at, 0x00281050, "DS", "2048");
    at = PUT_TEXT(at, 0x00281051, "DS", "4096");
    at = put_short(put_short(put_short(put_head(at, 0x7FE00010, "OW"), 0), n & 0xFFFF), n >> 16);
    for (size_t i = 0; i < width * height; i++)
        at = put_short(at, (i * 2654435761u >> 16) & 4095);
    f->n = (size_t)(at - f->bytes);
    if (!shared_open(&f->memory, "bench", 0) || !shared_append(&f->memory, f->bytes, f->n) ||
        !shared_seal(&f->memory))
        exit(EXIT_FAILURE);
    f->shared = (struct decoder_file){ IMAGE_DICOM, f->bytes, f->n, &f->memory, 0 };
    f->width = width;
    f->height = height;
}

/* ---- either way ---- */

static void must(enum status st, const char *text)
{
    if (st == ST_OK)
        return;
    fprintf(stderr, "%s\n", text);
    exit(EXIT_FAILURE);
}

static uint8_t inside(struct decoder *d, const struct file *f)
{
    const struct decode_request request = { .format = IMAGE_DICOM, .limits = IMAGE_LIMITS };
    const size_t n = f->width * f->height;
    uint8_t *grey = malloc(n), middle = 0;
    struct decode_reply reply;

    (void)d;
    if (!grey)
        exit(EXIT_FAILURE);
    decode_run(f->bytes, f->n, &request, &reply, grey, n);
    must((enum status)reply.status, reply.text);
    middle = grey[n / 2];
    secret_free(grey);
    return middle;
}

static uint8_t outside(struct decoder *d, const struct file *f)
{
    struct image img = IMAGE_INIT;
    struct error err = { 0 };
    uint8_t middle;

    must(decoder_run(d, &f->shared, &IMAGE_LIMITS, &img, &err), err.text);
    middle = img.grey[f->width * f->height / 2];
    image_release(&img);
    return middle;
}

/* ---- times ---- */

struct column {
    double ms[MOST_ROUNDS];
    size_t n;
};

static int by_value(const void *a, const void *b)
{
    const double p = *(const double *)a, q = *(const double *)b;

    return (p > q) - (p < q);
}

static void column_print(const char *name, struct column *c)
{
    qsort(c->ms, c->n, sizeof *c->ms, by_value);
    printf(" | %s %6.2f %6.2f", name, c->ms[0], c->ms[c->n / 2]);
}

/* Processor time of this process, or of its children that have ended, with theirs. */
static double used_ms(int whose)
{
    struct rusage r;

    getrusage(whose, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e3 +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e3;
}

static double timed(uint8_t (*way)(struct decoder *d, const struct file *f), struct decoder *d,
                    const struct file *f, uint8_t *ret, double *ret_own_ms)
{
    const double begin = clock_seconds(), own = used_ms(RUSAGE_SELF);

    *ret = way(d, f);
    *ret_own_ms += used_ms(RUSAGE_SELF) - own;
    return (clock_seconds() - begin) * 1e3;
}

enum coming { AT_ONCE, LONE, ANNOUNCED, N_COMING };
static const char *const COMING_NAMES[N_COMING] = { "", "lone", "announced" };
static enum coming coming;

enum { KEPT_MS = 50 }; /* of a lone picture's memory */

static struct decoder *decoder_new(const char *program)
{
    struct decoder_options options = decoder_options_default();
    struct decoder *d;
    struct error err = { 0 };

    options.program = program;
    if (coming != AT_ONCE)
        options.keep_s = KEPT_MS / 1e3;
    must(decoder_open(&options, &d, &err), err.text);
    must(decoder_begin(d, &err), err.text);
    return d;
}

/* Processor time that a helper takes which is asked nothing. */
static double idle_ms(const char *program)
{
    const double before = used_ms(RUSAGE_CHILDREN);

    decoder_close(decoder_new(program));
    return used_ms(RUSAGE_CHILDREN) - before;
}

static void compare(const char *name, const char *program, size_t width, size_t height, size_t rounds)
{
    static struct column in, out, more;
    const double idle = idle_ms(program), before = used_ms(RUSAGE_CHILDREN);
    struct decoder *d = decoder_new(program);
    double own_in = 0, own_out = 0;
    struct file f;

    file_make(&f, width, height);
    in.n = out.n = more.n = rounds;
    for (size_t i = 0; i < rounds; i++) {
        uint8_t a, b;

        if (coming != AT_ONCE)
            usleep(4 * KEPT_MS * 1000);
        if (coming == ANNOUNCED)
            decoder_expect(d);
        in.ms[i] = timed(inside, d, &f, &a, &own_in);
        out.ms[i] = timed(outside, d, &f, &b, &own_out);
        more.ms[i] = out.ms[i] - in.ms[i];
        if (a != b)
            must(ST_FORMAT, "the two ways differ");
    }
    decoder_close(d);
    own_out += used_ms(RUSAGE_CHILDREN) - before - idle;
    printf("%s", name);
    column_print("inside", &in);
    column_print("outside", &out);
    column_print("difference", &more);
    printf(" | processor, mean: %.2f %.2f\n", own_in / (double)rounds, own_out / (double)rounds);
    shared_close(&f.memory);
    free(f.bytes);
}

int main(int argc, char **argv)
{
    const long rounds = argc >= 3 && argc <= 4 ? strtol(argv[2], NULL, 10) : 0;

    while (argc == 4 && coming < N_COMING && strcmp(COMING_NAMES[coming], argv[3]) != 0)
        coming++;
    if (rounds < 1 || rounds > MOST_ROUNDS || coming == N_COMING) {
        fprintf(stderr, "bench_outside CXRD_DECODE ROUNDS [lone|announced]\n");
        return 2;
    }
    if (!decode_warm_up())
        must(ST_FORMAT, "DCMTK's dictionary is not there");
    compare("15 MB  ", argv[1], 2500, 3000, (size_t)rounds);
    compare("0.13 MB", argv[1], 256, 256, (size_t)rounds);
    return EXIT_SUCCESS;
}
