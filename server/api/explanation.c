/* server/api/explanation.c - an explanation as JSON. Contributions, which add up, are what the contract knew first: a reply names
 * its method where it is another. */
#include "prediction.h"

static json_t *colour_json(const uint8_t rgb[3]) { return json_pack("[i,i,i]", rgb[0], rgb[1], rgb[2]); }

static json_t *scale_json(const struct explanation *e)
{
    const struct heatmap_scale s = heatmap_scale_of(e->rows, e->columns);

    return json_pack("{s:f,s:f,s:o,s:o}", "full", s.full, "opacity", s.opacity, "raises",
                     colour_json(s.raises), "lowers", colour_json(s.lowers));
}

json_t *explanation_json(const struct explanation *e, const struct labels *labels)
{
    const bool occluded = e->method == EXPLAIN_OCCLUSION;
    json_t *grid = json_array();

    for (size_t y = 0; y < e->rows; y++) {
        json_t *row = json_array();

        for (size_t x = 0; x < e->columns; x++)
            json_array_append_new(row, json_real(e->grid[y * e->columns + x]));
        json_array_append_new(grid, row);
    }
    return json_pack("{s:s,s:f,s:o,s:f,s:o,s:o,s:s*}", "label", labels->names[e->label], "logit", e->logit,
                     "bias", occluded ? json_null() : json_real(e->bias), "inputs", e->inputs, "grid", grid,
                     "scale", scale_json(e), "method", occluded ? explanation_method_name(e->method) : NULL);
}
