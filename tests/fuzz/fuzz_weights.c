/* tests/fuzz/fuzz_weights.c - a model's file. The input is a safetensors file; or, when its first byte is 'H', a JSON
 * header to which its length and as many zero bytes as the smallest model has are added: so that the fuzzer, which
 * cannot write a megabyte, reaches what lies behind the header. */
#include "fuzz.h"

#include "cxrd/safetensors.h"
#include "cxrd/weights.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { LENGTH_SIZE = 8, MAX_HEADER = 1 << 16, N_TENSORS = 10 };
enum {
    MODEL_FLOATS = 32 * 3 * 9 + 32 + 64 * 32 * 9 + 64 + 128 * 64 * 9 + 128 + 256 * 128 * 9 + 256 +
                   14 * 256 * 4 * 4 + 14 /* cnn4 at 64 x 64 */
};

static void check_arrays(const struct array_file *f, const uint8_t *bytes, size_t size)
{
    FUZZ_CHECK(f->n <= ARRAYS_MAX);
    for (size_t i = 0; i < f->n; i++) {
        const struct array *a = &f->arrays[i];
        const uint8_t *data = a->data;

        FUZZ_CHECK(data >= bytes && data <= bytes + size && array_bytes(a) <= (size_t)(bytes + size - data));
        FUZZ_CHECK(array_find(f, a->name) != NULL);
    }
}

/* The file again as whoever reads it last would write it. */
static void check_again(const struct model *m)
{
    struct buf out = BUF_INIT(WEIGHTS_MAX_BYTES);
    struct model *again = NULL;
    struct error err = { 0 };
    const enum status st = weights_write(m, &out, &err);

    FUZZ_CHECK(st == ST_OK || st == ST_LIMIT);
    if (st == ST_OK)
        FUZZ_CHECK(weights_read(out.data, out.len, &again, &err) == ST_OK);
    model_unref(again);
    buf_release(&out);
}

/* A file with all its tensors in place takes a hundred times as long as one that is refused: after the first few, do one in
 * so many. */
enum { FIRST_FEW = 64, SHARE = 16 };

static bool is_passed_over(const struct array_file *f, const uint8_t *bytes, size_t size)
{
    static unsigned n_whole;
    uint32_t sum = 0;

    if (f->n < N_TENSORS || array_file_whole(f, NULL) != ST_OK || ++n_whole <= FIRST_FEW)
        return false;
    for (size_t i = 0; i < size - f->data_size; i++)
        sum = sum * 31 + bytes[i];
    return sum % SHARE != 0;
}

static void read_file(const uint8_t *bytes, size_t size)
{
    struct array_file f = { 0 };
    struct model *m = NULL;
    struct error err = { 0 };
    enum status st = array_file_read(bytes, size, &f, &err);
    bool passed_over = false;

    if (st == ST_OK) {
        check_arrays(&f, bytes, size);
        passed_over = is_passed_over(&f, bytes, size);
    } else {
        FUZZ_CHECK(err.text[0]);
    }
    array_file_release(&f);
    if (passed_over)
        return;
    st = weights_read(bytes, size, &m, &err);
    if (st == ST_OK)
        check_again(m);
    else
        FUZZ_CHECK(m == NULL && err.text[0]);
    model_unref(m);
}

/* The header stands right before data that are made once: only the header is copied for each input. */
static void read_header(const uint8_t *header, size_t size)
{
    static uint8_t *memory;
    uint8_t *file;

    if (!memory)
        memory = calloc(LENGTH_SIZE + MAX_HEADER + MODEL_FLOATS * sizeof(float), 1);
    FUZZ_CHECK(memory != NULL);
    if (size > MAX_HEADER)
        return;
    file = memory + MAX_HEADER - size;
    for (size_t i = 0; i < LENGTH_SIZE; i++)
        file[i] = (uint8_t)((uint64_t)size >> (8 * i));
    memcpy(file + LENGTH_SIZE, header, size);
    read_file(file, LENGTH_SIZE + size + MODEL_FLOATS * sizeof(float));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] == 'H') {
        read_header(data + 1, size - 1);
    } else {
        uint8_t *bytes = fuzz_copy(data, size);

        read_file(bytes, size);
        free(bytes);
    }
    return 0;
}
