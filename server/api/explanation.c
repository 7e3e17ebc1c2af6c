/* server/api/explanation.c - a contribution map as JSON. */
#include "prediction.h"

json_t *explanation_json(const struct explanation *e)
{
    json_t *grid = json_array();

    for (size_t y = 0; y < e->rows; y++) {
        json_t *row = json_array();

        for (size_t x = 0; x < e->columns; x++)
            json_array_append_new(row, json_real(e->grid[y * e->columns + x]));
        json_array_append_new(grid, row);
    }
    return json_pack("{s:s,s:f,s:f,s:f,s:o}", "label", LABELS[e->label], "logit", e->logit, "bias", e->bias,
                     "inputs", e->inputs, "grid", grid);
}
