/* jobs/training/annotate.c - what the weights say of themselves: whom they have seen, how good they are, and from which
 * probability on a finding is positive. */
#include "run.h"

#include "cxrd/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum status run_add_note(struct run *r, const char *key, const char *text)
{
    struct model *before = r->result->model, *after = NULL;
    json_t *notes = json_deep_copy(model_notes(before));
    enum status st;

    if (!notes || !text || json_object_set_new(notes, key, json_string(text)) != 0) {
        json_decref(notes);
        return error_nomem(r->err);
    }
    st = model_new(model_network(before), model_labels(before), model_preprocess(before),
                   model_params(before), notes, &after, r->err);
    if (st == ST_OK) {
        model_unref(before);
        r->result->model = after;
    }
    return st;
}

const char *run_population(const struct run *r)
{
    const json_t *before = r->request->init ? model_notes(r->request->init) : NULL;
    const char *seen = json_string_value(json_object_get(before, "population"));
    const struct rows *train = &r->split.part[TRAIN];

    if (seen && strcmp(seen, "all") == 0)
        return "all";
    for (size_t i = 0; i < train->n; i++)
        if (r->table.rows[train->index[i]].no_finding)
            return "all";
    return "findings-only";
}

char *run_data_text(const struct run *r)
{
    const struct dataset_report *d = &r->result->dataset;
    json_t *data;
    char *text;

    json_watch();
    data = json_pack("{s:s,s:s,s:I,s:I,s:I,s:s?}", "csv_sha256", d->csv_sha256, "split_sha256",
                     d->split_sha256, "train", (json_int_t)d->train, "validation", (json_int_t)d->validation,
                     "test", (json_int_t)d->test, "init_split", LINEAGE_NAMES[d->init_split]);
    text = json_built(data, JSON_COMPACT);
    json_decref(data);
    return text;
}

/* The end of an interval may be beyond by a rounding; NaN stays. */
static double share(double v) { return v < 0 ? 0 : v > 1 ? 1 : v; }

static struct operating_quality quality_of(const struct operating_report *o)
{
    return (struct operating_quality){ o->sensitivity.value,       share(o->sensitivity.low),
                                       share(o->sensitivity.high), o->specificity.value,
                                       share(o->specificity.low),  share(o->specificity.high) };
}

static void tell_quality(const struct evaluation *test, size_t n_labels, struct operating_points *points)
{
    for (size_t k = 0; k < n_labels; k++) {
        points->auroc[k] = test->findings[k].auroc.value;
        points->auroc_low[k] = test->findings[k].auroc.low;
        points->auroc_high[k] = test->findings[k].auroc.high;
        points->positives[k] = (int64_t)test->findings[k].positives;
        points->negatives[k] = (int64_t)(test->rows - test->findings[k].positives);
        for (int kind = 0; kind < N_OPERATING; kind++)
            points->rates[kind][k] = quality_of(&test->findings[k].operating[kind]);
    }
}

enum status run_annotate(struct run *r)
{
    struct train_result *result = r->result;
    json_t *metrics;
    char *text, *points;
    enum status st;

    json_watch();
    metrics = metrics_json(result);
    text = json_built(metrics, JSON_COMPACT | JSON_REAL_PRECISION(9));
    st = run_add_note(r, "metrics", text);

    tell_quality(&result->evaluation[SCORED_TEST], result->labels.n, &result->operating);
    points = operating_points_text(&result->operating, &result->labels);
    if (st == ST_OK)
        st = run_add_note(r, "operating_points", points);
    free(points);
    free(text);
    json_decref(metrics);
    return st;
}
