/* server/api/drawing.c - a picture with the map of its explanation over it and a legend, see prediction.h. */
#include "cxrd/heatmap.h"
#include "cxrd/json.h"
#include "cxrd/secret.h"
#include "prediction.h"

#include <stdio.h>

/* The legend's sentences. */
enum { WARNINGS_TEXT = 8192 };
struct legend {
    char finding[LABEL_SIZE + 128], map[256], warnings[WARNINGS_TEXT];
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

/* A text in what the letters of a picture can show: a question mark for each character that is not ASCII. `ret` has room for it. */
static void letters_write(const char *text, char *ret)
{
    for (; *text; text++)
        if (((unsigned char)*text & 0xc0) != 0x80)
            *ret++ = (unsigned char)*text < 0x80 ? *text : '?';
    *ret = '\0';
}

/* "inverted: …; missing_input: …": every warning of the reply to /predict. */
static void warnings_write(const json_t *list, char ret[WARNINGS_TEXT])
{
    char text[WARNINGS_TEXT];
    size_t n = 0, i;
    json_t *w;

    json_array_foreach (list, i, w)
        if (n < sizeof text)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%s: %s",
                                  n ? "; " : "Warnings: ", json_string_value(json_object_get(w, "code")),
                                  json_string_value(json_object_get(w, "detail")));
    if (n)
        letters_write(text, ret);
}

/* The model's own come last. Errors: ST_NOMEM; a warning less must not look like none. */
static enum status all_warnings_write(const struct model *m, const struct prediction *p,
                                      char ret[WARNINGS_TEXT], struct error *err)
{
    json_t *list = prediction_warnings(m, p), *own = model_warnings(m);
    const bool lacking = json_array_extend(list, own) != 0 || json_ran_out();

    if (!lacking)
        warnings_write(list, ret);
    json_decref(own);
    json_decref(list);
    return lacking ? error_nomem(err) : ST_OK;
}

static enum status legend_write(const struct model *m, const struct prediction *p, struct legend *ret,
                                struct error *err)
{
    char label[LABEL_SIZE];

    letters_write(model_labels(m)->names[p->explanation.label], label);
    if (p->explanation.method == EXPLAIN_OCCLUSION)
        occlusion_write(label, p, ret);
    else
        contributions_write(label, p, ret);
    return all_warnings_write(m, p, ret->warnings, err);
}

enum status prediction_drawing(const struct model *m, const struct image *img, const struct prediction *p,
                               struct heatmap_drawing *ret_drawing, struct error *err)
{
    struct legend legend = { 0 };
    const struct heatmap h = { .xray = img,
                               .rows = p->explanation.rows,
                               .columns = p->explanation.columns,
                               .map = p->explanation.grid,
                               .lines = { legend.finding, legend.map, legend.warnings, INTENDED_USE } };
    enum status st = legend_write(m, p, &legend, err);

    return st == ST_OK ? heatmap_draw(&h, ret_drawing, err) : st;
}

enum status prediction_heatmap(const struct model *m, const struct image *img, const struct prediction *p,
                               struct buf *out, struct error *err)
{
    struct heatmap_drawing d;
    enum status st = prediction_drawing(m, img, p, &d, err);

    if (st != ST_OK)
        return st;
    st = image_encode_png(d.rgb, d.width, d.height, 3, out, err);
    secret_free(d.rgb);
    return st;
}
