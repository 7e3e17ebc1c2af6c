/* jobs/training/embedding.c - a map of test rows, by what the kept model's head reads of their pictures: t-SNE of the first 50
 * principal components. Neighbours on it are pictures that look alike to the network. As "tsne" among the plots:
 *
 *   rows, of    on the map, and test rows; where there are too few of them, or their features do not differ, the rest is missing
 *   components, share            of the principal ones, and the part of the variance that they hold
 *   perplexity, divergence       see tsne.h
 *   points      [[x, y, findings as bits, 32 in a number],…]
 *   neighbours  [{"label","rows","near","near_low","near_high","by_chance"},…], see neighbourhood.h: of the components */
#include "cxrd/rng.h"
#include "neighbourhood.h"
#include "record.h"
#include "run.h"
#include "tsne.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ROWS = 1000, MOST_COMPONENTS = 50, STREAM_MAP = 33 };
enum { MOST_FEATURES = 64 << 20 }; /* floats: 1,000 rows of a network of 256 x 256 pixels, 250 MiB */

static const double FIRST_SPREAD =
    1e-4; /* standard deviation of the first places along the first component */

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

static bool is_mapped(const struct run *r) { return r->config->tsne && model_sees(r->result->model); }

enum status run_pick_features(const struct run *r, const uint32_t *rows, size_t n, struct features *ret)
{
    const size_t size = model_features(r->result->model);
    uint32_t *lot;
    struct rng rng;

    if (!is_mapped(r))
        return ST_OK;
    lot = malloc((n + 1) * sizeof *lot);
    if (!lot || features_init(ret, least(n, least(MOST_ROWS, MOST_FEATURES / size)), size) != ST_OK) {
        free(lot);
        return error_nomem(r->err);
    }
    memcpy(lot, rows, n * sizeof *lot);
    rng_seed(&rng, (uint64_t)r->config->seed, STREAM_MAP);
    rng_shuffle(&rng, lot, n);
    memcpy(ret->rows, lot, ret->n * sizeof *lot);
    qsort(ret->rows, ret->n, sizeof *lot, row_compare);
    free(lot);
    return ST_OK;
}

/* Only those whose picture could be read. */
static void keep_read(struct features *f)
{
    size_t kept = 0;

    for (size_t i = 0; i < f->n; i++) {
        if (!f->read[i])
            continue;
        f->rows[kept] = f->rows[i];
        memmove(f->values + kept * f->size, f->values + i * f->size, f->size * sizeof *f->values);
        f->read[kept++] = true;
    }
    f->n = kept;
}

/* Everything of a map while it is made; freed as a whole. */
struct map {
    size_t n, k;
    double share, perplexity, divergence;
    double *x;      /* [n][k] */
    double *p;      /* [n][n] */
    double *y;      /* [n][2] */
    uint8_t *truth; /* [n][labels]: 0, 1 or TRUTH_UNKNOWN */
    const struct labels *labels;
    struct patients patients;
    struct neighbourhood near[MAX_LABELS];
};

static void map_release(struct map *m)
{
    free(m->x);
    free(m->p);
    free(m->y);
    free(m->truth);
    patients_release(&m->patients);
}

static enum status map_init(struct map *m, const struct run *r, const struct features *f)
{
    uint64_t *ids = malloc((f->n + 1) * sizeof *ids);
    enum status st = ids ? ST_OK : ST_NOMEM;

    *m = (struct map){ .n = f->n,
                       .labels = &r->table.labels,
                       .k = least(MOST_COMPONENTS, f->n),
                       .perplexity = tsne_perplexity(f->n) };
    m->x = malloc(m->n * m->k * sizeof *m->x);
    m->p = malloc(m->n * m->n * sizeof *m->p);
    m->y = malloc(2 * m->n * sizeof *m->y);
    m->truth = malloc(m->n * m->labels->n);
    if (!m->x || !m->p || !m->y || !m->truth)
        st = ST_NOMEM;
    for (size_t i = 0; i < f->n && st == ST_OK; i++) {
        ids[i] = r->table.rows[f->rows[i]].patient;
        row_truth(&r->table, f->rows[i], m->truth + i * m->labels->n);
    }
    if (st == ST_OK)
        st = patients_group(f->n, ids, &m->patients);
    free(ids);
    return st;
}

