/* tests/torture/mutated_files.c - what no fuzzer with one process can try: the decoder as a whole, sandbox and all, with DCMTK and
 * OpenJPEG in it. Files are damaged at random and decoded as the server does it, by two threads.
 *
 *     mutated_files CXRD_DECODE COUNT SEED KEPT FILE...
 *
 * Whatever becomes of the process of a picture, the answer is a picture within the limits, or a refusal with a sentence. Prints how
 * many there were of each, and fails when an answer was another one, or a helper was lost. A file whose process died is kept in the
 * folder KEPT: tests/support/decode_file.c shows where it died. */
#include "cxrd/decoder.h"
#include "cxrd/file.h"
#include "cxrd/image.h"
#include "cxrd/rng.h"
#include "cxrd/status.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 2, LARGEST = 1 << 20, MOST_FILES = 4096, MOST_CHANGES = 8, PIECE = 64, LONGEST_S = 600 };

static struct {
    struct decoder *decoder;
    struct file_bytes files[MOST_FILES];
    size_t n_files;
    atomic_long left;
    atomic_ulong outcomes[ST_NOTFOUND + 1], decoders_killed, wrong;
    uint64_t seed;
    const char *kept;
} all;

static const struct image_limits LIMITS = { .max_side = 2048, .max_pixels = 1 << 22, .max_bytes = 1 << 24 };

static size_t below(struct rng *r, size_t n) { return n ? (size_t)rng_below(r, n) : 0; }

/* Bytes that mean something in such files: lengths, markers, delimiters. */
static void put_word(struct rng *r, uint8_t *at, size_t room)
{
    static const uint8_t WORDS[][4] = { { 0xFF, 0xFF, 0xFF, 0xFF }, { 0, 0, 0, 0 },
                                        { 0xFE, 0xFF, 0, 0xE0 },    { 0xFE, 0xFF, 0x0D, 0xE0 },
                                        { 0xFE, 0xFF, 0xDD, 0xE0 }, { 0xFF, 0xD8, 0xFF, 0xE0 },
                                        { 0xFF, 0xD9, 0xFF, 0xDA }, { 0xFF, 0x4F, 0xFF, 0x51 },
                                        { 0xFF, 0xFF, 0xFF, 0x7F }, { 0x28, 0, 0x10, 0 },
                                        { 0xE0, 0x7F, 0x10, 0 },    { 1, 0, 0, 0 } };

    memcpy(at, WORDS[below(r, sizeof WORDS / sizeof WORDS[0])], room < 4 ? room : 4);
}

/* One change of [n] bytes in a buffer of LARGEST + PIECE; returns how many they are then. */
static size_t change(struct rng *r, uint8_t *bytes, size_t n)
{
    const size_t at = below(r, below(r, 3) || n < 1024 ? n : 1024), count = 1 + below(r, PIECE);

    if (n == 0)
        return 0;
    switch (below(r, 7)) {
    case 0: bytes[at] ^= (uint8_t)(1 << below(r, 8)); return n;
    case 1: bytes[at] = (uint8_t)rng_next(r); return n;
    case 2: put_word(r, bytes + at, n - at); return n;
    case 3: /* cut out */
        if (at + count < n)
            memmove(bytes + at, bytes + at + count, n - at - count);
        return at + count < n ? n - count : at;
    case 4: /* twice */
        if (n + count > LARGEST || at + count > n)
            return n;
        memmove(bytes + at + count, bytes + at, n - at);
        return n + count;
    case 5: return below(r, 4) ? n : at; /* cut off */
    default:
        for (size_t i = at; i < n && i < at + count; i++)
            bytes[i] = (uint8_t)rng_next(r);
        return n;
    }
}

static bool is_sound(enum status st, const struct image *img, const struct error *err)
{
    if (st == ST_OK)
        return img->grey && img->width > 0 && img->width <= LIMITS.max_side && img->height > 0 &&
               img->width * img->height <= LIMITS.max_pixels;
    return (st == ST_FORMAT || st == ST_UNSUPPORTED || st == ST_UNUSABLE || st == ST_LIMIT) && !img->grey &&
           err->text[0] && err->code == st;
}

