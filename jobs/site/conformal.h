/* jobs/site/conformal.h - the score beyond which a film is unlike those of a class, at a stated error rate.
 *
 * Conformal prediction takes the rows of a class as exchangeable with the next one. Several films of a patient are not: they
 * share the patient, and one with 79 films would set the limit for all. So the unit that is exchangeable is the patient: the
 * films of a patient share one vote, 1/N each, and the next patient's vote stands at infinity (Lee, Barber & Willett,
 * "Distribution-free inference with hierarchical data", arXiv 2306.06342, 2023; Dunn, Wasserman & Ramdas, JASA 2023). With K
 * patients the limit is where (1 - rate) (K + 1) votes are on its near side. The guarantee: of a new patient of the class,
 * a film drawn at random lies beyond with at most that rate, on average over sites' draws of rows. Against the other way, to draw
 * one film a patient, this uses all films, and the same rows give the same limit. Nothing is guaranteed of a patient's films
 * together, nor where the next patients are of another kind than the rows. */
#ifndef JOBS_SITE_CONFORMAL_H
#define JOBS_SITE_CONFORMAL_H

#include "../training/figure.h"

/* The highest limit such that a film of a class whose truth is `value` lies below it at no more than the rate (`value` 1), or
 * the lowest such that it lies above (`value` 0); 0 and 1 where there are too few patients for any.
 *   score  probabilities
 * Errors: ST_NOMEM. */
MUST_USE enum status conformal_limit(const struct patients *p, const uint8_t *truth, const float *score,
                                     size_t stride, uint8_t value, double rate, float *ret_limit);

/* The mean over the patients who have rows of a class (any known row: TRUTH_KNOWN) of the part of these rows for which `hit` is
 * 1, with an interval as of rate_estimate(), and how many patients that are. NaN for none. Errors: ST_NOMEM. */
MUST_USE enum status patient_rate(const struct patients *p, const double *hit, const uint8_t *truth,
                                  size_t stride, uint8_t value, struct estimate *ret, size_t *ret_patients);

#endif
