/* include/cxrd/labels.h - the findings that a network is asked for: a list of names, in the order of its logits and of
 * everything that stands beside them. Such a list is data: a model carries its own, and a training is told its own. The 14 of
 * ChestX-ray14 (Wang et al., CVPR 2017) are what is meant where nothing is said. */
#ifndef CXRD_LABELS_H
#define CXRD_LABELS_H

#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>

enum { MAX_LABELS = 64, LABEL_SIZE = 64 }; /* LABEL_SIZE: bytes of a name with its NUL */

struct labels {
    size_t n; /* 1..MAX_LABELS */
    char names[MAX_LABELS][LABEL_SIZE];
};

enum { N_NIH_LABELS = 14 };
extern const struct labels NIH_LABELS;

/* Names between commas, as the weights' metadata have them. A name is UTF-8 of at most LABEL_SIZE - 1 bytes, begins with a
 * letter or a digit and has nothing that steers what shows it, see utf8_steering(), and none of  , ; | " ' < > & \ / ( ) [ ] { }
 * so that it can stand in a table's cell, a page and a file's name. "No Finding" and its synonyms are no finding, nor is
 * "none", which says of a history that there is no earlier film; no two names
 * may be the same word, see word_is().
 * Errors: ST_INVALID (the sentence names the label and what is wrong with it). */
MUST_USE enum status labels_parse(const char *joined, struct labels *ret, struct error *err);

/* Add one name, which labels_parse() describes. Errors: ST_INVALID. */
MUST_USE enum status labels_add(struct labels *l, const char *name, size_t n, struct error *err);

/* "Atelectasis,Cardiomegaly,…": what labels_parse() reads. Returns ret_text. */
enum { LABELS_TEXT_SIZE = MAX_LABELS * LABEL_SIZE };
const char *labels_text(const struct labels *l, char ret_text[LABELS_TEXT_SIZE]);

/* The same names in the same order. */
bool labels_equal(const struct labels *a, const struct labels *b);

/* The index of the finding whose name is the `n` bytes at `name`, or -1. */
int labels_find(const struct labels *l, const char *name, size_t n);

/* The finding that a person names: its name as word_is() compares it, or another word for it, see LABEL_SYNONYMS.
 *   field  what names it, for the sentence: "'explain'" or "--explain"
 * Errors: ST_INVALID (the sentence lists the findings, as far as they fit into it). */
MUST_USE enum status labels_choose(const struct labels *l, const char *name, const char *field, int *ret,
                                   struct error *err);

/* ---- as tables write them ---- */

enum { LABEL_UNKNOWN = -1, LABEL_OTHER = -2, LABEL_NO_FINDING = MAX_LABELS };

/* Another word for a finding of NIH_LABELS, or for "No Finding". It must mean the same: where that is in doubt the word is not
 * here. docs/data.md has the same list; a test compares them. */
struct label_synonym {
    const char *word;
    int label; /* index into NIH_LABELS, or LABEL_NO_FINDING */
};
extern const struct label_synonym LABEL_SYNONYMS[];
extern const size_t N_LABEL_SYNONYMS;

/* The finding of `l` that the `n` bytes at `word` name, or LABEL_NO_FINDING, LABEL_OTHER or LABEL_UNKNOWN: its name, "No Finding"
 * or one of LABEL_SYNONYMS, as word_is() compares them. LABEL_OTHER is a finding of NIH_LABELS that `l` does not have. */
int label_of_word(const struct labels *l, const char *word, size_t n);

/* The words of a list of findings, one after the other, as a table's cell and a request have them: between `|`, `;` or `,`,
 * with blanks around them or without, in brackets and quotes as a Python list has them or without. Nothing between two
 * separators is no word; an empty list is one empty word.
 *
 *     struct label_words w = label_words_of(labels, text, n);
 *     while (label_words_next(&w)) … */
struct label_words {
    const struct labels *labels;
    const char *at, *end; /* what is still to be read */
    size_t seen;          /* words so far */
    const char *word;     /* [n]: the latest, a part of the text */
    size_t n;
    int label; /* label_of_word() of it */
};
struct label_words label_words_of(const struct labels *labels, const char *text, size_t n);
bool label_words_next(struct label_words *w); /* false: there is no other */

/* word_is() without brackets and quotes around either: whether `word`, as a person names it, is such a word of a list. */
bool label_word_is(const char *text, size_t n, const char *word);

/* Said with every prediction, on every card and page. */
#define INTENDED_USE "Research use only. Not a medical device; a qualified reader must review every result."

#endif
