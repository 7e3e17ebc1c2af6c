/* include/cxrd/words.h - words as people write them in tables, headers and requests: the case of letters and what stands
 * between the parts of a word mean nothing. */
#ifndef CXRD_WORDS_H
#define CXRD_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the `n` bytes at `text` are `word`: without regard to the case of letters, and to blanks, no-break spaces,
 * tabs, `_` and `-` wherever they stand. "pleural thickening" is "Pleural_Thickening". */
bool word_is(const char *text, size_t n, const char *word);

#endif
