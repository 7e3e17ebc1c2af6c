/* jobs/dataset/findings.h - a cell of "Finding Labels": its words, and those that name nothing that is known. */
#ifndef JOBS_DATASET_FINDINGS_H
#define JOBS_DATASET_FINDINGS_H

#include "cxrd/dataset.h"

enum { STRANGE_WORDS = 3, STRANGE_TEXT = 28 };

/* Words that are not understood: the first few, how often each, and where it is first. */
struct strange_words {
    size_t n, others; /* words that are kept; how often others came */
    struct {
        char text[STRANGE_TEXT + 1]; /* its first bytes */
        size_t times, line;
    } word[STRANGE_WORDS];
};

/* The `n` bytes of a cell into the row: findings as label_words_next() takes them. An empty cell is an empty word, which is
 * not understood: nothing says that there is no finding.
 *   line  of the table, from 1 */
void findings_read(const struct labels *labels, const char *text, size_t n, size_t line,
                   struct table_row *row, struct strange_words *strange);

/* The sentence of a table that has such words. Returns ST_FORMAT. */
enum status findings_refuse(const struct strange_words *strange, const char *table, struct error *err);

#endif
