/* include/cxrd/ranks.h - processes that train together, on one machine or on several, and what they tell one another.
 *
 * Each process is a rank, 0 to n - 1. All of them make the same calls in the same order; a call returns when all have made it.
 * NULL is a process that is alone: each call then does for one rank what it does for many. How bytes come from one rank to another is
 * a form, such as that of server/commands/ranks_mpi.c.
 *
 * Before anything else a call tells how each rank fares. Where one has failed or was cancelled, the call fails in all of them with that
 * one's sentence; where one has not been heard of for too long, it fails in the others and names it. So nobody waits for a rank that is
 * not coming. After the first such failure there is nothing more to be said: each call returns it again. */
#ifndef CXRD_RANKS_H
#define CXRD_RANKS_H

#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

struct ranks;

enum { RANKS_MAX = 256, RANKS_TEXT = 128 /* bytes of a text that is told, with its end */ };

/* How bytes travel. */
struct ranks_form {
    /* To each other rank q the bytes out[q], from it the bytes in[q]; both sides know how many, and none are not sent.
     *   seconds      how long a rank that is waited for may be silent
     *   ret_missing  [n], all false: those that were, after ST_IO
     * Errors: ST_IO, ST_CANCELLED (this process was told to end, and others are not coming), ST_NOMEM. */
    enum status (*exchange)(void *arg, const struct iovec *out, const struct iovec *in, double seconds,
                            bool *ret_missing);
    void (*beat)(void *arg); /* a sign of life to whoever waits for this one */
};

/* Ranks that have found one another. The first call of all of them.
 *   arg   of the form; both borrowed
 *   name  of this process, such as its host; told to the others
 *   wait  seconds that a rank may be silent: or 20 times the median step, if that is longer
 * Errors: exchange()'s, ST_NOMEM. */
MUST_USE enum status ranks_new(const struct ranks_form *form, void *arg, size_t n, size_t me,
                               const char *name, double wait, struct ranks **ret, struct error *err);
void ranks_free(struct ranks *r); /* NULL is fine */

size_t ranks_n(const struct ranks *r);  /* 1 for NULL */
size_t ranks_me(const struct ranks *r); /* 0 for NULL */
const char *ranks_name(const struct ranks *r, size_t rank);

/* Of `n` things those of a rank are ranks_share(…, rank, n) up to ranks_share(…, rank + 1, n). */
size_t ranks_share(const struct ranks *r, size_t rank, size_t n);

/* That all ranks have the same text. ST_CONFLICT names those that have another than most; of two halves that of rank 0 is right.
 *   what  the text is, such as "the table" */
MUST_USE enum status ranks_agree(struct ranks *r, const char *what, const char *text, struct error *err);

/* A flag that is true in one rank becomes true in all. flags [n] */
MUST_USE enum status ranks_or(struct ranks *r, bool *flags, size_t n, struct error *err);

/* Every rank fills in its share of an array, and then has all of it.
 *   bounds  [n + 1]: the share of rank q is bounds[q] up to bounds[q + 1], the same in all; NULL: ranks_share() of n
 *   each    bytes of a thing */
MUST_USE enum status ranks_gather(struct ranks *r, void *all, size_t each, const size_t *bounds, size_t n,
                                  struct error *err);

/* The text of rank 0. Every other rank gets it in *bytes, for free(), and *n; NULL and 0 of nothing. */
MUST_USE enum status ranks_broadcast(struct ranks *r, void **bytes, size_t *n, struct error *err);

/* The sum of `n_parts` vectors, a power of two, along one fixed binary tree: lower half + upper half, down to single ones; so it is the same,
 * bit for bit, for any number of ranks. Each rank has those of its share, or has summed some of them up along the same tree.
 *   width  how many are summed up in each of `parts`: a power of two, 1 where the share is no subtree
 *   parts  [share / width]: the caller's, [n] each; what is left in them is of no use, but in *parts, which is the sum. A rank without
 *          a share has one, into which the sum comes
 *   room   [ranks_sum_room()] floats */
MUST_USE enum status ranks_sum(struct ranks *r, size_t n_parts, size_t width, float *const *parts, size_t n,
                               float *room, struct error *err);
size_t ranks_sum_room(const struct ranks *r, size_t n_parts, size_t n);

/* A sign of life: a rank that works for long between two calls gives one now and then. Cheap. */
void ranks_beat(struct ranks *r);

/* A rank that has taken more than 1.5 times as long for its share of a sum as the median of the others, 50 sums in a row; it is told of once.
 *   ret_times  how many times as long it took then
 * False: there is none. */
bool ranks_slow(struct ranks *r, size_t *ret_rank, double *ret_times);

/* The last call: how each rank ends. Returns how all of them do: *err and the status of this one, or those of another that failed.
 * Once more it only returns what this one has. */
MUST_USE enum status ranks_end(struct ranks *r, enum status mine, struct error *err);

/* The failure that ended it, which a caller without room for a sentence passed up as a status alone. */
const struct error *ranks_why(const struct ranks *r);

/* Whether some rank is lost, so that no common end can be made; and whether this rank is one of those that the others lost. */
bool ranks_lost(const struct ranks *r);
bool ranks_misses(const struct ranks *r, size_t rank);

#endif
