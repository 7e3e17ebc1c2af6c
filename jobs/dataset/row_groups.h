/* jobs/dataset/row_groups.h - which rows of a split belong together: those of one patient, and those whose pictures are equal. */
#ifndef JOBS_DATASET_ROW_GROUPS_H
#define JOBS_DATASET_ROW_GROUPS_H

#include "cxrd/dataset.h"

struct row_groups {
    uint32_t *group; /* [rows->n], owned: equal for positions that patients or pictures connect */
    uint32_t *
        same_picture; /* [rows->n], owned: the first position with an equal picture, or the position itself */
    size_t equal_pictures,
        equal_patients; /* rows whose picture another row has; patients who share a picture with another */
};

/* `pixels` as in struct split_options. Errors: ST_NOMEM. */
MUST_USE enum status row_groups_find(const struct table *t, const struct rows *rows, const uint64_t *pixels,
                                     struct row_groups *ret);
void row_groups_release(struct row_groups *k); /* safe on zeroes */

#endif
