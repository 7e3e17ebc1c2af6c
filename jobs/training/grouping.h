/* jobs/training/grouping.h - which rows belong together: by sex, age, view and scanner. */
#ifndef JOBS_TRAINING_GROUPING_H
#define JOBS_TRAINING_GROUPING_H

#include "cxrd/dataset.h"
#include "cxrd/groups.h"

#include <stdint.h>

/* Eight scanners, all others, and rows of which nothing is known. */
enum { MOST_GROUPS = MOST_SCANNERS + 2 };

/* The parts of one grouping, with rows or without. Ages are by twenty years, as in Seyyed-Kalantari et al. (Nature Medicine
 * 2021), whole years that have passed. */
struct partition {
    size_t n;
    struct {
        char name[GROUP_NAME];
        bool known; /* see struct group */
        size_t rows;
    } parts[MOST_GROUPS];
    uint8_t *of; /* [rows]: part, owned */
};

/* Share out `n` rows of a table. Where nothing is known of any of them, `n` of the partition is 0. Errors: ST_NOMEM. */
MUST_USE enum status partition_make(enum grouping by, const struct table *t, const uint32_t *rows, size_t n,
                                    struct partition *ret);
void partition_release(struct partition *p); /* safe on zeroes */

#endif
