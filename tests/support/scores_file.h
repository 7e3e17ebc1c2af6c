/* tests/support/scores_file.h - a scores CSV as the contract describes it, read by a reader of its own, and what its
 * numbers must add up to. */
#ifndef TESTS_SCORES_FILE_H
#define TESTS_SCORES_FILE_H

#include "cxrd/labels.h"

#include <stddef.h>
#include <stdint.h>

struct scores_line {
    char image[64];
    uint8_t truth[MAX_LABELS];
    double prob[MAX_LABELS];
};

struct scores_file {
    size_t n;
    const struct labels *labels; /* borrowed */
    struct scores_line *lines;   /* owned */
};

/* Asserts that the header is the contract's for these findings, that every line has its fields (29 of 14 findings), truths are 0 or 1, and probabilities
 * lie in 0..1 and are written as "%.9g". */
struct scores_file scores_file_read(const char *text, size_t size, const struct labels *labels);
void scores_file_release(struct scores_file *f);

/* The line of that image, or NULL. */
const struct scores_line *scores_file_find(const struct scores_file *f, const char *image);

/* Mean binary cross-entropy over the first `n` lines and all findings, the probability of finding k being
 * `constant[k]` for everyone, or the line's own where that is NULL. */
double scores_file_loss(const struct scores_file *f, size_t n, const double *constant);

/* Keras' top-5 accuracy of the same, see the contract. */
double scores_file_top5(const struct scores_file *f, size_t n, const double *constant);

#endif
