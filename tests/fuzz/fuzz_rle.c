/* tests/fuzz/fuzz_rle.c - a stranger's run-length encoded frame, in memory of exactly the size that the header asks for. */
#include "fuzz.h"

#include "decode/rle.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t n = size > 0 ? data[0] : 0;
    const unsigned channels = size > 1 && data[1] & 1 ? 3 : 1, bytes = size > 2 && data[2] & 1 ? 2 : 1;
    const size_t n_frame = size > 3 ? size - 3 : 0;
    uint8_t *frame = fuzz_copy(data + (size > 3 ? 3 : 0), n_frame), *samples = malloc(n * channels * bytes);
    struct error err = { 0 };
    const enum status st = rle_samples(frame, n_frame, n, channels, bytes, samples, &err);

    FUZZ_CHECK(st == ST_OK || (st == ST_FORMAT && err.text[0]));
    free(samples);
    free(frame);
    return 0;
}
