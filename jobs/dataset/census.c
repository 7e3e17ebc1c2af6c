/* jobs/dataset/census.c - who is in the rows of a split: what is said of them, and what is not known. */
#include "cxrd/dataset.h"

#include <math.h>
#include <string.h>

static void count_row(const struct table *t, const struct table_row *row, struct part_report *part,
                      struct dataset_report *report)
{
    for (size_t k = 0; k < t->labels.n; k++)
        part->label_counts[k] += row->labels >> k & 1;
    for (size_t k = 0; k < t->labels.n; k++)
        part->unknown_labels[k] += row->unknown >> k & 1;
    part->no_finding += row->no_finding;
    report->unknown[INPUT_AGE] += !(row->age <= INPUT_OLDEST); /* NaN too */
    report->unknown[INPUT_SEX] += !row->sex;
    report->unknown[INPUT_VIEW] += !row->view;
    report->unknown[INPUT_HISTORY] += t->has_follow_up && !row->history_known;
    report->other_views += row->other_view;
    report->nobodys += row->patient == PATIENT_NONE;
}

void split_census(const struct table *t, const struct split *s, struct dataset_report *report)
{
    memcpy(report->odd, t->odd, sizeof report->odd);
    for (int part = 0; part < N_SPLITS; part++)
        for (size_t i = 0; i < s->part[part].n; i++)
            count_row(t, &t->rows[s->part[part].index[i]], &report->part[part], report);
}
