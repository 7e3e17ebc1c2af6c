/* jobs/training/profile_record.c - the profile of a table as JSON: `dataset.table` of a job's record. */
#include "record.h"

static json_t *info_json(const struct table_profile *p)
{
    json_t *info = json_array();

    for (size_t i = 0; i < p->n; i++)
        json_array_append_new(info, json_pack("{s:s,s:s,s:o}", "column", p->column[i].name, "type",
                                              COLUMN_TYPE_NAMES[p->column[i].type], "non_null",
                                              count_json(p->column[i].non_null)));
    return info;
}

static json_t *described_json(const struct column_profile *c)
{
    return json_pack("{s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "column", c->name, "count",
                     count_json(c->count), "mean", number_or_null(c->mean), "std", number_or_null(c->std),
                     "min", number_or_null(c->min), "p25", number_or_null(c->quartile[0]), "p50",
                     number_or_null(c->quartile[1]), "p75", number_or_null(c->quartile[2]), "max",
                     number_or_null(c->max));
}

static json_t *describe_json(const struct table_profile *p)
{
    json_t *all = json_array();

    for (size_t i = 0; i < p->n; i++)
        if (p->column[i].described)
            json_array_append_new(all, described_json(&p->column[i]));
    return all;
}

/* {"columns":[…],"rows":[[…],…]} */
static json_t *first_json(const struct table_profile *p)
{
    json_t *columns = json_array(), *rows = json_array();

    for (size_t i = 0; i < p->n; i++)
        if (p->column[i].shown)
            json_array_append_new(columns, json_string(p->column[i].name));
    for (size_t row = 0; row < p->n_first; row++) {
        json_t *cells = json_array();

        for (size_t i = 0; i < p->n; i++)
            if (p->column[i].shown)
                json_array_append_new(cells, json_string(p->first[row][i]));
        json_array_append_new(rows, cells);
    }
    return json_pack("{s:o,s:o}", "columns", columns, "rows", rows);
}

static json_t *old_json(const struct table_profile *p)
{
    json_t *oldest = json_array();

    for (size_t i = 0; i < p->n_old; i++)
        json_array_append_new(
            oldest, json_pack("{s:o,s:s}", "age", number_or_null(p->old[i].age), "image", p->old[i].image));
    return json_pack("{s:o,s:o,s:o}", "limit", number_or_null(p->age_limit), "rows", count_json(p->old_rows),
                     "oldest", oldest);
}

json_t *table_profile_json(const struct table_profile *p)
{
    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o}", "rows", count_json(p->rows), "columns",
                     count_json(p->columns), "info", info_json(p), "describe", describe_json(p), "first",
                     first_json(p), "old", old_json(p));
}
