/* jobs/dataset/findings.h - a cell of "Finding Labels": its words, and those that name nothing that is known. */
#ifndef JOBS_DATASET_FINDINGS_H
#define JOBS_DATASET_FINDINGS_H

#include "format.h"

enum { STRANGE_WORDS = 3, STRANGE_TEXT = 28 };

/* Words that are not understood: the first few, how often each, and where it is first. */
struct strange_words {
    size_t n, others; /* words that are kept; how often others came */
    struct {
        char text[STRANGE_TEXT + 1]; /* its first bytes */
        size_t times, line;
    } word[STRANGE_WORDS];
};

void strange_add(struct strange_words *s, const char *text, size_t n, size_t line);

/* The findings as the cells of a table have them. */
struct findings_reader {
    const struct format_spec *spec; /* borrowed, as the labels are */
    const struct labels *labels;
    struct strange_words words, cells; /* that are no findings; that are no labels */
    size_t other_words;                /* see struct table_misfits */
};

/* The `n` bytes of a cell into the row: findings as label_words_next() takes them. An empty cell is an empty word, which is
 * not understood: nothing says that there is no finding. Where the format is open it says nothing. Half a list, "['Mass', 'Nod",
 * is one word that is not understood, in an open format too: the rest of the list may have named findings.
 *   line  of the table, from 1 */
void findings_read(struct findings_reader *f, const char *text, size_t n, size_t line, struct table_row *row);

/* The cell of one finding, or of "No Finding" (LABEL_NO_FINDING). */
void finding_read(struct findings_reader *f, size_t finding, const char *text, size_t n, size_t line,
                  struct table_row *row);

/* ST_OK, or the sentence of a table that has such words or cells, with ST_FORMAT. */
MUST_USE enum status findings_check(const struct findings_reader *f, const char *table, struct error *err);

/* Labels and unknown of rows, after those of one picture were joined. */
void findings_settle(const struct table_source *source, const struct format_spec *spec, struct table *t);

#endif
