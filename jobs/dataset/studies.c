/* jobs/dataset/studies.c - see studies.h. */
#include "studies.h"

#include <math.h>
#include <stdlib.h>

static int by_study(const void *a, const void *b)
{
    const uint64_t p = ((const struct table_row *)a)->study, q = ((const struct table_row *)b)->study;

    return (p > q) - (p < q);
}

/* `reader` of a study, which has none, counts its pictures meanwhile. */
static enum status take_over(struct table_row *row, struct table_row *study, const char *name,
                             struct error *err)
{
    if (row->patient != study->patient)
        return error_set(err, ST_FORMAT,
                         "the table '%.128s' gives a study to another patient than the table of its pictures",
                         name);
    row->labels = study->labels;
    row->absent = study->absent;
    row->uncertain = study->uncertain;
    row->no_finding = study->no_finding;
    row->other_finding = study->other_finding;
    row->age = isnan(row->age) ? study->age : row->age;
    row->sex = row->sex ? row->sex : study->sex;
    study->reader++;
    return ST_OK;
}

enum status studies_join(struct table_row *studies, size_t n, const char *name, struct table *t,
                         struct error *err)
{
    enum status st = ST_OK;

    if (n)
        qsort(studies, n, sizeof *studies, by_study);
    for (size_t i = 1; i < n; i++)
        if (studies[i].study == studies[i - 1].study)
            return error_set(err, ST_FORMAT, "the table '%.128s' has two rows of one study", name);
    for (size_t i = 0; i < t->n_rows && st == ST_OK; i++) {
        struct table_row *row = &t->rows[i];
        struct table_row *study = n ? bsearch(row, studies, n, sizeof *studies, by_study) : NULL;

        row->silent = !study;
        t->misfits.without_study += !study;
        if (study)
            st = take_over(row, study, name, err);
    }
    for (size_t i = 0; i < n; i++)
        t->misfits.without_pictures += studies[i].reader == 0;
    return st;
}
