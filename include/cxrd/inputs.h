/* include/cxrd/inputs.h - numbers beside the picture: age, sex and view, as the head of a network sees them.
 *
 * Each is one number, standardised by the training rows: (value - mean) / std. What is not known is taken as the mean,
 * so it is 0 and changes nothing: a session's logits, which know only the picture, are those of a patient of whom
 * nothing else is known. */
#ifndef CXRD_INPUTS_H
#define CXRD_INPUTS_H

#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>

enum input_kind { INPUT_AGE, INPUT_SEX, INPUT_VIEW, N_INPUT_KINDS };
enum { INPUT_OLDEST = 150 }; /* years: no greater age is understood */

extern const char *const INPUT_NAMES[N_INPUT_KINDS]; /* "age", "sex", "view" */

/* What is said of a patient: age in years; sex 1 for M, 0 for F; view 1 for AP, 0 for PA. NaN: not known. */
struct input_values {
    double of[N_INPUT_KINDS];
};
extern const struct input_values INPUTS_UNKNOWN;

/* One value as the `n` bytes at `text` say it, in a table or in a request: the only reader of both.
 *   age   years as 58, 58.0, 058Y, "58 years"; 013M, 06W and 001D are whole years, rounded down
 *   sex   M, F, male, female
 *   view  PA, AP, posteroanterior, anteroposterior
 * in any case of letters, see word_is(). False: it says nothing that is understood. An age may be any below 10,000: a
 * table has some of 414, which are to be left out and not to be forgotten. */
bool input_read(enum input_kind kind, const char *text, size_t n, double *ret);

/* The same for a request, which may not be older than INPUT_OLDEST. Errors: ST_INVALID. */
MUST_USE enum status input_parse(enum input_kind kind, const char *text, double *ret, struct error *err);

/* Which of them a network takes, in the order of "head.inputs.weight"'s columns. */
struct inputs {
    size_t n;
    struct {
        enum input_kind kind;
        double mean, std; /* of the training rows in which it is known; std above 0 */
    } of[N_INPUT_KINDS];
};

/* values -> float32 [n], standardised. */
void inputs_standardise(const struct inputs *in, const struct input_values *values, float *ret);

/* As the weights' metadata has them: [{"name":"age","mean":46.9,"std":16.8},…]. The caller owns the text (free()); NULL
 * without memory. */
char *inputs_text(const struct inputs *in);

/* Errors: ST_FORMAT. */
MUST_USE enum status inputs_parse(const char *text, struct inputs *ret, struct error *err);

#endif
