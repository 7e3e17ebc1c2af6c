/* tests/support/split_case.h - tables to split, real and made up, and what must hold however their rows were shared out. */
#ifndef SUPPORT_SPLIT_CASE_H
#define SUPPORT_SPLIT_CASE_H

#include "cxrd/dataset.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A table and those of its rows that are shared out. */
struct data {
    struct table t;
    struct rows rows;
};

void data_release(struct data *d);
struct data data_of(const void *bytes, size_t n);
/* The whole NIH table, filtered: 51,751 rows. */
struct data nih(void);
/* The same, but only the rows that have a file in that folder. */
struct data found_in(const char *name);
/* `n` rows named 000000.png …; finding and patient of row i as the functions say. */
struct data made_up(size_t n, const char *(*finding)(size_t i), size_t (*patient)(size_t i));
const char *always_mass(size_t i);
size_t one_each(size_t i);
size_t three_each(size_t i);
size_t all_the_same(size_t i);
/* No two rows have the same stratum, which no table could say. */
struct data all_different(size_t n);

struct result {
    struct split split;
    struct dataset_report report;
};

struct split_options options_of(enum split_by by, uint64_t seed);
struct result split_with(const struct data *d, const struct split_options *options);
struct result split_by(const struct data *d, enum split_by by, uint64_t seed);
void check_sizes(const struct result *r, size_t train, size_t validation, size_t test);

enum { NOWHERE = N_SPLITS };

/* Which part each row of the table is in, [n_rows], owned by the caller. Every part must be in table order, no row in
 * two of them, and none that was not given. */
uint8_t *parts_of(const struct data *d, const struct split *s);
/* Check all that must hold however rows were split, `left_out` of them being in no part. */
void check_split(const struct data *d, const struct result *r, size_t left_out);
size_t share(double fraction, size_t n);
/* The part has at most its target, and whoever was not taken, of those in `left` (bits), would have gone beyond it. */
void check_filled(const struct data *d, const uint8_t *part, uint8_t filled, unsigned left, size_t target);
bool is_in(const struct rows *rows, uint32_t row);

#endif
