/* server/api/drift_counts.h - what is known of validation and of the latest pictures, cell by cell, and the tests of it: see
 * drift_monitor.h. Nobody else includes it. */
#ifndef SERVER_API_DRIFT_COUNTS_H
#define SERVER_API_DRIFT_COUNTS_H

#include "cmh.h"
#include "drift_monitor.h"

enum { STRATA_KEY = N_STRATA_BY, N_DRIFT_BY, DRIFT_CALLERS = DRIFT_KEYS + 1 };

struct drift_counts {
    struct labels labels;
    bool input; /* a column behind the findings', of distances */
    size_t n_columns;
    double edges[MAX_LABELS + 1][STRATA_BINS - 1]; /* [n_columns] */
    double patients_share;                         /* of validation: patients over rows */
    double rows[STRATA_CELLS];                     /* of validation */
    float *
        reference; /* [cell][n_columns][bin], owned: of a cell with something unknown, of all rows that it may be */
    float *latest;                                /* [cell][caller][n_columns][bin], owned */
    double pictures[STRATA_CELLS][DRIFT_CALLERS]; /* by their weights */
    double seen, squares;                         /* these together, and the squares of the weights */
    char callers[DRIFT_KEYS][DRIFT_KEY_NAME];
    size_t n_callers;
};

/* Read a model's metadata. False: nothing, or nothing that can be used; *ret holds nothing then. */
bool drift_counts_begin(const struct loaded_model *by, struct drift_counts *ret);
void drift_counts_release(struct drift_counts *c); /* safe on zeroes */
void drift_counts_add(struct drift_counts *c, const struct drift_picture *p);

/* The weight of a picture, so that all together count for as many as they are worth. */
double drift_weight(const struct drift_counts *c);

/* A stratum: one of a kind. */
struct drift_stratum {
    size_t by, index; /* by: enum strata_by, or STRATA_KEY; N_DRIFT_BY: all pictures */
};
const char *drift_stratum_name(const struct drift_counts *c, struct drift_stratum s); /* NULL: unknown */
size_t drift_strata_count(const struct drift_counts *c, size_t by);

/* Pictures of a stratum that are in none of others. */
struct drift_selection {
    struct drift_stratum only;
    size_t n_without;
    struct drift_stratum without[DRIFT_NAMED];
};

struct drift_result {
    bool enough;      /* pictures and rows, to say anything */
    double pictures;  /* what they are worth */
    double statistic; /* of the column with the strongest change */
    double p;         /* the same, times the columns; at most 1 */
    size_t column;
};
struct drift_result drift_test(const struct drift_counts *c, const struct drift_selection *s);

/* Shares among those of whom it is known. */
struct drift_mix {
    bool enough;
    double p;
    size_t n;
    double then[STRATA_MOST], now[STRATA_MOST];
};
struct drift_mix drift_mix_test(const struct drift_counts *c, enum strata_by by);

#endif
