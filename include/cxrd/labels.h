/* include/cxrd/labels.h - the 14 findings of ChestX-ray14 (Wang et al., CVPR 2017), in the order of every array,
 * tensor and table of this program. */
#ifndef CXRD_LABELS_H
#define CXRD_LABELS_H

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

/* "Atelectasis,Cardiomegaly,…": as the weights' metadata carries them. */
const char *labels_joined(void);

/* Said with every prediction, on every card and page. */
#define INTENDED_USE "Research use only. Not a medical device; a qualified reader must review every result."

#endif
