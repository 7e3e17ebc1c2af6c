/* jobs/training/tsne.h - a map of many-dimensional rows on which neighbours stay neighbours: exact t-SNE (van der Maaten &
 * Hinton, JMLR 2008), every pair counted.
 *
 *     double *p, *y;                                        [n][n], [n][2]
 *     tsne_similarities(n, k, x, perplexity, &stop, p);
 *     y = small first places;                               their first two principal components, say
 *     tsne_map(n, p, &stop, y, &divergence);
 *
 * Nothing is drawn at random and all is done by the calling thread, so the same rows give the same map to the last bit. A thousand
 * steps are short: threads would wait for one another longer than they saved. */
#ifndef JOBS_TRAINING_TSNE_H
#define JOBS_TRAINING_TSNE_H

#include "cxrd/principal.h"
#include "cxrd/status.h"

#include <stddef.h>

enum { TSNE_LEAST = 10 /* rows; of fewer there is no neighbourhood */, TSNE_ITERATIONS = 1000 };

/* How many neighbours a row has, in effect: 30, or a third of the others where these are fewer than 90. */
double tsne_perplexity(size_t n);

/* The probabilities that row `self` picks each of the others as its neighbour: a normal density of its distance, whose
 * entropy is the logarithm of the perplexity. Rows that are more alike than that are all as likely.
 *   squares  [n]: squared distances from it
 *   ret      [n], sum 1; 0 for itself */
void tsne_neighbours(size_t n, size_t self, const double *squares, double perplexity, double *ret);

/* The same of all pairs, made symmetric: (p(j|i) + p(i|j)) / 2n.
 *   x    [n][k]
 *   ret  [n][n], sum 1
 * Errors: ST_CANCELLED, ST_NOMEM. */
MUST_USE enum status tsne_similarities(size_t n, size_t k, const double *x, double perplexity,
                                       const struct interruption *stop, double *ret);

/* How far the map's similarities, 1 / (1 + squared distance) over their sum, are from p: the Kullback-Leibler divergence,
 * in nats.
 *   y  [n][2] */
double tsne_divergence(size_t n, const double *p, const double *y);

/* Its slope, [n][2], with what pulls places together, p, multiplied by `exaggeration`; `room` [n][2]. */
void tsne_gradient(size_t n, const double *p, double exaggeration, const double *y, double *room,
                   double *ret);

/* Gradient descent of TSNE_ITERATIONS steps with the gains of Jacobs (1988); for the first 250 p is multiplied by 12 and the
 * momentum 0.5, afterwards 0.8; the rate is n / 48, at least 50 (scikit-learn's defaults; Belkina et al., Nat Commun 2019).
 *   y               the first places, much nearer together than 1, and the map
 *   ret_divergence  in nats
 * Errors: ST_CANCELLED, ST_NOMEM. */
MUST_USE enum status tsne_map(size_t n, const double *p, const struct interruption *stop, double *y,
                              double *ret_divergence);

#endif
