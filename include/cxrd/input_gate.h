/* include/cxrd/input_gate.h - is this a picture about which the model can say something?
 *
 * Seven questions that need no second network. Five are rules about the file and its grey values; the sixth compares
 * where the picture is light and dark with where a frontal chest is; the last asks how far the picture is from those
 * that the model was trained on: the Mahalanobis distance (Mahalanobis 1936) of a handful of statistics, whose mean
 * and covariance over the training pictures travel with the weights. A picture that passes is not thereby a good
 * radiograph; one that does not is one for which the model's numbers mean little. */
#ifndef CXRD_INPUT_GATE_H
#define CXRD_INPUT_GATE_H

#include "cxrd/preprocess.h"

#include <jansson.h>

/* The features of a picture as the network sees it, all in grey levels: mean, standard deviation, the 5 %, 25 %,
 * 50 %, 75 % and 95 % quantiles, the root mean square of the steps between neighbours, and the means of 4 x 4
 * parts. */
enum { GATE_SIDE = 4, GATE_PARTS = GATE_SIDE * GATE_SIDE, GATE_STATS = 8 + GATE_PARTS };
enum { STAT_MEAN, STAT_STD, STAT_Q05, STAT_Q25, STAT_Q50, STAT_Q75, STAT_Q95, STAT_STEP, STAT_PARTS };

/* grey [size][size] -> statistics. Never allocates. */
void gate_stats(const uint8_t *grey, size_t size, double ret[GATE_STATS]);

/* ---- distance from the training pictures ---- */

enum { GATE_MIN_ROWS = 100 }; /* fewer pictures say too little about 24 statistics */

/* A plain value. */
struct input_gate {
    size_t rows; /* pictures that it was made from */
    double mean[GATE_STATS];
    double factor[GATE_STATS][GATE_STATS]; /* lower Cholesky factor of the covariance */
    double threshold; /* of the distance: what lies beyond is unlike the training pictures */
};

/* Make a gate from the statistics [n][GATE_STATS] of n >= GATE_MIN_ROWS training pictures. The threshold is the
 * distance that 1 in 100 of them exceeds, each measured against the others only (leave-one-out, in closed form), so that
 * no more than about 1 in 100 new pictures of the same kind will. Errors: ST_NOMEM. */
MUST_USE enum status gate_fit(const double *stats, size_t n, struct input_gate *ret);

double gate_distance(const struct input_gate *g, const double stats[GATE_STATS]);

/* As the weights' metadata carries it, under GATE_KEY: a JSON text. Reading checks every number.
 * Errors: ST_FORMAT (the sentence says what is wrong). NULL without memory. */
#define GATE_KEY "input_gate"
MUST_USE enum status gate_parse(const char *text, struct input_gate *ret, struct error *err);
json_t *gate_text(const struct input_gate *g); /* a JSON string, a new reference */

/* ---- warnings ---- */

enum gate_code {
    GATE_INVERTED,
    GATE_NEARLY_CONSTANT,
    GATE_COLOUR,
    GATE_NOT_SQUARE,
    GATE_TOO_SMALL,
    GATE_FEW_BITS,
    GATE_UNLIKE_TRAINING,
    N_GATE_CODES
};
extern const char *const GATE_CODES[N_GATE_CODES]; /* "inverted" … */

struct gate_warnings {
    size_t n;
    enum gate_code codes[N_GATE_CODES];
    char details[N_GATE_CODES][160]; /* a sentence each */
};

/* The gate's verdict on a picture.
 *   img    NULL: only its grey values are known; nothing is said of its colour, shape or size
 *   stats  of the picture as the network sees it
 *   size   pixels a side of that
 *   gate   of the model; NULL: it has none, and nothing is said of the training pictures */
void gate_check(const struct image *img, const double stats[GATE_STATS], size_t size,
                const struct input_gate *gate, struct gate_warnings *ret);

#endif
