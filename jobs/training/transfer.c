/* jobs/training/transfer.c - see transfer.h. */
#include "transfer.h"

#include "cxrd/cpu.h"
#include "cxrd/digest.h"
#include "cxrd/json.h"
#include "cxrd/memory.h"
#include "cxrd/weights.h"
#include "folds.h"
#include "regression.h"
#include "row_inputs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_VIEWS = 16, MAX_MADE = 512 };

struct transfer {
    size_t copies;                           /* the picture as it is, and its views */
    struct model *base;                      /* the network as it is cut, its head all 0 */
    struct model *model;                     /* with the fitted head */
    struct image_cache *kept[1 + MAX_VIEWS]; /* features of each copy; NULL: nowhere */
};

const struct model *transfer_model(const struct transfer *t) { return t->model; }

void transfer_free(struct transfer *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->copies; i++)
        image_cache_close(t->kept[i]);
    model_unref(t->base);
    model_unref(t->model);
    free(t);
}

/* ---- the network as it is cut ---- */

/* `net` with the values of the model to start from, and zeroes for a head.
 *   notes  taken over */
static enum status cut_model(const struct run *r, const struct network *net, const struct labels *labels,
                             json_t *notes, struct model **ret)
{
    const struct model *init = r->request->init;
    float *values = calloc(net->n_params + net->n_state, sizeof *values);
    enum status st;

    if (!values) {
        json_decref(notes);
        return error_nomem(r->err);
    }
    network_take(net, values, model_network(init), model_params(init));
    st = model_new(net, labels, model_preprocess(init), values, notes, ret, r->err);
    free(values);
    return st;
}

static enum status base_make(const struct run *r, struct transfer *t)
{
    char *inputs = inputs_text(&r->inputs, &r->config->labels);
    json_t *notes = r->inputs.n ? json_pack("{s:s?}", "inputs", inputs) : json_object();
    const bool ok = inputs && notes;

    free(inputs);
    if (!ok) {
        json_decref(notes);
        return error_nomem(r->err);
    }
    return cut_model(r, r->net, &r->config->labels, notes, &t->base);
}

/* ---- what is kept ---- */

/* A digest of the network as it is cut, with its values and its scaling. Findings and inputs are left out: features do not depend
 * on them. */
static enum status features_digest(const struct run *r, char sha256[DIGEST_TEXT_SIZE])
{
    const struct cut cut = train_config_cut(r->config);
    struct labels one = { 0 };
    struct buf file = BUF_INIT(WEIGHTS_MAX_BYTES);
    const struct network *net = NULL;
    struct model *m = NULL;
    enum status st = labels_add(&one, "features", strlen("features"), r->err);

    if (st == ST_OK)
        st = network_cut(model_network(r->request->init), &cut, 1, 0, &net, r->err);
    if (st == ST_OK)
        st = cut_model(r, net, &one, NULL, &m);
    if (st == ST_OK)
        st = weights_write(m, &file, r->err);
    if (st == ST_OK && digest_bytes(file.data, file.len, sha256) != ST_OK)
        st = error_nomem(r->err);
    network_unref(net);
    model_unref(m);
    buf_release(&file);
    return st;
}

static void kept_open(const struct run *r, struct transfer *t, const char *sha256)
{
    char made[MAX_MADE];
    struct image_cache_options o = { .folder = r->request->cache_folder,
                                     .max_bytes = r->request->cache_bytes,
                                     .csv_sha256 = r->result->dataset.csv_sha256,
                                     .images = r->config->images,
                                     .root = r->root_path,
                                     .n_rows = r->table.n_rows,
                                     .pre = r->pre,
                                     .made = made,
                                     .slot_bytes = model_features(t->base) * sizeof(float) };

    for (size_t i = 0; i < t->copies; i++) {
        snprintf(made, sizeof made, "features of %s by %s, %s, view %zu of seed %jd", sha256, cpu_simd(),
                 cpu_blas(), i, i ? (intmax_t)r->config->seed : 0);
        t->kept[i] = image_cache_open(&o);
    }
}

