/* jobs/training/plots.c - see plots.h. */
#include "plots.h"

#include "column.h"
#include "cxrd/encoding.h"
#include "cxrd/image.h"
#include "cxrd/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COMBINATIONS = 1 << N_LABELS, COMMONEST = 10, SAMPLES = 9, BINS = 10, STREAM_SAMPLES = 32 };

static enum status put(json_t *object, const char *key, json_t *value)
{
    return value && json_object_set_new(object, key, value) == 0 ? ST_OK : ST_NOMEM;
}

json_t *labels_json(uint16_t labels)
{
    json_t *names = json_array();

    for (size_t k = 0; k < N_LABELS; k++)
        if (labels >> k & 1)
            json_array_append_new(names, json_string(LABELS[k]));
    return names;
}

enum status plots_combinations(json_t *plots, const struct table *t, const struct rows *rows)
{
    size_t *counts = calloc(COMBINATIONS, sizeof *counts), rest = rows->n;
    json_t *commonest = json_array();

    if (!counts || !commonest) {
        free(counts);
        json_decref(commonest);
        return ST_NOMEM;
    }
    for (size_t i = 0; i < rows->n; i++)
        counts[t->rows[rows->index[i]].labels]++;
    for (int place = 0; place < COMMONEST; place++) {
        size_t best = 0;

        for (size_t c = 1; c < COMBINATIONS; c++)
            if (counts[c] > counts[best])
                best = c;
        if (counts[best] == 0)
            break;
        json_array_append_new(commonest, json_pack("{s:o,s:I}", "labels", labels_json((uint16_t)best),
                                                   "images", (json_int_t)counts[best]));
        rest -= counts[best];
        counts[best] = 0;
    }
    free(counts);
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
    const size_t size = pictures->pre.size;
    struct buf png = BUF_INIT(4 << 20), text = BUF_INIT(8 << 20);
    json_t *sample = NULL;
    const enum status st = picture_load(pictures, row, grey, err);

    if (st == ST_OK && image_encode_png(grey, size, size, 1, &png, NULL) == ST_OK) {
        base64_put(&text, png.data, png.len);
        if (buf_status(&text) == ST_OK)
            sample = json_pack("{s:s,s:o,s:s}", "image", table_image(pictures->table, row), "labels",
                               labels_json(pictures->table->rows[row].labels), "png", text.data);
    }
    buf_release(&png);
    buf_release(&text);
    *ret_sample = sample;
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
    for (size_t i = 0; i < s->n * N_LABELS; i++) {
        const double p = (double)s->prob[i];
        const size_t bin = p < 1 ? (size_t)(p * BINS) : BINS - 1;

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
