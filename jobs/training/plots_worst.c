/* jobs/training/plots_worst.c - the worst errors of each finding, with where in the picture they come from; see plots.h. */
#include "plots.h"

#include "cxrd/explain.h"
#include "cxrd/report.h"

#include <math.h>
#include <stdlib.h>

/* A session, and room for what goes through it. */
struct lens {
    const struct pictures *pictures;
    const struct model *model;
    struct session *session;
    uint8_t *grey; /* [size * size] */
    float *x;      /* the same, scaled */
};

static enum status lens_init(struct lens *l, const struct pictures *pictures, const struct model *m)
{
    const size_t plane = pictures->pre.size * pictures->pre.size, n = preprocess_floats(&pictures->pre);

    *l = (struct lens){
        .pictures = pictures, .model = m, .grey = malloc(plane + 1), .x = malloc((n + 1) * sizeof *l->x)
    };
    return l->grey && l->x ? session_new(&l->session) : ST_NOMEM;
}

static void lens_release(struct lens *l)
{
    session_free(l->session);
    free(l->grey);
    free(l->x);
}

/* Of the rows whose truth is `value`: that with the highest score for 0, with the lowest for 1; of equal ones the first.
 * Returns s->n where there is none. */
static size_t worst_of(const struct scores *s, size_t k, uint8_t value)
{
    size_t worst = s->n;

    for (size_t i = 0; i < s->n; i++) {
        const float score = s->prob[i * s->labels->n + k];

        if (s->truth[i * s->labels->n + k] != value || isnan(score))
            continue;
        if (worst == s->n ||
            (value ? score < s->prob[worst * s->labels->n + k] : score > s->prob[worst * s->labels->n + k]))
            worst = i;
    }
    return worst;
}

/* The map of the picture, row by row. */
static json_t *map_json(const struct explanation *e)
{
    json_t *map = json_array();

    for (size_t i = 0; i < e->rows; i++) {
        json_t *row = json_array();

        for (size_t j = 0; j < e->columns; j++)
            json_array_append_new(row, json_real(e->grid[i * e->columns + j]));
        json_array_append_new(map, row);
    }
    return map;
}

/* Put one entry; a picture that is no good any more is passed over. Errors: picture_load()'s of what lies outside. */
static enum status entry_put(struct lens *l, const struct scores *s, size_t i, size_t k, json_t *list,
                             struct error *err)
{
    const uint32_t row = s->rows[i];
    const size_t plane = l->pictures->pre.size * l->pictures->pre.size;
    float logits[MAX_LABELS];
    struct explanation e;
    enum status st = picture_load(l->pictures, row, l->grey, err);

    if (st == ST_OK) {
        preprocess_scale(l->grey, plane, &l->pictures->pre, l->x);
        st = session_run(l->session, l->model, 1, l->x, logits);
    }
    if (st == ST_OK)
        st = session_explain(l->session, l->model, l->x, k, logits[k], &e);
    if (st == ST_NOMEM)
        return error_nomem(err);
    if (st != ST_OK)
        return status_is_outside(st) ? st : ST_OK;
    json_array_append_new(list, json_pack("{s:s,s:b,s:f,s:s,s:o,s:o,s:o,s:s}", "label", s->labels->names[k],
                                          "positive", s->truth[i * s->labels->n + k], "probability",
                                          (double)s->prob[i * s->labels->n + k], "image",
                                          table_image(l->pictures->table, row), "labels",
                                          labels_json(l->pictures->table, row), "png",
                                          picture_json(l->grey, l->pictures->pre.size), "map", map_json(&e),
                                          "map_method", explanation_method_name(e.method)));
    return ST_OK;
}

static size_t positives_of(const struct scores *s, size_t k)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++)
        n += s->truth[i * s->labels->n + k] == 1;
    return n;
}

/* Whether a finding is among the REPORT_WORST_FINDINGS that the most rows have; of equal ones the first. */
static bool is_shown(const size_t positives[MAX_LABELS], size_t n_labels, size_t k)
{
    size_t before = 0;

    for (size_t j = 0; j < n_labels; j++)
        before += positives[j] > positives[k] || (j < k && positives[j] == positives[k]);
    return before < REPORT_WORST_FINDINGS;
}

enum status plots_worst(json_t *plots, const struct pictures *pictures, const struct model *m,
                        const struct scores *s, struct error *err)
{
    struct lens l;
    json_t *list = json_array();
    enum status st = lens_init(&l, pictures, m);
    size_t positives[MAX_LABELS] = { 0 };

    for (size_t k = 0; k < s->labels->n; k++)
        positives[k] = positives_of(s, k);
    for (size_t k = 0; k < s->labels->n && st == ST_OK; k++)
        for (uint8_t value = 0; value < 2 && st == ST_OK && is_shown(positives, s->labels->n, k); value++) {
            const size_t worst = worst_of(s, k, value);

            if (worst < s->n && worst_of(s, k, !value) < s->n) /* of a finding that has both kinds */
                st = entry_put(&l, s, worst, k, list, err);
        }
    lens_release(&l);
    if (st == ST_NOMEM || json_object_set_new(plots, "worst", list) != 0)
        return error_nomem(err);
    return st;
}
