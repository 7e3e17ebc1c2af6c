/* include/cxrd/explain.h - where in the picture a logit comes from.
 *
 * Where the head adds up cells of the picture, the map is what each of them adds, and no estimate: bias + inputs + the sum of all
 * cells is the logit, before calibration, but for the rounding of float32. That is so
 *   - where the head reads a grid of features, as cnn4's (16 x 16 cells at image size 256): a cell is the sum over channels of
 *     weight times activation;
 *   - where it reads the mean of such a grid in each channel (DenseNet, ResNet, MobileNet): the same by the number of cells, a
 *     class activation map (Zhou et al., CVPR 2016), which is the same identity.
 * Such a map cannot say why a cell has its value: a cell sees its own pixels and those around it.
 *
 * All other networks (mlp) are asked again, with one part of the picture covered after the other, by the picture's mean grey: an
 * occlusion (Zeiler & Fergus, ECCV 2014). A cell is how much the logit falls without it. Nothing adds up to the logit there. */
#ifndef CXRD_EXPLAIN_H
#define CXRD_EXPLAIN_H

#include "cxrd/session.h"

enum { EXPLANATION_MAX_SIDE = PREPROCESS_MAX_SIZE / 16, OCCLUSION_SIDE = 8 };

enum explanation_method { EXPLAIN_CONTRIBUTIONS, EXPLAIN_OCCLUSION };

struct explanation {
    enum explanation_method method;
    size_t label;         /* index of the finding */
    double logit;         /* as the session gave it */
    double bias;          /* 0 of an occlusion */
    double inputs;        /* the part of what is known beside the picture; 0 where nothing is */
    size_t rows, columns; /* of the grid, which covers the whole picture, stretched as the network saw it */
    double grid[EXPLANATION_MAX_SIDE * EXPLANATION_MAX_SIDE]; /* [rows][columns], in logits */
};

/* "contributions", "occlusion" */
const char *explanation_method_name(enum explanation_method method);

/* Explain one logit of the picture that a session scored last, by session_run() of one picture or by session_run_shared(); what
 * the head read is still there. An occlusion runs the session again, so session_features() are another picture's after it.
 *   m      the model of that run
 *   x      its picture, which only an occlusion reads
 *   label  0..labels - 1
 *   logit  what the run gave for it
 * Errors, of an occlusion alone: ST_NOMEM, ST_NUMERIC (a covered picture's logit is not finite). */
MUST_USE enum status session_explain(struct session *s, const struct model *m, const float *x, size_t label,
                                     float logit, struct explanation *ret);

#endif
