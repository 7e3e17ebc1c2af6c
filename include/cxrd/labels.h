/* include/cxrd/labels.h - the 14 findings of ChestX-ray14 (Wang et al., CVPR 2017), in the order of every array,
 * tensor and table of this program. */
#ifndef CXRD_LABELS_H
#define CXRD_LABELS_H

#include <stdbool.h>
#include <stddef.h>

enum { N_LABELS = 14 };
extern const char *const LABELS[N_LABELS];

/* The index of the finding whose name is the `n` bytes at `name`, or -1. */
int label_index(const char *name, size_t n);

/* ---- as tables write them ---- */

enum { LABEL_UNKNOWN = -1, LABEL_NO_FINDING = N_LABELS };

/* Another word for a finding, or for "No Finding". It must mean the same: where that is in doubt the word is not here.
 * docs/data.md has the same list; a test compares them. */
struct label_synonym {
    const char *word;
    int label;
};
extern const struct label_synonym LABEL_SYNONYMS[];
extern const size_t N_LABEL_SYNONYMS;

/* The finding that the `n` bytes at `word` name, or LABEL_NO_FINDING, or LABEL_UNKNOWN: its name, "No Finding" or one of
 * LABEL_SYNONYMS, as word_is() compares them. */
int label_of_word(const char *word, size_t n);

/* The words of a list of findings, one after the other, as a table's cell and a request have them: between `|`, `;` or `,`,
 * with blanks around them or without, in brackets and quotes as a Python list has them or without. Nothing between two
 * separators is no word; an empty list is one empty word.
 *
 *     struct label_words w = label_words_of(text, n);
 *     while (label_words_next(&w)) … */
struct label_words {
    const char *at, *end; /* what is still to be read */
    size_t seen;          /* words so far */
    const char *word;     /* [n]: the latest, a part of the text */
    size_t n;
    int label; /* label_of_word() of it */
};
struct label_words label_words_of(const char *text, size_t n);
bool label_words_next(struct label_words *w); /* false: there is no other */

/* "Atelectasis,Cardiomegaly,…": as the weights' metadata carries them. */
const char *labels_joined(void);

/* Said with every prediction, on every card and page. */
#define INTENDED_USE "Research use only. Not a medical device; a qualified reader must review every result."

#endif
