/* server/api/drawing.c - a picture with the map of its explanation over it and a legend, see prediction.h. */
#include "cxrd/heatmap.h"
#include "prediction.h"

#include <stdio.h>

/* The legend's sentences. */
struct legend {
    char finding[LABEL_SIZE + 128], map[256], warnings[WARNING_CODES + 16];
};

static void contributions_write(const char *label, const struct prediction *p, struct legend *ret)
{
    const struct explanation *e = &p->explanation;
    double picture = 0;

    for (size_t i = 0; i < e->rows * e->columns; i++)
        picture += e->grid[i];
    snprintf(ret->finding, sizeof ret->finding,
             "%s: probability %.3f, logit %+.2f = bias %+.2f, inputs %+.2f, "
             "picture %+.2f",
             label, (double)p->probability[e->label], e->logit, e->bias, e->inputs, picture);
    snprintf(ret->map, sizeof ret->map,
             "Colour: what each of %zu x %zu parts of the picture adds to the logit (red) or takes from it "
             "(blue).",
             e->rows, e->columns);
}

static void occlusion_write(const char *label, const struct prediction *p, struct legend *ret)
{
    const struct explanation *e = &p->explanation;

    snprintf(ret->finding, sizeof ret->finding, "%s: probability %.3f, logit %+.2f", label,
             (double)p->probability[e->label], e->logit);
    snprintf(ret->map, sizeof ret->map,
             "Colour: occlusion. How much the logit falls (red) or rises (blue) when one of %zu x %zu parts "
             "of the picture is covered by its mean grey. The parts do not add up to the logit.",
             e->rows, e->columns);
}

/* A name in what the letters of a picture can show: a question mark for each character that is not ASCII. */
static void name_write(const char *name, char ret[LABEL_SIZE])
{
    for (; *name; name++)
        if (((unsigned char)*name & 0xc0) != 0x80)
            *ret++ = (unsigned char)*name < 0x80 ? *name : '?';
    *ret = '\0';
}

static void legend_write(const struct model *m, const struct prediction *p, struct legend *ret)
{
    char label[LABEL_SIZE], codes[WARNING_CODES];

    name_write(model_labels(m)->names[p->explanation.label], label);
    if (p->explanation.method == EXPLAIN_OCCLUSION)
        occlusion_write(label, p, ret);
    else
        contributions_write(label, p, ret);
    warning_codes(p, codes);
    if (codes[0])
        snprintf(ret->warnings, sizeof ret->warnings, "Warnings: %s.", codes);
}

static struct heatmap heatmap_of(const struct model *m, const struct image *img, const struct prediction *p,
                                 struct legend *legend)
{
    legend_write(m, p, legend);
    return (struct heatmap){ .xray = img,
                             .rows = p->explanation.rows,
                             .columns = p->explanation.columns,
                             .map = p->explanation.grid,
                             .lines = { legend->finding, legend->map, legend->warnings, INTENDED_USE } };
}

enum status prediction_heatmap(const struct model *m, const struct image *img, const struct prediction *p,
                               struct buf *out, struct error *err)
{
    struct legend legend = { 0 };
    const struct heatmap h = heatmap_of(m, img, p, &legend);

    return heatmap_png(&h, out, err);
}

enum status prediction_drawing(const struct model *m, const struct image *img, const struct prediction *p,
                               struct heatmap_drawing *ret_drawing, struct error *err)
{
    struct legend legend = { 0 };
    const struct heatmap h = heatmap_of(m, img, p, &legend);

    return heatmap_draw(&h, ret_drawing, err);
}