/* The first two components, nearly in one place: what is far apart as a whole begins apart (Kobak & Linderman, Nat Biotechnol
 * 2021). */
static void first_places(struct map *m)
{
    double squares = 0;

    for (size_t i = 0; i < m->n; i++)
        squares += m->x[i * m->k] * m->x[i * m->k];
    for (size_t i = 0; i < 2 * m->n; i++)
        m->y[i] = FIRST_SPREAD * m->x[i / 2 * m->k + i % 2] / sqrt(squares / (double)m->n);
}

/* The features go on the way.
 *   ret_differ  whether the rows do */
static enum status map_make(struct map *m, struct run *r, struct features *f, bool *ret_differ)
{
    const struct interruption stop = run_interruption(r);
    enum status st = principal_components(m->n, f->size, f->values, m->k, r->pool, &stop, m->x, &m->share);

    features_release(f); /* far more memory than the rest takes */
    *ret_differ = st == ST_OK && m->share > 0;
    if (st == ST_NUMERIC)
        return ST_OK; /* numbers that are no numbers have no place */
    if (st != ST_OK || !*ret_differ)
        return st;
    first_places(m);
    st = tsne_similarities(m->n, m->k, m->x, m->perplexity, &stop, m->p);
    if (st == ST_OK)
        st = tsne_map(m->n, m->p, &stop, m->y, &m->divergence);
    return st == ST_OK ? neighbourhoods(m->n, m->k, m->x, &m->patients, m->labels->n, m->truth, m->near) : st;
}

static json_t *neighbours_json(const struct map *m)
{
    json_t *all = json_array();

    for (size_t k = 0; k < m->labels->n; k++) {
        const struct neighbourhood *n = &m->near[k];
        json_t *finding =
            json_pack("{s:s,s:I,s:o,s:o}", "label", m->labels->names[k], "rows", (json_int_t)n->rows, "near",
                      number_or_null(n->near.value), "by_chance", number_or_null(n->by_chance));

        interval_set(finding, "near", &n->near);
        json_array_append_new(all, finding);
    }
    return all;
}

/* One point: where it is, and its findings. A reader of JSON in a page shifts 32 bits at a time. */
static json_t *point_json(const struct map *m, size_t i)
{
    json_t *point = json_pack("[f,f]", m->y[2 * i], m->y[2 * i + 1]);
    uint32_t word = 0;

    for (size_t k = 0; k < m->labels->n; k++) {
        word |= (uint32_t)(m->truth[i * m->labels->n + k] == 1) << k % 32;
        if (k % 32 == 31 || k + 1 == m->labels->n) {
            json_array_append_new(point, json_integer(word));
            word = 0;
        }
    }
    return point;
}

static void map_put(json_t *tsne, const struct map *m)
{
    json_t *points = json_array();

    for (size_t i = 0; i < m->n; i++)
        json_array_append_new(points, point_json(m, i));
    json_object_set_new(tsne, "components", json_integer((json_int_t)m->k));
    json_object_set_new(tsne, "share", number_or_null(m->share));
    json_object_set_new(tsne, "perplexity", json_real(m->perplexity));
    json_object_set_new(tsne, "divergence", number_or_null(m->divergence));
    json_object_set_new(tsne, "points", points);
    json_object_set_new(tsne, "neighbours", neighbours_json(m));
}

enum status run_embed(struct run *r, struct features *f)
{
    bool differ = false;
    struct map m = { 0 };
    json_t *tsne;
    enum status st = ST_OK;

    if (!is_mapped(r))
        return ST_OK;
    keep_read(f);
    tsne = json_pack("{s:I,s:I}", "rows", (json_int_t)f->n, "of",
                     (json_int_t)r->result->evaluation[SCORED_TEST].rows);
    if (f->n >= TSNE_LEAST)
        st = map_init(&m, r, f);
    if (f->n >= TSNE_LEAST && st == ST_OK)
        st = map_make(&m, r, f, &differ);
    if (st == ST_OK && differ)
        map_put(tsne, &m);
    map_release(&m);
    if (st == ST_OK && json_object_set(r->result->plots, "tsne", tsne) != 0)
        st = ST_NOMEM;
    json_decref(tsne);
    if (st == ST_CANCELLED)
        return error_set(r->err, st, "the training was cancelled");
    return st == ST_OK ? ST_OK : error_nomem(r->err);
}