enum status transfer_new(struct run *r, struct transfer **ret)
{
    struct transfer *t = calloc(1, sizeof *t);
    char sha256[DIGEST_TEXT_SIZE];
    enum status st;

    if (!t)
        return error_nomem(r->err);
    t->copies = 1 + (size_t)r->config->transfer_views;
    st = base_make(r, t);
    if (st == ST_OK)
        st = features_digest(r, sha256);
    if (st != ST_OK) {
        transfer_free(t);
        return st;
    }
    kept_open(r, t, sha256);
    *ret = t;
    return ST_OK;
}

/* Whether all before the head is the same. */
static bool same_backbone(const struct model *a, const struct model *b)
{
    const struct network *net = model_network(a);
    const struct preprocess *p = model_preprocess(a), *q = model_preprocess(b);
    const float *x = model_params(a), *y = model_params(b);

    for (size_t c = 0; c < PREPROCESS_CHANNELS; c++)
        if (p->means[c] != q->means[c] || p->stds[c] != q->stds[c])
            return false;
    return network_alike(net, model_network(b)) && p->size == q->size && p->resize == q->resize &&
           p->mean == q->mean && p->std == q->std && p->by_channel == q->by_channel &&
           memcmp(x, y, net->head_weights * sizeof *x) == 0 &&
           memcmp(x + net->n_params, y + net->n_params, net->n_state * sizeof *x) == 0;
}

struct image_cache *transfer_kept(const struct transfer *t, const struct model *m)
{
    return t->kept[0] && same_backbone(t->base, m) ? t->kept[0] : NULL;
}

/* ---- features ---- */

/* Rows of the regression: those of one picture side by side. */
struct design {
    struct regression g;
    uint32_t *rows;     /* [n / copies]: of the table; those whose picture can be read */
    double *mean, *std; /* [features]; std 0: they do not differ */
    size_t n_features, n_same;
};

static void design_release(struct design *d)
{
    regression_release(&d->g);
    free(d->rows);
    free(d->mean);
    free(d->std);
}

static enum status memory_check(const struct run *r, const struct transfer *t)
{
    enum { MB = 1 << 20 };
    const size_t n = r->split.part[TRAIN].n, features = model_features(t->base);
    const double needed =
        regression_bytes(r->table.labels.n, n * t->copies, features + r->inputs.n, pool_threads(r->pool)) +
        (double)n * (double)features * sizeof(float);
    const double there = memory_usable();

    if (needed <= there)
        return ST_OK;
    return error_set(
        r->err, ST_LIMIT,
        "the %zu features of %zu pictures%s need %.0f MB of memory and the machine has %.0f: pooling by "
        "one way, fewer views or a later layer need less",
        features, n, t->copies > 1 ? " in several views" : "", needed / MB, there / MB);
}

/* The features of one copy of the pictures of `rows`, ascending. */
static enum status features_make(struct run *r, const struct transfer *t, const uint32_t *rows, size_t n,
                                 size_t copy, struct features *ret)
{
    const struct view view = { (uint64_t)r->config->seed, copy };
    struct scoring_hooks hooks = run_hooks(r);
    struct scores s = { 0 };
    enum status st;

    if (features_init(ret, n, model_features(t->base)) != ST_OK)
        return error_nomem(r->err);
    memcpy(ret->rows, rows, n * sizeof *rows);
    hooks.features = ret;
    hooks.view = copy ? &view : NULL;
    hooks.kept = t->kept[copy];
    st = scorer_run(r->scorer, t->base, rows, n, r->config->missing_images == MISSING_FAIL, &hooks, &s,
                    r->err);
    scores_release(&s);
    if (st != ST_OK)
        features_release(ret);
    return st == ST_NUMERIC
               ? error_set(r->err, st,
                           "the model to start from makes features of a picture that are not finite numbers")
               : st;
}

/* Keep what was read. */
static void features_close_up(struct features *f)
{
    size_t n = 0;

    for (size_t i = 0; i < f->n; i++)
        if (f->read[i]) {
            f->rows[n] = f->rows[i];
            memmove(f->values + n * f->size, f->values + i * f->size, f->size * sizeof *f->values);
            f->read[n++] = true;
        }
    f->n = n;
}

