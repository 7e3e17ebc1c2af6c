/* jobs/dataset/filter.c - which rows are learned from, and how often each finding occurs among them. */
#include "cxrd/dataset.h"

#include <stdlib.h>
#include <string.h>

void rows_release(struct rows *r)
{
    free(r->index);
    *r = (struct rows)ROWS_INIT;
}

static void count_labels(uint64_t labels, size_t n, struct dataset_report *report)
{
    for (size_t i = 0; i < n; i++) {
        if (!(labels >> i & 1))
            continue;
        report->label_counts[i]++;
        for (size_t j = 0; j < n; j++)
            report->cooccurrence[i][j] += labels >> j & 1;
    }
}

enum status table_filter(const struct table *t, int max_age, bool drop_no_finding, struct rows *ret_used,
                         struct rows *ret_normal, struct dataset_report *report, struct error *err)
{
    struct rows used = { 0, malloc((t->n_rows + 1) * sizeof *used.index) };
    struct rows normal = { 0, malloc((t->n_rows + 1) * sizeof *normal.index) };

    if (!used.index || !normal.index) {
        rows_release(&used);
        rows_release(&normal);
        return error_nomem(err);
    }
    report->rows = t->n_rows + t->n_joined;
    report->joined = t->n_joined;
    report->two_sexes = t->n_two_sexes;
    memcpy(report->csv_sha256, t->sha256, sizeof report->csv_sha256);
    for (size_t i = 0; i < t->n_rows; i++) {
        const struct table_row *row = &t->rows[i];

        if (row->age > (float)max_age) {
            report->dropped_age++;
        } else if (drop_no_finding && row->no_finding) {
            report->dropped_no_finding++;
            normal.index[normal.n++] = (uint32_t)i;
        } else {
            used.index[used.n++] = (uint32_t)i;
            count_labels(row->labels, t->labels.n, report);
        }
    }
    if (!ret_normal || used.n == 0)
        rows_release(&normal);
    if (used.n == 0) {
        rows_release(&used);
        return error_set(err, ST_UNUSABLE,
                         "no row of the table is usable: of %zu rows %zu are above age %d and %zu "
                         "have no finding",
                         report->rows, report->dropped_age, max_age, report->dropped_no_finding);
    }
    *ret_used = used;
    if (ret_normal)
        *ret_normal = normal;
    return ST_OK;
}
