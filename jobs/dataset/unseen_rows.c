/* jobs/dataset/unseen_rows.c - rows that a model may be tested on beside its split, see cxrd/dataset.h. */
#include "row_groups.h"

#include <stdlib.h>
#include <string.h>

/* The rows that are learned from, then `rows`. */
static enum status gather(const struct split *split, const struct rows *rows, struct rows *ret)
{
    const struct rows *const parts[] = { &split->part[TRAIN], &split->part[VALIDATION], rows };
    struct rows all = { 0, malloc((parts[0]->n + parts[1]->n + rows->n + 1) * sizeof *all.index) };

    if (!all.index)
        return ST_NOMEM;
    for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++)
        for (size_t i = 0; i < parts[p]->n; i++)
            all.index[all.n++] = parts[p]->index[i];
    *ret = all;
    return ST_OK;
}

/* Keep those rows that hang together with none of the first n_known positions: `group` is of all positions. */
static enum status keep_others(const uint32_t *group, size_t n_known, struct rows *rows)
{
    const size_t n = rows->n;
    bool *known = calloc(n_known + n + 1, sizeof *known);

    if (!known)
        return ST_NOMEM;
    for (size_t i = 0; i < n_known; i++)
        known[group[i]] = true;
    rows->n = 0;
    for (size_t i = 0; i < n; i++)
        if (!known[group[n_known + i]])
            rows->index[rows->n++] = rows->index[i];
    free(known);
    return ST_OK;
}

enum status rows_keep_unseen(const struct table *t, const struct split *split, enum split_by by,
                             const uint64_t *pixels, struct rows *rows)
{
    const size_t n_known = split->part[TRAIN].n + split->part[VALIDATION].n;
    struct rows all = ROWS_INIT;
    struct row_groups groups = { 0 };
    enum status st = gather(split, rows, &all);

    if (st == ST_OK)
        st = row_groups_find(t, &all, pixels, &groups);
    if (st == ST_OK)
        st = keep_others(by == SPLIT_IMAGE ? groups.same_picture : groups.group, n_known, rows);
    row_groups_release(&groups);
    rows_release(&all);
    return st;
}
