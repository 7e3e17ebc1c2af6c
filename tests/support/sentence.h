/* tests/support/sentence.h - what every refusal owes its reader: the status twice, and one sentence about it. */
#ifndef TESTS_SENTENCE_H
#define TESTS_SENTENCE_H

#include "cxrd/status.h"

/* Assert that `st` is `expected`, that the error carries the same code, and that its text is one sentence in the
 * house style (lower case, one line, no full stop, UTF-8, no path of a test) and that it, or what only the operator reads,
 * contains `word`. `what` names the case. */
void check_refusal(const char *what, enum status st, enum status expected, const struct error *err,
                   const char *word);

#endif
