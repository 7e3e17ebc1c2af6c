/* include/cxrd/words.h - words as people write them in tables, headers and requests: the case of letters and what stands
 * between the parts of a word mean nothing. */
#ifndef CXRD_WORDS_H
#define CXRD_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the `n` bytes at `text` are `word`: without regard to the case of letters, and to blanks, no-break spaces,
 * tabs, `_` and `-` wherever they stand. "pleural thickening" is "Pleural_Thickening". */
bool word_is(const char *text, size_t n, const char *word);

/* The same of the `m` bytes at `word`. */
bool words_equal(const char *text, size_t n, const char *word, size_t m);

enum { WORD_COMPARED = 32 }; /* bytes of a word that is held against others */

/* How many characters are to be put in, left out, replaced or swapped with the next to make one word of the other (Damerau,
 * CACM 1964; each swapped pair is left alone afterwards). Neither has more than WORD_COMPARED bytes. */
size_t word_distance(const char *a, size_t n, const char *b, size_t m);

/* The word that was meant by the `n` bytes at `name`, as far as one is near enough: a third of them may be wrong. NULL: each is too far
 * away.
 *   word_at  the i-th of the words, NULL after the last; `arg` is handed to it */
const char *word_meant(const char *(*word_at)(const void *arg, size_t i), const void *arg, const char *name,
                       size_t n);

#endif