static void keep(const uint8_t *bytes, size_t n, unsigned long number)
{
    char path[4096];
    FILE *f;

    snprintf(path, sizeof path, "%s/%lu", all.kept, number);
    f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, n, f) != n)
        fprintf(stderr, "%s cannot be written\n", path);
    if (f)
        fclose(f);
}

static void try_one(struct rng *r, uint8_t *bytes)
{
    const struct file_bytes *file = &all.files[below(r, all.n_files)];
    const struct image_reader reader = { .limits = &LIMITS, .said_dicom = true, .decoder = all.decoder };
    struct image img = IMAGE_INIT;
    struct error err = { 0 };
    size_t n = file->size;
    enum status st;

    memcpy(bytes, file->data, n);
    for (size_t changes = below(r, 2) ? 1 : 1 + below(r, MOST_CHANGES); changes > 0; changes--)
        n = change(r, bytes, n);
    st = image_decode(bytes, n, &reader, &img, &err);
    all.outcomes[st]++;
    if (st == ST_FORMAT && err.reason && strcmp(err.reason, "decoder") == 0)
        keep(bytes, n, all.decoders_killed++);
    if (!is_sound(st, &img, &err)) {
        all.wrong++;
        fprintf(stderr, "%s: %s\n", status_name(st), err.text);
    }
    image_release(&img);
}

static void *work(void *ctx)
{
    struct rng r;
    uint8_t *bytes = malloc(LARGEST + PIECE);

    rng_seed(&r, all.seed, *(const uint64_t *)ctx);
    while (bytes && atomic_fetch_sub(&all.left, 1) > 0)
        try_one(&r, bytes);
    free(bytes);
    return NULL;
}

static bool files_load(char **paths, int n)
{
    struct error err = { 0 };

    for (int i = 0; i < n && i < MOST_FILES; i++) {
        struct file_bytes *file = &all.files[all.n_files];
        const enum status st = file_read(paths[i], LARGEST, file, &err);

        if (st == ST_OK)
            all.n_files++;
        else if (st != ST_LIMIT) { /* large ones would take all the time */
            fprintf(stderr, "%s\n", err.text);
            return false;
        }
    }
    return all.n_files > 0;
}

static int report(void)
{
    struct decoder_facts facts;
    uint64_t lost = 0;

    decoder_facts(all.decoder, &facts);
    for (int i = 0; i < N_DECODER_LOSSES; i++)
        lost += facts.lost[i];
    for (int i = 0; i <= ST_NOTFOUND; i++)
        if (all.outcomes[i])
            printf("%-16s %lu\n", status_name((enum status)i), (unsigned long)all.outcomes[i]);
    for (int i = 0; i < N_DECODER_ENDS; i++)
        printf("process %-8s %lu\n", DECODER_END_NAMES[i], (unsigned long)facts.ended[i]);
    printf("pictures whose process died: %lu; wrong answers: %lu; helpers lost: %lu\n",
           (unsigned long)all.decoders_killed, (unsigned long)all.wrong, (unsigned long)lost);
    return all.wrong || lost ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct decoder_options options = decoder_options_default();
    const uint64_t numbers[THREADS] = { 0, 1 };
    pthread_t threads[THREADS];
    struct error err = { 0 };
    int rc;

    if (argc < 6 || !files_load(argv + 5, argc - 5)) {
        fprintf(stderr, "mutated_files CXRD_DECODE COUNT SEED KEPT FILE...\n");
        return 2;
    }
    options.program = argv[1];
    options.helpers = THREADS;
    options.wait_s = INFINITY;
    options.timeout_s = LONGEST_S;
    all.left = strtol(argv[2], NULL, 10);
    all.seed = strtoull(argv[3], NULL, 10);
    all.kept = argv[4];
    if (decoder_open(&options, &all.decoder, &err) != ST_OK || decoder_begin(all.decoder, &err) != ST_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 2;
    }
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)&numbers[i]);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    rc = report();
    decoder_close(all.decoder);
    for (size_t i = 0; i < all.n_files; i++)
        file_bytes_release(&all.files[i]);
    return rc;
}
