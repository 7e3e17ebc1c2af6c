/* include/cxrd/explain.h - where in the picture a logit comes from.
 *
 * The head is linear in the features that the last block leaves, and every feature belongs to one cell of a grid over
 * the picture (16 x 16 at image size 256). So what a cell contributes to a logit, the sum over channels of weight
 * times activation, is no estimate: bias + inputs + the sum of all cells is the logit, before calibration, but for the
 * rounding of float32. What it cannot say is why a cell is what it is: a cell sees its own 16 x 16 pixels and some 30
 * around them. */
#ifndef CXRD_EXPLAIN_H
#define CXRD_EXPLAIN_H

#include "cxrd/session.h"

enum { EXPLANATION_MAX_SIDE = PREPROCESS_MAX_SIZE / 16 };

struct explanation {
    size_t label;         /* index of the finding */
    double logit;         /* as the session gave it */
    double bias, inputs;  /* inputs: the part of what is known beside the picture; 0 where nothing is */
    size_t rows, columns; /* of the grid, which covers the whole picture, stretched as the network saw it */
    double grid[EXPLANATION_MAX_SIDE * EXPLANATION_MAX_SIDE]; /* [rows][columns], in logits */
};

/* Explain one logit of the picture that a session scored last, by session_run() of one picture or by
 * session_run_shared(); the features are still there. Never allocates.
 *   m      the model of that run
 *   label  0..13
 *   logit  what the run gave for it */
void session_explain(const struct session *s, const struct model *m, size_t label, float logit,
                     struct explanation *ret);

#endif
