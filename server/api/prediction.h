/* server/api/prediction.h - from a picture's bytes to the reply of /predict; `cxrd predict` uses it too. The whole way:
 * docs/internals/data.md. */
#ifndef SERVER_API_PREDICTION_H
#define SERVER_API_PREDICTION_H

#include "operating.h"
#include "prediction_pool.h"
#include "site.h"
#include "source.h"

#include "cxrd/explain.h"
#include "cxrd/heatmap.h"
#include "cxrd/image.h"
#include "cxrd/registry.h"

/* Milliseconds. */
struct prediction_timing {
    double queue, decode, preprocess, forward, total;
};

struct prediction {
    float probability[MAX_LABELS];       /* [labels of the model]: here, where a profile is in force */
    float model_probability[MAX_LABELS]; /* the model's own */
    struct site_view site;
    char id[ID_SIZE];           /* by which readers may say how it was; "": its scores are not kept */
    struct operating operating; /* as it was asked */
    double distance;            /* from the training pictures, see cxrd/input_gate.h; NaN: not known */
    bool looked;                /* at a picture, which was: */
    size_t width, height;
    unsigned channels, bit_depth;
    struct image_source source; /* without its study, which names a patient */
    bool not_looked_at;         /* a picture came to a model that sees none */
    struct prediction_timing timing;
    struct input_values values; /* what was asked with, and what the file said besides */
    unsigned from_file;         /* which of them did, as bits of enum input_kind */
    struct gate_warnings gate_warnings;
    struct source_warnings source_warnings;
    bool explained;
    struct explanation explanation;
};

/* The question to a model, but for the picture. */
struct question {
    int explain;                /* the finding whose logit is to be explained; EXPLAIN_NONE: none */
    struct input_values values; /* what is known of the patient, for models that take it */
    struct operating operating;
    const struct profile *profile; /* of the site, borrowed; NULL: none */
    enum input_policy policy;      /* of the picture */
};
enum { EXPLAIN_NONE = -1 };

/* Whether a finding is called: 1, 0, or VERDICT_NONE. */
enum { VERDICT_NONE = -1 };
int prediction_verdict(const struct model *m, const struct prediction *p, size_t k);

/* Preprocess and score. Age, sex and view in the picture's file are taken where the question does not say them.
 *   pool  may be NULL
 *   img   not read by a model that sees no picture (model_sees()); may be NULL then
 * Errors: ST_UNUSABLE (an explanation, of a model that sees no picture; what source_judge() refuses; with POLICY_REJECT what the
 * gate warns of, and then ret->gate_warnings says why), ST_NUMERIC, ST_NOMEM. */
MUST_USE enum status predict_image(const struct model *m, struct session *s, struct prediction_pool *pool,
                                   const struct image *img, const struct question *q, struct prediction *ret,
                                   struct error *err);

/* The contract's reply, a new reference; NULL without memory.
 *   id  of the request */
json_t *prediction_json(const struct loaded_model *m, const char *id, const struct prediction *p);

/* The probabilities that the model gave, before a site's profile: {"Atelectasis": 0.2, …}, likewise. */
json_t *prediction_model_probabilities(const struct model *m, const struct prediction *p);

/* Its `warnings`, likewise: [{code, detail}] of the picture, its file and what was not said of the patient. */
json_t *prediction_warnings(const struct model *m, const struct prediction *p);

/* Append the picture with the map of its explanation and a legend to `out`, as a PNG; `p`, by `m`, must be explained.
 * Errors: heatmap_png()'s. */
MUST_USE enum status prediction_heatmap(const struct model *m, const struct image *img,
                                        const struct prediction *p, struct buf *out, struct error *err);

/* The same as a drawing. Errors: ST_NOMEM. */
MUST_USE enum status prediction_drawing(const struct model *m, const struct image *img,
                                        const struct prediction *p, struct heatmap_drawing *ret_drawing,
                                        struct error *err);

#endif
