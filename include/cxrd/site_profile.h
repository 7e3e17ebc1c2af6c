/* include/cxrd/site_profile.h - what a model is worth at one site, and from which probability on a finding is positive there.
 *
 * A model's probabilities and thresholds are those of the rows that it was made on. Elsewhere findings are rarer or more
 * frequent, films are others, and a threshold for 90 % sensitivity has another one. A profile is fitted on rows of the site,
 * whose truth is known (a validation), and for each finding has
 *
 *   calibration  probability here = sigmoid(scale * logit(the model's probability) + shift): jobs/training/calibrate.h, Platt's with
 *                a prior, judged on patients that the fit has not seen, none where it does not help
 *   threshold    for the operating point that the site chooses (jobs/training/operating.h), on the probability here
 *   rates        sensitivity and specificity of that, with 95 % intervals by patient. A threshold is best on the rows that chose
 *                it, so each row is judged by the threshold that the other four of five folds of patients choose
 *   verdict      where an error rate is stated: "present", "absent" or "cannot say", see struct site_finding
 *
 * A finding with fewer than SITE_LEAST patients who have it, or who lack it, keeps the model's own calibration and threshold, whose
 * rates are measured all the same, and has no verdict.
 *
 * Pure functions; any thread. */
#ifndef CXRD_SITE_PROFILE_H
#define CXRD_SITE_PROFILE_H

#include "cxrd/clock.h"
#include "cxrd/digest.h"
#include "cxrd/estimate.h"
#include "cxrd/operating_points.h"

#include <jansson.h>

enum {
    SITE_LEAST = 20, /* patients of either kind: of 20, an 18 says 0.9 with an interval from 0.70 to 0.97 */
    SITE_DAYS_MOST = 3650, /* from its making to its expiry */
};

enum site_verdict { SITE_NOTHING, SITE_PRESENT, SITE_ABSENT, SITE_UNSURE };
extern const char *const SITE_VERDICTS[]; /* NULL, "present", "absent", "cannot say" */

extern const char *const SITE_POINTS[N_OPERATING]; /* "youden", "sensitivity", "specificity" */

/* Which point of the curve a site wants. */
struct site_point {
    enum operating_kind kind; /* Youden's, or a part of the sensitivity or specificity that is at least */
    double at;                /* in 0.5..0.999; not read for Youden's */
};
bool site_point_equal(const struct site_point *a, const struct site_point *b);

struct site_finding {
    struct site_point point; /* that the threshold is of: the profile's, or one of the finding's own */
    bool here;               /* false: too few patients, the model's own */
    float scale, shift;      /* 1 and 0 without a calibration */
    float threshold;         /* positive: probability here >= it; NaN: there is none */
    struct operating_quality rates;
    size_t positives, negatives;                 /* rows that it is made of */
    size_t positive_patients, negative_patients; /* whose they are; one may be both */

    /* Class-conditional conformal prediction (Vovk, Gammerman & Shafer, Algorithmic Learning in a Random World, 2005, 4.5:
     * Mondrian): a film may have the finding where its probability is at least `present_from`, may lack it where it is at most
     * `absent_to`. Where only one of the two may be, that is the verdict; where both or neither, nothing can be said. Of films that
     * have the finding at most the stated rate is called absent, of those that lack it at most that rate present. Both NaN without
     * verdicts; 0 and 1 where there are too few patients to exclude anything. */
    float present_from, absent_to;
};

struct site_profile {
    struct labels labels; /* the model's */
    char model_sha256[DIGEST_TEXT_SIZE];
    struct site_point point; /* of findings that have none of their own */
    double error_rate;       /* of verdicts; NaN: none */
    char created_at[CLOCK_TEXT_SIZE], expires_at[CLOCK_TEXT_SIZE];
    struct site_finding findings[MAX_LABELS]; /* [labels] */
};

/* ---- to make one ---- */

/* The settings of a profile that is to be made. */
struct site_wish {
    struct site_point point;
    double error_rate;                  /* 0.01 to 0.5, or NaN */
    const struct operating_points *own; /* the model's, for findings with too few patients */
    const struct site_point *points;    /* [labels], of each finding; NULL: `point` is of all */
};

/* Fit the findings of a profile to the rows of a file of scores (jobs/training/scores_file.h).
 *   split         whose rows: "test" of a validation
 *   labels        the model's; the file must have the same
 *   ret           `labels`, `point`, `error_rate` and `findings` are set, the rest is zeroes
 *   ret_rows, ret_patients  how many there were
 * Errors: ST_NOTFOUND, ST_FORMAT, ST_LIMIT, ST_IO (the file), ST_UNUSABLE (other findings, or no row), ST_NOMEM. */
MUST_USE enum status site_profile_fit(const char *scores_path, const char *split, const struct labels *labels,
                                      const struct site_wish *wish, struct site_profile *ret,
                                      size_t *ret_rows, size_t *ret_patients, struct error *err);

/* ---- to use it ---- */

/* The probability here of a finding to which the model gives `probability`. Never falls as that rises. */
float site_probability(const struct site_finding *f, float probability);

/* The verdict on a film with that probability here. */
enum site_verdict site_verdict_of(const struct site_finding *f, float probability_here);

/* Whether its time is over, by this machine's clock. */
bool site_profile_expired(const struct site_profile *p);

/* ---- to see what it was worth ---- */

/* The verdicts' performance on other rows, for one finding. Patients count the same, however many films they have: the mean over
 * patients of the part of their films; NaN without verdicts or patients. */
struct site_kept {
    size_t positive_patients, negative_patients;
    struct estimate missed;         /* of those who have it: films called absent */
    struct estimate alarmed;        /* of those who lack it: films called present */
    struct estimate unsure;         /* of all: films of which nothing is said */
    struct operating_quality rates; /* of the profile's threshold on these rows, all of which are new to it */
    struct estimate brier_model,
        brier_here; /* mean squared error of the probability, before and after the profile */
};

/*   ret  [labels]
 * Errors: as site_profile_fit(). */
MUST_USE enum status site_profile_kept(const struct site_profile *p, const char *scores_path,
                                       const char *split, struct site_kept *ret, struct error *err);

/* As records and replies have it, a new reference; NULL without memory. */
json_t *site_kept_json(const struct site_profile *p, const struct site_kept *kept);

/* ---- as a document ---- */

/* The rest of the document, for people. */
struct site_notes {
    const char *population, *validation, *dataset; /* NULL: not said */
    const char *scores_sha256;                     /* of the file that it was fitted to */
    size_t rows, patients;
};

/* The document, a new reference; NULL without memory. jobs/site/document.c describes it. */
json_t *site_profile_json(const struct site_profile *p, const struct site_notes *notes);

/* Read it again. Its contents are not believed: every number has its limits, and a member that is not known is refused.
 *   labels  the model's
 * Errors: ST_INVALID (the sentence says what is wrong), ST_CONFLICT (of another model's file or findings). */
MUST_USE enum status site_profile_parse(const json_t *document, const struct labels *labels,
                                        const char *model_sha256, struct site_profile *ret,
                                        struct error *err);

/* The canonical bytes of a document, which are what is stored, read and signed; for free(). See jobs/site/document.c. NULL
 * without memory. */
char *site_profile_canonical(const json_t *document);

#endif
