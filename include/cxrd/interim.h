/* include/cxrd/interim.h - is a candidate in the shadow better or worse than the active model? Tested a few times while feedback comes in.
 *
 * A test at 5 % that is repeated each day finds a difference between equal models sooner or later. So the analyses are planned: when
 * readers have spoken of 250, 500, 1,000 and 2,000 pictures, and each may spend a part of one error alone (Lan & DeMets, Biometrika 1983).
 * By n pictures 0.04 * (n / 2,000)^3 is spent (the power family of Kim & DeMets, Biometrika 1987; an exponent of 3 is near the boundary
 * of O'Brien & Fleming: Jennison & Turnbull, Group Sequential Methods, 2000, chapter 7). The level of an analysis is what is spent
 * between the one before it and itself, so one that comes late loses nothing. The levels add up to at most 4 %, whatever the analyses
 * have in common (Boole), and not to 5 % since the test itself is approximate: at 5 %, on 2,000 drawn pictures with 14 findings, it told
 * 59 of 1,000 equal pairs apart (bench_streams). Exact boundaries would ask that the pictures of an earlier one are all in the later, but
 * readers change their minds, and scores are kept for a time only.
 *
 * The first analysis below its level decides, and with the last the trial is over. Pure but for the clock; any thread. */
#ifndef CXRD_INTERIM_H
#define CXRD_INTERIM_H

#include "cxrd/clock.h"
#include "cxrd/feedback_paired.h"

enum { INTERIM_MOST = 4 };

struct interim_analysis {
    size_t pictures, patients;
    double gain, p, level; /* of the macro AUROC; the candidate is told apart where p <= level */
    char at[CLOCK_TEXT_SIZE];
};

/* Of one candidate and one active model; zeroes at the beginning. */
struct interim {
    size_t n;
    struct interim_analysis made[INTERIM_MOST];
};

/* The number of pictures that the next analysis waits for; 0: it is decided, or the last was made. */
size_t interim_next(const struct interim *t);

/* Make the next analysis if there are pictures enough, and a gain with an error. Returns whether one was made. */
bool interim_analyse(struct interim *t, const struct feedback_paired *p);

/* 1: the candidate is better, -1: it is worse, 0: they are not told apart (so far). */
int interim_verdict(const struct interim *t);

/* The analyses as a list, a new reference; and such a list read again. False: it is no such list. */
json_t *interim_json(const struct interim *t);
bool interim_read(const json_t *list, struct interim *ret);

#endif
