/* jobs/training/plots.c - see plots.h. */
#include "plots.h"

#include "column.h"
#include "cxrd/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COMMONEST = 10, SAMPLES = 9, BINS = 10, STREAM_SAMPLES = 32 };

static enum status put(json_t *object, const char *key, json_t *value)
{
    return value && json_object_set_new(object, key, value) == 0 ? ST_OK : ST_NOMEM;
}

static json_t *names_json(const struct labels *labels, uint64_t findings)
{
    json_t *names = json_array();

    for (size_t k = 0; k < labels->n; k++)
        if (findings >> k & 1)
            json_array_append_new(names, json_string(labels->names[k]));
    return names;
}

json_t *labels_json(const struct table *t, size_t row) { return names_json(&t->labels, t->rows[row].labels); }

/* Findings that occur together, and how often. */
struct combination {
    uint64_t findings;
    size_t images;
};

static int by_findings(const void *a, const void *b)
{
    const uint64_t p = ((const struct combination *)a)->findings,
                   q = ((const struct combination *)b)->findings;

    return (p > q) - (p < q);
}

/* The commonest first; of as common ones that with the lower bits. */
static int by_images(const void *a, const void *b)
{
    const size_t p = ((const struct combination *)a)->images, q = ((const struct combination *)b)->images;

    return p == q ? by_findings(a, b) : p < q ? 1 : -1;
}

/* Those that there are, [rows]; NULL without memory. */
static struct combination *combinations_count(const struct table *t, const struct rows *rows, size_t *ret_n)
{
    struct combination *all = malloc((rows->n + 1) * sizeof *all);
    size_t n = 0;

    if (!all)
        return NULL;
    for (size_t i = 0; i < rows->n; i++)
        all[i] = (struct combination){ t->rows[rows->index[i]].labels, 1 };
    qsort(all, rows->n, sizeof *all, by_findings);
    for (size_t i = 0; i < rows->n; i++)
        if (n > 0 && all[n - 1].findings == all[i].findings)
            all[n - 1].images++;
        else
            all[n++] = all[i];
    qsort(all, n, sizeof *all, by_images);
    *ret_n = n;
    return all;
}

enum status plots_combinations(json_t *plots, const struct table *t, const struct rows *rows)
{
    size_t n = 0, rest = rows->n;
    struct combination *all = combinations_count(t, rows, &n);
    json_t *commonest = json_array();

    if (!all || !commonest) {
        free(all);
        json_decref(commonest);
        return ST_NOMEM;
    }
    for (size_t i = 0; i < n && i < COMMONEST; i++) {
        json_array_append_new(commonest,
                              json_pack("{s:o,s:I}", "labels", names_json(&t->labels, all[i].findings),
                                        "images", (json_int_t)all[i].images));
        rest -= all[i].images;
    }
    free(all);
    if (put(plots, "other_images", json_integer((json_int_t)rest)) != ST_OK) {
        json_decref(commonest);
        return ST_NOMEM;
    }
    return put(plots, "combinations", commonest);
}

/* One picture as an entry of "samples"; NULL where it is no good or there is no memory. Errors: picture_load()'s of what
 * lies outside. */
static enum status sample_json(const struct pictures *pictures, uint32_t row, uint8_t *grey,
                               json_t **ret_sample, struct error *err)
{
    const enum status st = picture_load(pictures, row, grey, err);

    *ret_sample = st == ST_OK ? json_pack("{s:s,s:o,s:o}", "image", table_image(pictures->table, row),
                                          "labels", labels_json(pictures->table, row), "png",
                                          picture_json(grey, pictures->pre.size))
                              : NULL;
    return status_is_outside(st) ? st : ST_OK;
}

enum status plots_samples(json_t *plots, const struct pictures *pictures, const struct rows *rows,
                          uint64_t seed, struct error *err)
{
    enum status st = ST_OK;
    uint8_t *grey = malloc(pictures->pre.size * pictures->pre.size);
    uint32_t *lot = malloc((rows->n + 1) * sizeof *lot);
    json_t *samples = json_array();
    struct rng rng;

    if (grey && lot && samples) {
        memcpy(lot, rows->index, rows->n * sizeof *lot);
        rng_seed(&rng, seed, STREAM_SAMPLES);
        rng_shuffle(&rng, lot, rows->n);
        for (size_t i = 0;
             i < rows->n && i < (size_t)4 * SAMPLES && st == ST_OK && json_array_size(samples) < SAMPLES;
             i++) {
            json_t *sample = NULL;

            st = sample_json(pictures, lot[i], grey, &sample, err);
            if (sample)
                json_array_append_new(samples, sample);
        }
    }
    free(grey);
    free(lot);
    if (put(plots, "samples", samples) != ST_OK)
        return error_nomem(err);
    return st;
}

enum status plots_reliability(json_t *plots, const char *split, const struct scores *s)
{
    double predicted[BINS] = { 0 };
    size_t rows[BINS] = { 0 }, positives[BINS] = { 0 };
    json_t *all = json_object_get(plots, "reliability"), *bins = json_array();

    if (!all && put(plots, "reliability", all = json_object()) != ST_OK) {
        json_decref(bins);
        return ST_NOMEM;
    }
    for (size_t i = 0; i < s->n * s->labels->n; i++) {
        const double p = (double)s->prob[i];
        const size_t bin = p < 1 ? (size_t)(p * BINS) : BINS - 1;

        if (s->truth[i] >= TRUTH_UNKNOWN)
            continue;
        rows[bin]++;
        predicted[bin] += p;
        positives[bin] += s->truth[i];
    }
    for (size_t b = 0; b < BINS; b++)
        json_array_append_new(
            bins, json_pack("{s:I,s:o,s:o}", "rows", (json_int_t)rows[b], "predicted",
                            rows[b] ? json_real(predicted[b] / (double)rows[b]) : json_null(), "positive",
                            rows[b] ? json_real((double)positives[b] / (double)rows[b]) : json_null()));
    return put(all, split, bins);
}
