/* server/api/drift.c - see drift.h. */
#include "drift.h"

#include "cxrd/json.h"

#include <math.h>
#include <string.h>

/* Nine numbers that do not fall. */
static bool read_row(const json_t *row, double ret[DRIFT_BINS - 1])
{
    if (json_array_size(row) != DRIFT_BINS - 1)
        return false;
    for (size_t i = 0; i < DRIFT_BINS - 1; i++) {
        const json_t *value = json_array_get(row, i);

        ret[i] = json_number_value(value);
        if (!json_is_number(value) || (i > 0 && ret[i] < ret[i - 1]))
            return false;
    }
    return true;
}

static bool read_deciles(const struct model *m, double ret[MAX_LABELS][DRIFT_BINS - 1])
{
    const char *text = json_string_value(json_object_get(model_notes(m), DRIFT_NOTE));
    const size_t n = model_labels(m)->n;
    json_t *rows = NULL;
    bool ok = text && json_read(text, strlen(text), 0, &rows, NULL) == ST_OK && json_array_size(rows) == n;

    for (size_t i = 0; i < n && ok; i++)
        ok = read_row(json_array_get(rows, i), ret[i]);
    json_decref(rows);
    return ok;
}

/* The validation rows that the deciles are of; 0 where the file does not say. */
static double read_rows(const struct model *m)
{
    const char *text = json_string_value(json_object_get(model_notes(m), "metrics"));
    json_t *metrics = NULL;
    double rows = 0;

    if (text && json_read(text, strlen(text), 0, &metrics, NULL) == ST_OK)
        rows = (double)json_integer_value(json_object_get(json_object_get(metrics, "validation"), "rows"));
    json_decref(metrics);
    return fmax(rows, 0);
}

static void begin(struct drift *d, const struct loaded_model *by)
{
    memset(d, 0, sizeof *d);
    memcpy(d->model, by->id, sizeof d->model);
    d->labels = *model_labels(by->model);
    d->reference = read_rows(by->model);
    d->known = d->reference > 0 && read_deciles(by->model, d->deciles);
}

void drift_add(struct drift *d, const struct loaded_model *by, const json_t *probabilities)
{
    if (strcmp(d->model, by->id) != 0)
        begin(d, by);
    if (!d->known)
        return;
    for (size_t i = 0; i < d->labels.n; i++) {
        const double p = json_number_value(json_object_get(probabilities, d->labels.names[i]));
        size_t bin = 0;

        while (bin < DRIFT_BINS - 1 && p > d->deciles[i][bin])
            bin++;
        d->counts[i][bin]++;
    }
    d->squares++;
    if (++d->seen < DRIFT_WINDOW)
        return;
    for (size_t i = 0; i < d->labels.n; i++)
        for (size_t bin = 0; bin < DRIFT_BINS; bin++)
            d->counts[i][bin] /= 2;
    d->seen /= 2;
    d->squares /= 4;
}

bool drift_psi(const struct drift *d, double ret_psi[MAX_LABELS], double *ret_latest)
{
    const double latest = d->squares > 0 ? d->seen * d->seen / d->squares : 0;

    if (!d->known || d->seen < DRIFT_LEAST)
        return false;
    *ret_latest = latest;
    for (size_t i = 0; i < d->labels.n; i++) {
        ret_psi[i] = -(DRIFT_BINS - 1) * (1 / d->reference + 1 / latest);
        for (size_t bin = 0; bin < DRIFT_BINS; bin++) {
            /* half a score in every bin, so that an empty one does not make it infinite */
            const double share = (d->counts[i][bin] + 0.5) / (d->seen + 0.5 * DRIFT_BINS);

            ret_psi[i] += (share - 1.0 / DRIFT_BINS) * log(share * DRIFT_BINS);
        }
    }
    return true;
}
