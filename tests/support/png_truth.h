/* tests/support/png_truth.h - what a PNG must decode to, by another road than model/image: libpng's whole-picture
 * call expands everything, then every pixel goes through the contract's formulas in floating point. */
#ifndef TESTS_PNG_TRUTH_H
#define TESTS_PNG_TRUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct png_truth {
    size_t width, height;
    unsigned channels, bit_depth; /* of the file */
    uint8_t *grey, *red;          /* [height][width], owned; `red` is the first channel as it is stored */
};

/* False where libpng, at its most lenient, cannot read the file. */
bool png_truth_init(struct png_truth *t, const void *bytes, size_t n);
void png_truth_release(struct png_truth *t);

#endif
