/* include/cxrd/shadow_decision.h - may a model that was in the shadow of the active one take its place? Figures in, a decision and its
 * reason out; another file activates.
 *
 * It is decided once, when there are as many pictures as were asked for, so that each test keeps its level:
 *
 *   answers    it could answer all of them
 *   agreement  of each finding with a verdict of both, the part of the pictures that one of them calls alone is surely at most what is
 *              allowed: the upper end of its 95 % interval. A model may be better and differ; one that differs much more here than
 *              people expect is for people to look at
 *   feedback   where readers spoke of pictures that both have scored: the gain in the mean AUROC of all findings is not surely below 0
 *              (paired DeLong by patient, 95 %), and no finding's sensitivity or specificity is lower by McNemar's test at 5 % over all
 *              of these together (Bonferroni). Silence of readers is no objection: how many spoke is in the reason
 *
 * Pure; any thread. */
#ifndef CXRD_SHADOW_DECISION_H
#define CXRD_SHADOW_DECISION_H

#include "cxrd/feedback_paired.h"
#include "cxrd/promotion.h"
#include "cxrd/shadow_counts.h"

/*   discordance  that is allowed
 *   feedback     NULL: readers spoke of no picture that both have scored
 *   ret_reason   one sentence either way */
bool shadow_decide(const struct shadow_counts *counts, double discordance,
                   const struct feedback_paired *feedback, char ret_reason[REASON_TEXT]);

#endif
