/* tests/fuzz/fuzz_checkpoint.c - a checkpoint of others. By the input's first byte:
 *   P  a pickle, and what may follow it: as in a file of torch.save() before it wrote zips, whose head is added
 *   N  lines: what the options say, then a tensor each, "name side side …": which network they are, and what its outputs mean
 * any other is a file as it is, which most are refused as by their first bytes; so is one that begins as a zip does, with a P. */
#include "fuzz.h"

#include "cxrd/import.h"
#include "model/import/tensors.h"
#include "model/torch/torch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Magic number, version and an empty description of the machine: three pickles. */
static const uint8_t HEAD[] = { 0x80, 2,   0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50,
                                0x19, '.', 0x80, 2,  'M',  0xe9, 3,    '.',  0x80, 2,    '}',  '.' };

/* Every byte of every array is there, and every name ends. */
static void check_arrays(const struct torch_file *f)
{
    unsigned sum = 0;

    FUZZ_CHECK(f->n > 0 && f->n <= ARRAYS_MAX && f->n_thresholds <= MAX_LABELS);
    for (size_t i = 0; i < f->n; i++) {
        const uint8_t *data = f->arrays[i].data;

        FUZZ_CHECK(memchr(f->arrays[i].name, '\0', ARRAY_NAME_SIZE) && f->arrays[i].rank <= ARRAY_MAX_RANK);
        for (size_t at = 0; at < array_bytes(&f->arrays[i]) && at < 4096; at++)
            sum ^= data[at];
        if (array_bytes(&f->arrays[i]))
            sum ^= data[array_bytes(&f->arrays[i]) - 1];
    }
    FUZZ_CHECK(sum <= UINT8_MAX &&
               memchr(f->labels, '\0', sizeof f->labels)); /* the sum is read, so that the bytes are */
}

static void read_pickle(const uint8_t *data, size_t size)
{
    uint8_t *bytes = malloc(sizeof HEAD + size);
    struct torch_file f = { 0 };
    struct error err = { 0 };

    FUZZ_CHECK(bytes != NULL);
    memcpy(bytes, HEAD, sizeof HEAD);
    memcpy(bytes + sizeof HEAD, data, size);
    if (torch_read(bytes, sizeof HEAD + size, &f, &err) == ST_OK)
        check_arrays(&f);
    else
        FUZZ_CHECK(err.text[0] && f.arrays == NULL);
    torch_file_release(&f);
    free(bytes);
}

/* ---- tensors by name ---- */

enum { MOST_TENSORS = 64, ZEROES = 1 << 14 };

/* "name 64 3 7 7": a tensor of zeroes. Returns whether it is one. */
static int array_read(const struct fuzz_part *line, struct array *a)
{
    static const float zeroes[ZEROES];
    char text[256];
    char *at;
    size_t values = 1;

    snprintf(text, sizeof text, "%.*s", (int)(line->size < 255 ? line->size : 255), (const char *)line->data);
    *a = (struct array){ .dtype = (enum dtype)(line->size % N_DTYPES), .data = zeroes };
    if (line->size % 2)
        a->dtype = DTYPE_F32;
    at = strchr(text, ' ');
    snprintf(a->name, sizeof a->name, "%.*s", at ? (int)(at - text) : 127, text);
    while (at && a->rank < ARRAY_MAX_RANK) {
        a->dims[a->rank] = (size_t)strtoul(at + 1, NULL, 10) % 2000;
        values *= a->dims[a->rank++] + 1;
        at = strchr(at + 1, ' ');
    }
    return values <= ZEROES / 8;
}

static void check_report(json_t *report, enum status st, const struct model *m, const struct error *err)
{
    FUZZ_CHECK((st == ST_OK) == (m != NULL) && (st == ST_OK || err->text[0]));
    FUZZ_CHECK(st != ST_OK || json_is_array(json_object_get(report, "outputs")));
}

static void read_names(const uint8_t *data, size_t size)
{
    struct array arrays[MOST_TENSORS];
    struct fuzz_part rest = { data, size };
    struct fuzz_part said = fuzz_cut(&rest, '\n');
    char labels[256];
    const double thresholds[] = { 0.5, NAN, 0.25, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5,
                                  0.5, 0.5, 0.5,  0.5, 0.5, 0.5, 0.5, 0.5, 0.5 };
    struct import_options o = { .image_size = 64 };
    struct named_tensors t = { .arrays = arrays, .thresholds = thresholds, .n_thresholds = size % 19 };
    struct model *m = NULL;
    struct error err = { 0 };
    json_t *report = json_object();
    char *more;
    enum status st;

    snprintf(labels, sizeof labels, "%.*s", (int)(said.size < 255 ? said.size : 255),
             (const char *)said.data);
    more = strchr(labels, '|');
    if (more)
        *more++ = '\0';
    o.labels = labels[0] ? labels : NULL;
    o.thresholds = more && more[0] ? more : NULL;
    while (rest.size > 0 && t.n < MOST_TENSORS) {
        const struct fuzz_part line = fuzz_cut(&rest, '\n');

        t.n += (size_t)array_read(&line, &arrays[t.n]);
    }
    st = tensors_import(&t, &o, &m, report, &err);
    check_report(report, st, m, &err);
    model_unref(m);
    json_decref(report);
}

static void read_file(const uint8_t *data, size_t size)
{
    uint8_t *bytes = fuzz_copy(data, size);
    const struct import_options o = { .labels = "chexnet", .image_size = 64 };
    struct model *m = NULL;
    struct error err = { 0 };
    json_t *report = json_object();
    const enum status st = model_import(bytes, size, &o, &m, report, &err);

    FUZZ_CHECK((st == ST_OK) == (m != NULL) && (st == ST_OK || err.text[0]));
    model_unref(m);
    json_decref(report);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (torch_is_zip(data, size))
        read_file(data, size);
    else if (size > 0 && data[0] == 'P')
        read_pickle(data + 1, size - 1);
    else if (size > 0 && data[0] == 'N')
        read_names(data + 1, size - 1);
    else
        read_file(data, size);
    return 0;
}
