/* tests/fuzz/fuzz.h - what the fuzz targets share.
 *
 * A target is one function in libFuzzer's form. ./dev fuzz builds it with clang for libFuzzer; in every other build
 * replay.c gives it a main() that feeds it the files of its corpus, which is how ctest runs it. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property that holds for every input; where it does not, that is a finding. */
#define FUZZ_CHECK(property)                                      \
    do {                                                          \
        if (!(property))                                          \
            fuzz_broken(#property, __FILE__, __LINE__, __func__); \
    } while (0)
_Noreturn void fuzz_broken(const char *property, const char *file, int line, const char *function);

/* The bytes in memory of exactly their size (never NULL), so that a sanitizer sees the first one read behind them;
 * the caller owns it. */
void *fuzz_copy(const void *bytes, size_t n);

/* Cut the input at its first `separator`: the part before it, `rest` behind it. Without one all is before it. */
struct fuzz_part {
    const uint8_t *data;
    size_t size;
};
struct fuzz_part fuzz_cut(struct fuzz_part *rest, uint8_t separator);

#endif
