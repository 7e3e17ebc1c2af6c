/* jobs/training/warnings.c - what a person must know of a training's data and figures, as the record, the report and the
 * page show it. */
#include "cxrd/trainer.h"

#include "cxrd/json.h"

/* Of the usable rows: above it a column is said to be unknown. */
static const double MOSTLY_KNOWN = 0.05;

static void warn(json_t *list, const char *code, json_t *detail)
{
    json_array_append_new(list, json_pack("{s:s,s:o}", "code", code, "detail", detail));
}

static double percent(size_t n, size_t of) { return of ? 100.0 * (double)n / (double)of : 0; }

/* ", such as 'LL'"; an empty text where there is nothing to show. The caller's to free. */
static json_t *such_as(const char *odd)
{
    json_t *text = json_any_text(odd);
    json_t *phrase = odd[0] ? json_sprintf(", such as '%s'", json_string_value(text)) : json_string("");

    json_decref(text);
    return phrase;
}

static void warn_of_values(const struct dataset_report *d, json_t *list)
{
    static const char *const COLUMNS[N_INPUT_KINDS] = { "Patient Age", "Patient Gender", "View Position" };

    for (size_t kind = 0; kind < N_INPUT_KINDS; kind++) {
        json_t *example = such_as(d->odd[kind]);

        if ((double)d->unknown[kind] > MOSTLY_KNOWN * (double)d->usable)
            warn(list, "unknown_values",
                 json_sprintf("'%s' is not known of %zu of the %zu usable rows (%.0f %%): the column is "
                              "missing, empty or "
                              "not understood%s",
                              COLUMNS[kind], d->unknown[kind], d->usable,
                              percent(d->unknown[kind], d->usable), json_string_value(example)));
        json_decref(example);
    }
    if (d->other_views > 0) {
        json_t *example = such_as(d->odd[INPUT_VIEW]);

        warn(list, "other_views",
             json_sprintf(
                 "%zu of the %zu usable rows have a view that is neither PA nor AP%s: the model is for "
                 "frontal radiographs",
                 d->other_views, d->usable, json_string_value(example)));
        json_decref(example);
    }
}

json_t *dataset_warnings(const struct dataset_report *d)
{
    json_t *list = lineage_warnings(d->init_split);

    warn_of_values(d, list);
    return list;
}