static void features_put(const struct transfer *t, const struct features *f, size_t copy, struct design *d)
{
    for (size_t i = 0; i < f->n; i++)
        memcpy(d->g.x + (i * t->copies + copy) * d->g.d, f->values + i * f->size,
               f->size * sizeof *f->values);
}

/* All but the features: inputs, findings, folds. */
static void rows_fill(const struct run *r, const struct transfer *t, struct design *d)
{
    uint8_t truth[MAX_LABELS];

    for (size_t i = 0; i < d->g.n; i++) {
        const uint32_t at = d->rows[i / t->copies];
        const struct input_values values = row_values(&r->table, at);

        inputs_standardise(&r->inputs, &values, d->g.x + i * d->g.d + d->n_features);
        row_truth(&r->table, at, truth);
        d->g.folds[i] = fold_of(r->table.rows[at].patient);
        for (size_t k = 0; k < d->g.n_labels; k++)
            d->g.positive[k * d->g.n + i] = truth[k];
    }
}

static enum status design_init(const struct run *r, const struct transfer *t, const struct features *f,
                               struct design *d)
{
    *d = (struct design){ .n_features = f->size };
    if (f->n == 0)
        return error_set(r->err, ST_UNUSABLE, "none of the %zu training pictures can be read",
                         r->split.part[TRAIN].n);
    d->rows = malloc(f->n * sizeof *d->rows);
    d->mean = calloc(f->size, sizeof *d->mean);
    d->std = calloc(f->size, sizeof *d->std);
    if (!d->rows || !d->mean || !d->std ||
        regression_init(&d->g, r->table.labels.n, f->n * t->copies, f->size + r->inputs.n) != ST_OK)
        return error_nomem(r->err);
    memcpy(d->rows, f->rows, f->n * sizeof *d->rows);
    d->g.n_chosen = f->size;
    d->g.copies = t->copies;
    rows_fill(r, t, d);
    features_put(t, f, 0, d);
    return ST_OK;
}

/* Rows and numbers of the regression. */
static enum status design_make(struct run *r, const struct transfer *t, struct design *d)
{
    const struct rows *train = &r->split.part[TRAIN];
    struct features f;
    enum status st = features_make(r, t, train->index, train->n, 0, &f);

    if (st != ST_OK)
        return st;
    features_close_up(&f);
    st = design_init(r, t, &f, d);
    features_release(&f);
    for (size_t copy = 1; copy < t->copies && st == ST_OK; copy++) {
        st = features_make(r, t, d->rows, d->g.n / t->copies, copy, &f);
        if (st == ST_OK) {
            features_put(t, &f, copy, d);
            features_release(&f);
        }
    }
    return st;
}

/* ---- standardising ---- */

static void moments(struct design *d)
{
    const size_t n = d->g.n, width = d->g.d;

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < d->n_features; j++)
            d->mean[j] += (double)d->g.x[i * width + j];
    for (size_t j = 0; j < d->n_features; j++)
        d->mean[j] /= (double)n;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < d->n_features; j++) {
            const double from = (double)d->g.x[i * width + j] - d->mean[j];

            d->std[j] += from * from;
        }
    for (size_t j = 0; j < d->n_features; j++) {
        d->std[j] = sqrt(d->std[j] / (double)n);
        if (d->std[j] <=
            1e-5 * fabs(d->mean[j])) { /* float32 has seven digits: no more than their rounding */
            d->std[j] = 0;
            d->n_same++;
        }
    }
}

static void standardise(struct design *d)
{
    moments(d);
    for (size_t i = 0; i < d->g.n; i++)
        for (size_t j = 0; j < d->n_features; j++) {
            float *x = &d->g.x[i * d->g.d + j];

            *x = d->std[j] > 0 ? (float)(((double)*x - d->mean[j]) / d->std[j]) : 0;
        }
}

