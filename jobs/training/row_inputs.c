/* jobs/training/row_inputs.c - see row_inputs.h. */
#include "row_inputs.h"

#include <math.h>

struct input_values row_values(const struct table_row *row)
{
    struct input_values v = INPUTS_UNKNOWN;

    if (row->age <= INPUT_OLDEST)
        v.of[INPUT_AGE] = (double)row->age;
    if (row->sex)
        v.of[INPUT_SEX] = row->sex == 'M';
    if (row->view)
        v.of[INPUT_VIEW] = row->view == 'A';
    return v;
}

void row_inputs(const struct table *t, const struct rows *rows, unsigned bits, struct inputs *ret)
{
    *ret = (struct inputs){ 0 };
    for (size_t kind = 0; kind < N_INPUT_KINDS; kind++) {
        double n = 0, sum = 0, squares = 0, mean, variance;

        if (!(bits >> kind & 1))
            continue;
        for (size_t i = 0; i < rows->n; i++) {
            const double v = row_values(&t->rows[rows->index[i]]).of[kind];

            if (isnan(v))
                continue;
            n++;
            sum += v;
            squares += v * v;
        }
        mean = n > 0 ? sum / n : 0;
        variance = n > 0 ? squares / n - mean * mean : 0;
        ret->of[ret->n].kind = (enum input_kind)kind;
        ret->of[ret->n].mean = mean;
        ret->of[ret->n++].std =
            variance > 1e-6 ? sqrt(variance) : 1; /* the same in all rows: nothing to learn from */
    }
}
