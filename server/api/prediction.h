/* server/api/prediction.h - from a picture's bytes to the reply of /predict; `cxrd predict` uses it too. */
#ifndef SERVER_API_PREDICTION_H
#define SERVER_API_PREDICTION_H

#include "app.h"

/* Milliseconds. */
struct prediction_timing {
    double queue, decode, preprocess, forward, total;
};

struct prediction {
    float probability[N_LABELS];
    size_t width, height;
    unsigned channels, bit_depth;
    struct prediction_timing timing;
};

/* Decode, preprocess, score. `team` may be NULL. Errors: image_decode()'s, ST_NUMERIC, ST_NOMEM. */
MUST_USE enum status predict_picture(const struct model *m, struct session *s, struct team *team,
                                     const struct image_limits *limits, const void *bytes, size_t n_bytes,
                                     struct prediction *ret, struct error *err);

/* The contract's reply, a new reference; NULL without memory.
 *   id  of the request */
json_t *prediction_json(const struct served *m, const char *id, const struct prediction *p);

#endif