/* Weights of what the network makes, for those of what the regression had. */
static void fold_in(const struct design *d, const struct network *net, float *params)
{
    const size_t n_inputs = net->n_inputs;

    for (size_t k = 0; k < net->n_labels; k++) {
        const double *fitted = regression_fitted(&d->g, k);
        double bias = fitted[d->g.d];

        for (size_t j = 0; j < d->n_features; j++) {
            const double w = d->std[j] > 0 ? fitted[j] / d->std[j] : 0;

            params[net->head_weights + k * d->n_features + j] = (float)w;
            bias -= w * d->mean[j];
        }
        params[net->head_bias + k] = (float)bias;
        for (size_t j = 0; j < n_inputs; j++)
            params[net->head_inputs + k * n_inputs + j] = (float)fitted[d->n_features + j];
    }
}

/* ---- the head ---- */

static json_t *tried_json(const struct ridges *ridges, const struct ridge_choice *c)
{
    json_t *tried = json_array();

    for (size_t i = 0; i < c->n_tried; i++)
        json_array_append_new(
            tried, json_pack("{s:f,s:o}", "l2", ridges->at[i], "loss", number_or_null(c->loss[i])));
    return tried;
}

/* The head's part of the record; NULL without memory. For free(). */
static char *report_text(const struct run *r, const struct transfer *t, const struct design *d,
                         const struct ridge_choice *c)
{
    json_t *report;
    char *text;

    json_watch();
    report = json_pack("{s:s,s:s,s:I,s:I,s:I,s:I,s:f,s:o}", "layer", r->config->transfer_layer, "pooling",
                       POOLING_NAMES[r->config->transfer_pooling], "features", (json_int_t)d->n_features,
                       "constant_features", (json_int_t)d->n_same, "rows", (json_int_t)(d->g.n / t->copies),
                       "views", (json_int_t)(t->copies - 1), "l2", c->ridge, "tried",
                       tried_json(&r->config->transfer_l2, c));
    text = json_built(report, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(report);
    return text;
}

static enum status model_make(const struct run *r, struct transfer *t, const struct design *d,
                              const struct ridge_choice *c)
{
    const struct network *net = model_network(t->base);
    const size_t n = net->n_params + net->n_state;
    json_t *notes = json_deep_copy(model_notes(t->base));
    float *params = malloc(n * sizeof *params);
    char *text = report_text(r, t, d, c);
    enum status st = ST_NOMEM;

    if (notes && params && text && json_object_set_new(notes, TRANSFER_NOTE, json_string(text)) == 0) {
        memcpy(params, model_params(t->base), n * sizeof *params);
        fold_in(d, net, params);
        st = model_new(net, model_labels(t->base), model_preprocess(t->base), params, notes, &t->model,
                       r->err);
        notes = NULL;
    } else {
        error_nomem(r->err);
    }
    json_decref(notes);
    free(params);
    free(text);
    return st;
}

static enum status head_fit(const struct run *r, struct design *d, struct ridge_choice *ret)
{
    const struct interruption stop = run_interruption((struct run *)r);
    const struct ridges *ridges = &r->config->transfer_l2;
    enum status st = ST_OK;

    *ret = (struct ridge_choice){ .ridge = ridges->at[0] };
    if (ridges->n > 1)
        st = regression_choose(&d->g, ridges, &stop, r->pool, ret);
    if (st == ST_OK)
        st = regression_fit(&d->g, ret->ridge, &stop, r->pool);
    return regression_tell(st, "the features", r->err);
}

enum status transfer_fit(struct run *r, struct transfer *t)
{
    struct design d = { .n_features = 0 };
    struct ridge_choice c;
    enum status st = memory_check(r, t);

    if (st == ST_OK)
        st = design_make(r, t, &d);
    if (st == ST_OK) {
        standardise(&d);
        st = head_fit(r, &d, &c);
    }
    if (st == ST_OK) {
        model_unref(t->model); /* of a run that was at it before */
        t->model = NULL;
        st = model_make(r, t, &d, &c);
    }
    design_release(&d);
    return st;
}

json_t *transfer_json(const struct train_result *result)
{
    const struct model *m = result->model;
    const char *text = m ? json_string_value(json_object_get(model_notes(m), TRANSFER_NOTE)) : NULL;
    json_t *object = NULL;

    if (text && json_read(text, strlen(text), 0, &object, NULL) == ST_OK)
        return object;
    return json_null();
}
