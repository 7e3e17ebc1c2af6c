/* include/cxrd/groups.h - what a model is worth for some of the patients: by sex, age, view and scanner.
 *
 * The rows are those of the test split, the thresholds those that validation chose for everyone (Youden). Where fewer than
 * KIND_LEAST rows of a group have a finding, or lack it, the group's figures of it are not known. */
#ifndef CXRD_GROUPS_H
#define CXRD_GROUPS_H

#include "cxrd/estimate.h"
#include "cxrd/labels.h"
#include "cxrd/status.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum grouping { BY_SEX, BY_AGE, BY_VIEW, BY_SCANNER, N_GROUPINGS };
extern const char *const GROUPING_NAMES[N_GROUPINGS]; /* "sex", "age", "view", "scanner" */

enum group_measure { GROUP_AUROC, GROUP_SENSITIVITY, GROUP_SPECIFICITY, N_GROUP_MEASURES };
extern const char *const GROUP_MEASURES[N_GROUP_MEASURES]; /* "auroc" … */

/* Scanners that are groups of their own are those of the most rows; all others are one group. */
enum { MOST_SCANNERS = 8, GROUP_NAME = 41 };

struct group_finding {
    size_t positives, positive_patients; /* rows, and whose they are */
    struct estimate of[N_GROUP_MEASURES];
    struct estimate slope, intercept; /* of calibration, see jobs/training/recalibration.h */
};

struct group {
    enum grouping by;
    char name[GROUP_NAME]; /* "F", "40-59", "PA"; "other", "unknown" */
    bool known;            /* of its rows one knows that they belong together: not "other" and "unknown" */
    size_t rows, patients;
    struct group_finding findings[MAX_LABELS]; /* [labels] */
};

/* One figure of a group less that of all other known groups of its kind. The interval is as wide as the number of
 * differences asks for; it leaves 0 out where, and only where, `p` is below 0.05. */
struct group_difference {
    size_t group, finding; /* numbers */
    enum group_measure measure;
    double in_group, elsewhere;
    struct estimate difference; /* NaN where there are not two patients of each kind on both sides */
    double p;                   /* of no difference, corrected by Holm's method (Scand. J. Statist. 1979) */
};

struct groups {
    size_t n, n_compared; /* how many differences have been looked at */
    struct group *group;  /* [n], owned: of one kind together, in their order; none without rows */
    struct group_difference *compared; /* [n_compared], owned: the least p first */
};

void groups_release(struct groups *g); /* safe on zeroes */

/* As the job record has them; null where there is no group. Only differences whose interval leaves 0 out. */
json_t *groups_json(const struct groups *g, const struct labels *labels);

#endif
