/* jobs/dataset/filter.c - which rows are learned from, and how often each finding occurs among them. */
#include "cxrd/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void rows_release(struct rows *r)
{
    free(r->index);
    *r = (struct rows)ROWS_INIT;
}

static void count_labels(const struct table_row *row, size_t n, struct dataset_report *report)
{
    const uint64_t labels = row->labels, positive = labels & ~row->uncertain;

    for (size_t i = 0; i < n; i++) {
        struct said_count *said = &report->said[i];

        said->positive += positive >> i & 1;
        said->negative += row->absent >> i & 1;
        said->uncertain += row->uncertain >> i & 1;
        said->missing += !((positive | row->absent | row->uncertain) >> i & 1);
        report->unknown_labels[i] += row->unknown >> i & 1;
        if (!(labels >> i & 1))
            continue;
        report->label_counts[i]++;
        for (size_t j = 0; j < n; j++)
            report->cooccurrence[i][j] += labels >> j & 1;
    }
}

/* The whole table's counts, for the report. */
static void count_table(const struct table *t, struct dataset_report *report)
{
    report->rows = t->n_rows + t->n_joined;
    report->joined = t->n_joined;
    report->two_sexes = t->n_two_sexes;
    report->format = t->format;
    report->misfits = t->misfits;
    report->votes = t->votes;
    memcpy(report->csv_sha256, t->sha256, sizeof report->csv_sha256);
}

/* Whether anything is known of the row's findings. */
static bool is_labelled(const struct table *t, const struct table_row *row)
{
    size_t unknown = 0;

    for (size_t k = 0; k < t->labels.n; k++)
        unknown += row->unknown >> k & 1;
    return unknown < t->labels.n || t->labels.n == 0 || t->unlabelled;
}

static enum status refuse(const struct dataset_report *report, int max_age, struct error *err)
{
    char more[96] = "";

    if (report->dropped_views || report->dropped_unlabelled)
        snprintf(more, sizeof more, ", %zu are not frontal and of %zu no finding is known",
                 report->dropped_views, report->dropped_unlabelled);
    return error_set(err, ST_UNUSABLE,
                     "no row of the table is usable: of %zu rows %zu are above age %d and %zu "
                     "have no finding%s",
                     report->rows, report->dropped_age, max_age, report->dropped_no_finding, more);
}

enum status table_filter(const struct table *t, int max_age, bool drop_no_finding, bool frontal,
                         struct rows *ret_used, struct rows *ret_normal, struct dataset_report *report,
                         struct error *err)
{
    struct rows used = { 0, malloc((t->n_rows + 1) * sizeof *used.index) };
    struct rows normal = { 0, malloc((t->n_rows + 1) * sizeof *normal.index) };

    if (!used.index || !normal.index) {
        rows_release(&used);
        rows_release(&normal);
        return error_nomem(err);
    }
    count_table(t, report);
    for (size_t i = 0; i < t->n_rows; i++) {
        const struct table_row *row = &t->rows[i];

        if (row->age > (float)max_age) {
            report->dropped_age++;
        } else if (frontal && row->other_view) {
            report->dropped_views++;
        } else if (!is_labelled(t, row)) {
            report->dropped_unlabelled++;
        } else if (drop_no_finding && row->no_finding) {
            report->dropped_no_finding++;
            normal.index[normal.n++] = (uint32_t)i;
        } else {
            used.index[used.n++] = (uint32_t)i;
            count_labels(row, t->labels.n, report);
        }
    }
    if (!ret_normal || used.n == 0)
        rows_release(&normal);
    if (used.n == 0) {
        rows_release(&used);
        return refuse(report, max_age, err);
    }
    *ret_used = used;
    if (ret_normal)
        *ret_normal = normal;
    return ST_OK;
}
