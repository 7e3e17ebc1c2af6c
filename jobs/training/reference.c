/* jobs/training/reference.c - see reference.h. */
#include "reference.h"

#include "cxrd/decimal.h"
#include "cxrd/json.h"

#include <jansson.h>
#include <stdlib.h>

enum { DECILES = 9 };

static int compare(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

/* The smallest score that at least a tenth, two tenths, … of the rows do not exceed. */
static json_t *deciles_of(const struct scores *s, size_t finding, float *sorted)
{
    json_t *row = json_array();

    for (size_t i = 0; i < s->n; i++)
        sorted[i] = s->prob[i * s->labels->n + finding];
    qsort(sorted, s->n, sizeof *sorted, compare);
    for (size_t d = 1; d <= DECILES; d++)
        json_array_append_new(row, decimal_json(sorted[(s->n * d + DECILES) / (DECILES + 1) - 1]));
    return row;
}

char *reference_text(const struct scores *s)
{
    float *sorted = malloc(s->n * sizeof *sorted);
    json_t *rows;
    char *text;

    json_watch();
    rows = json_array();
    for (size_t k = 0; k < s->labels->n && sorted; k++)
        json_array_append_new(rows, deciles_of(s, k, sorted));
    text = json_array_size(rows) == s->labels->n ? json_built(rows, JSON_COMPACT | JSON_REAL_PRECISION(9))
                                                 : NULL;
    json_decref(rows);
    free(sorted);
    return text;
}
