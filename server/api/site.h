/* server/api/site.h - what a site's profile makes of a prediction, and adds to the reply. */
#ifndef SERVER_API_SITE_H
#define SERVER_API_SITE_H

#include "cxrd/profiles.h"

/* A prediction's numbers by a profile. */
struct site_view {
    const struct profile *profile; /* borrowed; NULL: none, and nothing else means anything */
    bool expired;
    bool own_point; /* the request named an operating point, so the thresholds are the model's */
};

/*   probability  [labels]: the model's become those here */
void site_apply(const struct profile *profile, bool own_point, float *probability, struct site_view *ret);

/* The threshold that a finding's probability is held against here; NaN: none.
 *   own  the model's threshold, of the operating point that the request named */
float site_threshold(const struct site_view *v, size_t k, float own);

/* Whether that was fitted here, so that a verdict needs no test rows of the model's. */
bool site_measured(const struct site_view *v, size_t k);

/* Add to a finding of the reply which point its threshold is of, how well it was measured here, and what is said at the stated error rate.
 *   probability  here */
void site_finding_tell(const struct site_view *v, size_t k, float probability, json_t *finding);

/* The reply's `profile`, a new reference. */
json_t *site_json(const struct site_view *v);

/* Its warning, where there is one. */
void site_warning(const struct site_view *v, json_t *warnings);

#endif
