/* server/api/serving.h - all that a prediction needs: model, decoder, profiles, limits. */
#ifndef SERVER_API_SERVING_H
#define SERVER_API_SERVING_H

#include "../http/http.h"
#include "case_key.h"
#include "cxrd/image.h"
#include "cxrd/profiles.h"
#include "cxrd/registry.h"
#include "source.h"

struct serving {
    struct registry *registry;               /* which model answers; the same as in struct work */
    struct profiles *profiles;               /* and at which thresholds; the same as in struct work */
    struct sessions *sessions;               /* as many inference sessions as there are workers */
    struct prediction_pool *pool;            /* all cores for one prediction, when there is only one */
    struct archive *archive;                 /* where results go that nobody waits for */
    const char *archive_maps;                /* which maps it gets, see maps.h; borrowed, NULL: none */
    struct metrics *metrics;                 /* the same as in struct accounting */
    struct drift_monitor *drift;             /* likewise */
    struct store *store;                     /* where what it raises is told */
    struct score_writer *score_writer;       /* of the scores that are answered */
    struct canary *canary;                   /* a model that answers a share of the requests */
    struct shadow *shadow;                   /* a candidate that looks at the same pictures */
    struct promoter *promoter;               /* which may let it take the active one's place */
    const struct patients_key *patients_key; /* for what callers say of whose a picture is */
    struct image_limits limits;
    enum input_policy policy; /* which pictures are refused */
    struct decoder *decoder;  /* of JPEG and DICOM */
    enum precision precision; /* of the registry; for /version, as the next ones */
    size_t max_upload, predict_queue, job_queue;
};

const struct serving *app_serving(const struct app *app);

#endif
