/* server/api/heatmap.c - POST /predict/heatmap: a picture in, the same with its explanation over it out. The CLI
 * writes it too. */
#include "cxrd/heatmap.h"
#include "answer.h"
#include "handlers.h"
#include "input.h"

#include <math.h>
#include <stdio.h>

/* The legend's sentences. */
struct legend {
    char finding[128], map[256], warnings[160];
};

static void contributions_write(const struct prediction *p, struct legend *ret)
{
    const struct explanation *e = &p->explanation;
    double picture = 0;

    for (size_t i = 0; i < e->rows * e->columns; i++)
        picture += e->grid[i];
    snprintf(ret->finding, sizeof ret->finding,
             "%s: probability %.3f, logit %+.2f = bias %+.2f, inputs %+.2f, "
             "picture %+.2f",
             LABELS[e->label], (double)p->probability[e->label], e->logit, e->bias, e->inputs, picture);
    snprintf(ret->map, sizeof ret->map,
             "Colour: what each of %zu x %zu parts of the picture adds to the logit (red) or takes from it "
             "(blue).",
             e->rows, e->columns);
}

static void occlusion_write(const struct prediction *p, struct legend *ret)
{
    const struct explanation *e = &p->explanation;

    snprintf(ret->finding, sizeof ret->finding, "%s: probability %.3f, logit %+.2f", LABELS[e->label],
             (double)p->probability[e->label], e->logit);
    snprintf(ret->map, sizeof ret->map,
             "Colour: occlusion. How much the logit falls (red) or rises (blue) when one of %zu x %zu parts "
             "of the picture is covered by its mean grey. The parts do not add up to the logit.",
             e->rows, e->columns);
}

static void legend_write(const struct prediction *p, struct legend *ret)
{
    if (p->explanation.method == EXPLAIN_OCCLUSION)
        occlusion_write(p, ret);
    else
        contributions_write(p, ret);
    if (p->warnings.n > 0) {
        char codes[128];

        warning_codes(&p->warnings, codes, sizeof codes);
        snprintf(ret->warnings, sizeof ret->warnings, "Warnings: %s.", codes);
    }
}

enum status prediction_heatmap(const struct image *img, const struct prediction *p, struct buf *out,
                               struct error *err)
{
    struct legend legend = { 0 };
    const struct heatmap h = { .xray = img,
                               .rows = p->explanation.rows,
                               .columns = p->explanation.columns,
                               .map = p->explanation.grid,
                               .lines = { legend.finding, legend.map, legend.warnings, INTENDED_USE } };

    legend_write(p, &legend);
    return heatmap_png(&h, out, err);
}

/* The finding whose map is wanted. */
static enum status wanted(const struct http_request *req, int *ret_label, struct error *err)
{
    const enum status st = label_parse(req, "label", ret_label, err);

    if (st == ST_OK && *ret_label == EXPLAIN_NONE)
        return error_set(err, ST_INVALID,
                         "'label' is missing: name the finding whose map is wanted, as in "
                         "/predict/heatmap?label=%s",
                         LABELS[0]);
    return st;
}

enum status heatmap_at_head(struct app *app, const struct http_request *req, struct http_response *res,
                            struct error *err)
{
    int label = EXPLAIN_NONE;

    (void)app;
    return answer_at_head(req, wanted(req, &label, err), res, err);
}

enum status heatmap_post(struct app *app, const struct http_request *req, struct http_response *res,
                         struct error *err)
{
    struct answer a = ANSWER_INIT;
    int label = EXPLAIN_NONE;
    enum status st = wanted(req, &label, err);

    http_header_add(res, "Cache-Control", "no-store");
    if (st == ST_OK)
        st = answer_make(app_serving(app), req, res, label, &a, err);
    answer_note(&a, res);
    res->body.secret = true; /* the picture is in it */
    if (st == ST_OK)
        st = prediction_heatmap(&a.image, &a.prediction, &res->body, err);
    if (st == ST_OK)
        res->content_type = "image/png";
    answer_release(&a);
    return st;
}
