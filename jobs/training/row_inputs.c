/* jobs/training/row_inputs.c - see row_inputs.h. */
#include "row_inputs.h"

#include <math.h>

/* How often and how lately each finding was there before. */
static void course_values(const struct table *t, const struct table_row *row, struct input_values *v)
{
    size_t next = row->course;

    v->of[INPUT_FILMS] = input_often(row->films);
    for (size_t k = 0; k < t->labels.n; k++) {
        double often = 0, lately = 0;

        if (row->ever >> k & 1) {
            often = input_often(t->course[next].films);
            lately = input_lately(t->course[next++].since);
        } else if (row->ever_unknown >> k & 1) {
            often = lately = NAN;
        }
        v->of[INPUT_OFTEN + k] = often;
        v->of[INPUT_LATELY + k] = lately;
    }
}

struct input_values row_values(const struct table *t, size_t at)
{
    const struct table_row *row = &t->rows[at];
    struct input_values v = INPUTS_UNKNOWN;

    if (row->age <= INPUT_OLDEST)
        v.of[INPUT_AGE] = (double)row->age;
    if (row->sex)
        v.of[INPUT_SEX] = row->sex == 'M';
    if (row->view)
        v.of[INPUT_VIEW] = row->view == 'A';
    if (row->history_known) {
        v.of[INPUT_EARLIER] = row->earlier;
        course_values(t, row, &v);
    }
    for (size_t k = 0; k < t->labels.n && row->history_known; k++) {
        v.of[INPUT_EVER + k] = row->ever_unknown >> k & 1 ? NAN : (double)(row->ever >> k & 1);
        v.of[INPUT_LAST + k] = row->last_unknown >> k & 1 ? NAN : (double)(row->last >> k & 1);
    }
    return v;
}

/* Mean and deviation of each number over the rows in which it is known. */
struct spread {
    double n, sum, squares;
};

static void spread_measure(const struct table *t, const struct rows *rows, struct spread of[N_INPUT_NUMBERS])
{
    for (size_t i = 0; i < rows->n; i++) {
        const struct input_values values = row_values(t, rows->index[i]);

        for (size_t number = 0; number < N_INPUT_NUMBERS; number++) {
            const double v = values.of[number];

            if (isnan(v))
                continue;
            of[number].n++;
            of[number].sum += v;
            of[number].squares += v * v;
        }
    }
}

void row_inputs(const struct table *t, const struct rows *rows, unsigned bits, struct inputs *ret)
{
    struct spread of[N_INPUT_NUMBERS] = { { 0 } };

    *ret = (struct inputs){ 0 };
    spread_measure(t, rows, of);
    for (size_t number = 0; number < N_INPUT_NUMBERS; number++) {
        const struct spread *s = &of[number];
        const double mean = s->n > 0 ? s->sum / s->n : 0;
        const double variance = s->n > 0 ? s->squares / s->n - mean * mean : 0;

        if (!input_exists(number, t->labels.n) || !(bits >> input_kind_of(number) & 1))
            continue;
        ret->of[ret->n].number = number;
        ret->of[ret->n].mean = mean;
        ret->of[ret->n++].std =
            variance > 1e-6 ? sqrt(variance) : 1; /* the same in all rows: nothing to learn from */
    }
}
