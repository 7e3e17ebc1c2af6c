/* jobs/phantom/write.c - Data_Entry_2017.csv and BBox_List_2017.csv, byte conventions of the Kaggle release: LF, a
 * comma at the end of each row of the first, header names that are split at their commas. */
#include "write.h"

#include "cxrd/buf.h"
#include "cxrd/file.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>

/* The four commonest originals of the real table: width, height, pixel spacing in mm. */
static const struct {
    int width, height;
    const char *spacing;
} DETECTORS[] = {
    { 2500, 2048, "0.168" }, { 2992, 2991, "0.143" }, { 3056, 2544, "0.139" }, { 2048, 2500, "0.171" }
};

const char *phantom_name(const struct phantom_case *row, char name[PHANTOM_NAME_SIZE])
{
    snprintf(name, PHANTOM_NAME_SIZE, "%08u_%03u.png", row->patient, row->follow_up);
    return name;
}

static void put_labels(struct buf *b, unsigned findings)
{
    const char *separator = "";

    if (findings == 0)
        buf_puts(b, "No Finding");
    for (size_t k = 0; k < N_NIH_LABELS; k++)
        if (findings >> k & 1) {
            buf_printf(b, "%s%s", separator, NIH_LABELS.names[k]);
            separator = "|";
        }
}

static enum status replace(const struct phantom_options *o, const char *name, struct buf *b,
                           struct error *err)
{
    const struct iovec part = { b->data, b->len };
    char path[PATH_MAX];
    enum status st = buf_status(b);

    if (st == ST_OK) {
        snprintf(path, sizeof path, "%s/%s", o->out, name);
        st = file_replace(path, &part, 1, err);
    } else {
        error_set(err, st, "no memory for the table '%s'", name);
    }
    buf_release(b);
    return st;
}

enum status phantom_write_table(const struct phantom_options *o, const struct phantom_case *cases,
                                struct error *err)
{
    struct buf b = BUF_INIT(512 * (size_t)PHANTOM_MAX_IMAGES);

    buf_puts(&b, "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
                 "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],\n");
    for (size_t i = 0; i < o->images; i++) {
        const struct phantom_case *c = &cases[i];
        char name[PHANTOM_NAME_SIZE];

        buf_printf(&b, "%s,", phantom_name(c, name));
        put_labels(&b, c->findings);
        buf_printf(&b, ",%u,%u,%u,%c,%s,%d,%d,%s,%s,\n", c->follow_up, c->patient, c->age,
                   c->male ? 'M' : 'F', c->ap ? "AP" : "PA", DETECTORS[c->detector].width,
                   DETECTORS[c->detector].height, DETECTORS[c->detector].spacing,
                   DETECTORS[c->detector].spacing);
    }
    return replace(o, PHANTOM_TABLE, &b, err);
}

enum status phantom_write_boxes(const struct phantom_options *o, const struct phantom_case *cases,
                                struct box (*boxes)[N_NIH_LABELS], struct error *err)
{
    const float size = (float)o->size;
    struct buf b = BUF_INIT(2048 * (size_t)PHANTOM_MAX_IMAGES);

    buf_puts(&b, "Image Index,Finding Label,Bbox [x,y,w,h],,,\n");
    for (size_t i = 0; i < o->images; i++)
        for (size_t k = 0; k < N_NIH_LABELS; k++) {
            const struct box *at = &boxes[i][k];
            const int infiltration = labels_find(&NIH_LABELS, "Infiltration", 12);
            char name[PHANTOM_NAME_SIZE];

            if (!(cases[i].findings >> k & 1) || at->x0 >= at->x1)
                continue;
            buf_printf(&b, "%s,%s,%.3f,%.3f,%.3f,%.3f\n", phantom_name(&cases[i], name),
                       (int)k == infiltration ? "Infiltrate" : NIH_LABELS.names[k], /* the real list's word */
                       (double)(at->x0 * size), (double)(at->y0 * size), (double)((at->x1 - at->x0) * size),
                       (double)((at->y1 - at->y0) * size));
        }
    return replace(o, PHANTOM_BOXES, &b, err);
}
