/* server/commands/predictor.h - predicts one picture after another: by a weights file here, or by a server. */
#ifndef SERVER_COMMANDS_PREDICTOR_H
#define SERVER_COMMANDS_PREDICTOR_H

#include "../api/prediction.h"
#include "cxrd/decoder.h"
#include "cxrd/profiles.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* What `cxrd predict` is told. */
struct predict_options {
    const char *weights, *url, *ca, *explain, *heatmap, *precision, *input_policy, *list, *csv,
        *operating_point, *model, *profile, *profile_keys;
    const char *given[N_INPUT_FIELDS]; /* as input_parse() takes it; NULL: not known */
    size_t threads;
    bool json, overwrite;
};

/* Shared by all threads that ask. Read only, once it is open. */
struct predictor {
    const struct predict_options *o;
    bool many;               /* pictures, so that one is asked about again where the server has no time */
    struct labels labels;    /* of the model that answers */
    struct loaded_model m;   /* no model: a server is asked */
    struct question q;       /* of `m`; a server reads the options itself */
    struct profile profile;  /* of the site, if `q` has one */
    struct decoder *decoder; /* of JPEG and DICOM; NULL: a server is asked */
};

/* Load the model, or ask the server which one answers.
 *   a         release it in any case; all zero before, and not moved afterwards
 *   n         pictures there are; a model that sees none needs none
 * Errors: ST_INVALID (they do not fit), ST_CONFLICT (the profile is of another model, or not signed), those of file_read(),
 * weights_read(), client_json(). */
MUST_USE enum status predictor_open(struct predictor *a, const struct predict_options *o, size_t n,
                                    struct error *err);
void predictor_release(struct predictor *a);

/* Any number of threads at a time, each with a session of its own.
 *   path  of a picture; "-": standard input; NULL: none is given
 *   ret   what /predict answers, and `file`: a new reference
 * Errors: ST_UNUSABLE (also: the file cannot be read), image_decode()'s, predict_image()'s, client_json()'s. */
MUST_USE enum status ask(const struct predictor *a, struct session *s, const char *path, json_t **ret,
                         struct error *err);

#endif
