/* include/cxrd/inputs.h - numbers beside the picture: age, sex, view and medical history, as the head of a network sees
 * them.
 *
 * Each number is standardised by the training rows: (value - mean) / std. A number that is not known is taken as the mean, so it is 0
 * and changes nothing: a session's logits, which know only the picture, are those of a patient of whom nothing else is
 * known. */
#ifndef CXRD_INPUTS_H
#define CXRD_INPUTS_H

#include "cxrd/labels.h"
#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>

/* The inputs that a training may take beside the picture. The first three are a number each, history and course are twice the findings and one, of
 * earlier films of the same patient only. History: each finding "ever before" and "at the last film", and whether there is such a film.
 * Course: how often and how lately each finding was there, and how many films there are. */
enum input_kind { INPUT_AGE, INPUT_SEX, INPUT_VIEW, INPUT_HISTORY, INPUT_COURSE, N_INPUT_KINDS };
enum { N_INPUT_COLUMNS = INPUT_HISTORY + 1 }; /* of a table: history and course are made of one */

/* The patient as a request describes them: each is a field of it. The kinds come first, in their order; "history" is what was found ever before,
 * "history_last" what was found at the last film, "course" what was found at each. */
enum { INPUT_HISTORY_LAST = N_INPUT_KINDS, N_INPUT_FIELDS };
extern const char
    *const INPUT_NAMES[N_INPUT_FIELDS]; /* "age", "sex", "view", "history", "course", "history_last" */

/* The places of the numbers in struct input_values. There are places for MAX_LABELS findings; a model with fewer leaves the rest
 * not known. */
enum {
    INPUT_EVER = INPUT_HISTORY,
    INPUT_LAST = INPUT_EVER + MAX_LABELS,
    INPUT_EARLIER = INPUT_LAST + MAX_LABELS,
    INPUT_OFTEN,
    INPUT_LATELY = INPUT_OFTEN + MAX_LABELS,
    INPUT_FILMS = INPUT_LATELY + MAX_LABELS,
    N_INPUT_NUMBERS
};

enum { INPUT_OLDEST = 150 };     /* years: no greater age is understood */
enum { INPUT_MOST_FILMS = 255 }; /* no more earlier films are counted */

/* A patient's numbers: age in years; sex 1 for M, 0 for F; view 1 for AP, 0 for PA; of[INPUT_EVER + k] and
 * of[INPUT_LAST + k] 1 where finding k was seen before, else 0; of[INPUT_EARLIER] 1 where there is an earlier film, else 0. Of
 * earlier films of[INPUT_FILMS] is log(1 + how many), of[INPUT_OFTEN + k] log(1 + how many showed finding k), and of[INPUT_LATELY + k] 1 where the
 * last of them did, 1/2 where the one before did and it did not, 1/3 and so on, 0 where none did. NaN: not known. */
struct input_values {
    double of[N_INPUT_NUMBERS];
};
extern const struct input_values INPUTS_UNKNOWN;

/* How of[INPUT_OFTEN + k] and of[INPUT_FILMS] count films, and of[INPUT_LATELY + k] so many films after the last that showed it. */
double input_often(size_t films);
double input_lately(size_t since);

/* Whether there is such a number where there are so many findings. */
bool input_exists(size_t number, size_t n_labels);

/* The kind that a number belongs to. */
enum input_kind input_kind_of(size_t number);

/* One value as the `n` bytes at `text` say it, in a table or in a request: the only reader of both.
 *   age   years as 58, 58.0, 058Y, "58 years"; 013M, 06W and 001D are whole years, rounded down
 *   sex   M, F, male, female
 *   view  PA, AP, posteroanterior, anteroposterior
 * in any case of letters, see word_is(). False: it says nothing that is understood. An age may be any below 10,000: a
 * table has some of 414, which are to be left out and not to be forgotten. */
bool input_read(enum input_kind kind, const char *text, size_t n, double *ret);

/* A field of a request into `values`, for a model of these findings. An age may not be above INPUT_OLDEST. A history is a list of findings as a table's cell
 * has them, see label_words_next(): "Effusion,Mass", or "No Finding" of films on which nothing was found, or "none" where
 * there is no earlier film. A finding at the last film is one ever before, too; but beside "No Finding" of all of them it is refused. A course is such a list for each earlier film, the first
 * of them first, with a / between two: "Effusion,Mass/No Finding/Mass". It says the history too, which is refused beside it.
 * Errors: ST_INVALID (what cannot be, such as a word that is no finding; `values` is as it was). */
MUST_USE enum status input_parse(size_t field, const char *text, const struct labels *labels,
                                 struct input_values *values, struct error *err);

/* Whether the values say what this field is for. */
bool input_given(size_t field, const struct input_values *values);

/* Which numbers a network takes, in the order of "head.inputs.weight"'s columns. */
struct inputs {
    size_t n;
    struct {
        size_t number;
        double mean, std; /* of the training rows in which it is known; std above 0 */
    } of[N_INPUT_NUMBERS];
};

/* The kinds among them, as bits. */
unsigned inputs_kinds(const struct inputs *in);

/* Whether it takes anything of earlier films. */
bool inputs_look_back(const struct inputs *in);

/* The average of a number of history or course beside another one: a finding of the last film was seen ever before, one never seen
 * before was not seen at the last film, and was there no film; one that was seen ever before was there as often and as lately as
 * among all of whom that is said. */
struct input_half {
    size_t other;           /* which of in->of is that other */
    double if_seen, if_not; /* the number, where the other is above 0, and where it is 0 */
};

/* False: input `i` is no such number, or the network takes it without the other; *ret is untouched then. */
bool inputs_half(const struct inputs *in, size_t i, struct input_half *ret);

/* values -> float32 [n], standardised. One that is not known is as inputs_half() says, where its other is known. */
void inputs_standardise(const struct inputs *in, const struct input_values *values, float *ret);

/* As the weights' metadata has them: [{"name":"age","mean":46.9,"std":16.8},{"name":"ever_Mass",…},{"name":"last_Mass",…}].
 * The caller owns the text (free()); NULL without memory. */
char *inputs_text(const struct inputs *in, const struct labels *labels);

/* Errors: ST_FORMAT. */
MUST_USE enum status inputs_parse(const char *text, const struct labels *labels, struct inputs *ret,
                                  struct error *err);

#endif
