/* server/api/drift_monitor.h - have scores or pictures drifted, and in which group of patients?
 *
 * The latest scores of the active model are held against its validation scores (cxrd/strata.h), every DRIFT_LOOK pictures:
 *
 * - Scores of each finding, and the pictures' distance from the training pictures ("input"), for all pictures and in each stratum of
 *   view, sex, age band and caller's key, by the test in cmh.h: like is held against like, so that more films of one kind
 *   are no change of scores.
 * - Mix: the shares of views, of sexes and of age bands themselves, by chi-squared, among those of whom it is known.
 *
 * Films of one patient are not independent, and a server does not know whose they are: so each statistic is taken times patients
 * over rows of the validation, as if every patient had one film in either sample. Each p is taken times the tests of a look and times
 * DRIFT_LOOKS (Bonferroni): without any change at most DRIFT_LEVEL of all servers raise anything in DRIFT_LOOKS looks, 100,000
 * pictures. A change beyond that at DRIFT_SEEN looks in a row is raised, with the smallest set of strata without which the rest shows no change any more (p of the
 * rest, times the tests of one stratum, above DRIFT_LEVEL): of single strata that do the one with the strongest change, else that one
 * and then on with the rest. Where no DRIFT_NAMED of them do, it is everywhere. */
#ifndef SERVER_API_DRIFT_MONITOR_H
#define SERVER_API_DRIFT_MONITOR_H

#include "cxrd/registry.h"
#include "cxrd/strata.h"

#include <jansson.h>
#include <stdbool.h>

#define DRIFT_LEVEL 0.05
enum {
    DRIFT_LOOK = 500,
    DRIFT_LOOKS = 200,
    DRIFT_MOST = 10000, /* pictures; then all counts are halved, so that the latest weigh most */
    DRIFT_ENOUGH =
        200, /* pictures of a stratum, and half as many validation rows, or nothing is said of it */
    DRIFT_SEEN =
        3, /* looks in a row that see a change, before it is raised: by then more can be said of whom it is among */
    DRIFT_QUIET = 10,    /* looks without a change, after which it may be raised again */
    DRIFT_KEYS = 8,      /* callers' keys that are strata of their own; all others are one */
    DRIFT_KEY_NAME = 64, /* bytes of a key's name */
    DRIFT_NAMED = 4,     /* strata that explain a change, at most */
};

/* A picture that was scored. */
struct drift_picture {
    const float *probability; /* [findings of the model]: the model's own */
    double distance;          /* from the training pictures; NaN: not known */
    double of[N_STRATA_BY];   /* as struct input_values has them */
    const char *who;          /* the name of the caller's key, "" where none is asked for */
};

struct drift_monitor;

MUST_USE enum status drift_monitor_new(struct drift_monitor **ret, struct error *err); /* ST_NOMEM */
void drift_monitor_free(struct drift_monitor *w);                                      /* NULL is fine */

/* Count a picture that the active model has scored. Another model begins anew. Any thread may call, as all of these.
 *   ret_alert  what this look raises: `data` of a notice, a new reference; NULL most of the time */
void drift_monitor_add(struct drift_monitor *w, const struct loaded_model *by, const struct drift_picture *p,
                       json_t **ret_alert);

/* All that the last look saw, in the contract's shape, a new reference; NULL without memory. */
json_t *drift_monitor_json(struct drift_monitor *w);

struct buf;
void drift_monitor_metrics(struct drift_monitor *w, struct buf *out); /* no caller is named */

#endif
